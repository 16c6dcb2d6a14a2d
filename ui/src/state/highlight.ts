/** Splits a message into plain and highlighted pieces by the search words of the trailer. */

export interface Piece {
  text: string;
  hit: boolean;
}

const TOKEN = /[\p{L}\p{N}]+/gu;
const CAMEL = /\p{Lu}?[\p{Ll}\p{N}]+|\p{Lu}+(?!\p{Ll})/gu;

/** Follows the index: words are runs of letters and digits, and the parts of a camelCase word count too. */
export function highlight(text: string, words: ReadonlySet<string>): Piece[] {
  if (words.size === 0) return [{ text, hit: false }];
  const pieces: Piece[] = [];
  let done = 0;
  const mark = (start: number, end: number): void => {
    if (start > done) pieces.push({ text: text.slice(done, start), hit: false });
    pieces.push({ text: text.slice(start, end), hit: true });
    done = end;
  };
  for (const token of text.matchAll(TOKEN)) {
    const word = token[0];
    if (words.has(word.toLowerCase())) {
      mark(token.index, token.index + word.length);
      continue;
    }
    for (const part of word.matchAll(CAMEL)) {
      if (part[0].length < word.length && words.has(part[0].toLowerCase())) {
        const start = token.index + part.index;
        mark(start, start + part[0].length);
      }
    }
  }
  if (done < text.length) pieces.push({ text: text.slice(done), hit: false });
  return pieces;
}
