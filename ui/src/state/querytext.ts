/** Edits of the query text by clicks: the text stays the only place that says what is searched. */

import type { Scalar } from "../api/types";

const BARE_FIELD = /^[\p{L}\p{N}_@][\p{L}\p{N}_@.\-]*$/u;

export function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** `field:"value"`; numbers and booleans stay bare so that they compare as what they are. */
export function term(field: string, value: Scalar): string {
  const name = BARE_FIELD.test(field) ? field : quote(field);
  return `${name}:${typeof value === "string" ? quote(value) : String(value)}`;
}

interface Part {
  text: string;
  start: number;
  end: number;
}

/** Splits at top-level blanks and before the first top-level `|`; quotes and brackets hold together. */
export function splitQuery(q: string): { parts: Part[]; pipeAt: number } {
  const parts: Part[] = [];
  let depth = 0;
  let quoted = "";
  let start = -1;
  let pipeAt = q.length;
  const close = (end: number): void => {
    if (start >= 0) parts.push({ text: q.slice(start, end), start, end });
    start = -1;
  };
  for (let i = 0; i < q.length; i += 1) {
    const c = q[i] as string;
    if (quoted !== "") {
      if (c === "\\") i += 1;
      else if (c === quoted) quoted = "";
      continue;
    }
    if (depth === 0 && /\s/.test(c)) {
      close(i);
      continue;
    }
    if (depth === 0 && c === "|" && q[i + 1] !== "|" && q[i - 1] !== "|") {
      pipeAt = i;
      break;
    }
    if (start < 0) start = i;
    if (c === '"') quoted = c;
    else if (c === "(" || c === "[" || c === "{") depth += 1;
    else if ((c === ")" || c === "]" || c === "}") && depth > 0) depth -= 1;
  }
  close(Math.min(pipeAt, q.length));
  return { parts, pipeAt };
}

function hasTopLevelOr(parts: readonly Part[]): boolean {
  return parts.some((p) => p.text === "||" || p.text.toUpperCase() === "OR");
}

/** Adds `field:"value"` (or `-field:"value"`). A filter already there stays as it is; its opposite is replaced. */
export function addFilter(q: string, field: string, value: Scalar, exclude: boolean): string {
  const include = term(field, value);
  const wanted = exclude ? `-${include}` : include;
  const opposite = exclude ? include : `-${include}`;
  const { parts, pipeAt } = splitQuery(q);
  const alternatives = hasTopLevelOr(parts);
  const pipes = q.slice(pipeAt).trim();
  const finish = (filter: string): string => (pipes === "" ? filter : `${filter} ${pipes}`.trim());

  if (!alternatives) {
    if (parts.some((p) => p.text === wanted)) return q;
    const other = parts.find((p) => p.text === opposite);
    if (other) return q.slice(0, other.start) + wanted + q.slice(other.end);
  }
  const filter = q.slice(0, pipeAt).trim();
  if (filter === "" || filter === "*") return finish(wanted);
  return finish(alternatives ? `(${filter}) ${wanted}` : `${filter} ${wanted}`);
}

/** Takes out what `addFilter` put in; anything else stays as it was written. */
export function removeFilter(q: string, field: string, value: Scalar, exclude: boolean): string {
  const wanted = (exclude ? "-" : "") + term(field, value);
  const part = splitQuery(q).parts.find((p) => p.text === wanted);
  return part ? `${q.slice(0, part.start).trimEnd()} ${q.slice(part.end).trimStart()}`.trim() : q;
}

/** Whether the query already holds this filter, so that buttons can show it. */
export function hasFilter(q: string, field: string, value: Scalar, exclude: boolean): boolean {
  const wanted = (exclude ? "-" : "") + term(field, value);
  const { parts } = splitQuery(q);
  return !hasTopLevelOr(parts) && parts.some((p) => p.text === wanted);
}

/** A correction that the server proposes in a warning or in the hint of an error. */
export interface Correction {
  wrong: string;
  right: string;
}

/** Of "no event ... has the field `servcie`; did you mean `service`?". */
export function correctionIn(warning: string): Correction | undefined {
  const found = /`([^`]+)`[^`]*did you mean `([^`]+)`\?/.exec(warning);
  return found ? { wrong: found[1] as string, right: found[2] as string } : undefined;
}

/** Gives a field another name wherever the query asks about it; quoted text and values stay as they are. */
export function renameField(q: string, { wrong, right }: Correction): string {
  const names = [`${wrong}:`, `${quote(wrong)}:`];
  const name = BARE_FIELD.test(right) ? right : quote(right);
  let out = "";
  let startsTerm = true;
  for (let i = 0; i < q.length; ) {
    const found: string | undefined = startsTerm ? names.find((n) => q.startsWith(n, i)) : undefined;
    const end: number = found ? i + found.length : q[i] === '"' ? closingQuote(q, i) : i + 1;
    out += found ? `${name}:` : q.slice(i, end);
    startsTerm = /[\s(\-!]$/.test(q.slice(i, end)) && q[i] !== '"';
    i = end;
  }
  return out;
}

/** The query with its last word as the beginning of one; undefined where it does not end in a plain word. */
export function asBeginning(q: string): string | undefined {
  const { parts, pipeAt } = splitQuery(q);
  const last = parts.at(-1);
  if (pipeAt < q.length || !last || !PLAIN_WORD.test(last.text) || OPERATOR.test(last.text)) return undefined;
  return `${q.slice(0, last.end)}*${q.slice(last.end)}`.trim();
}

const PLAIN_WORD = /^[\p{L}\p{N}_]{2,}$/u;
const OPERATOR = /^(?:AND|OR|NOT|TO)$/;

/** The place after the quoted text that begins at `start`; past the end where it is not closed. */
function closingQuote(q: string, start: number): number {
  for (let i = start + 1; i < q.length; i += 1) {
    if (q[i] === "\\") i += 1;
    else if (q[i] === '"') return i + 1;
  }
  return q.length + 1;
}

const UNFINISHED_END = /(?:[:|<>=\\]|(?:^|[\s(])(?:-|!|AND|OR|NOT|&&?))\s*$/;

/**
 * Whether it is worth asking the server while the query is being typed: not in the middle of quotes, brackets or a
 * `field:`. A guess, which delays a search but never prevents it.
 */
export function looksFinished(q: string): boolean {
  let depth = 0;
  for (let i = 0; i < q.length; ) {
    const c = q[i] as string;
    i = c === '"' ? closingQuote(q, i) : i + 1;
    if (i > q.length) return false;
    if ("([{".includes(c)) depth += 1;
    else if (")]}".includes(c)) depth -= 1;
  }
  return depth === 0 && !UNFINISHED_END.test(q);
}

/** The server counts bytes of UTF-8, the text box counts UTF-16 units. */
export function byteSpanToChars(q: string, span: readonly [number, number]): [number, number] {
  const bytes = new TextEncoder().encode(q);
  const decoder = new TextDecoder();
  const at = (n: number): number => decoder.decode(bytes.subarray(0, Math.min(n, bytes.length))).length;
  const start = at(span[0]);
  return [start, Math.max(start, at(span[1]))];
}

/** What is being typed at the caret: a field name, or a value of a field. */
export interface CaretWord {
  kind: "field" | "value";
  field: string;
  typed: string;
  start: number;
  end: number;
}

export function wordAtCaret(q: string, caret: number): CaretWord | null {
  const before = q.slice(0, caret);
  const value = /(?:^|[\s(\-!])([\p{L}\p{N}_@.]+):(?:"([^"\\]*)|([\p{L}\p{N}_.\-/]*))$/u.exec(before);
  if (value) {
    const quoted = value[2] !== undefined;
    const typed = value[2] ?? value[3] ?? "";
    const start = caret - typed.length - (quoted ? 1 : 0);
    const end = quoted && q[caret] === '"' ? caret + 1 : caret;
    return { kind: "value", field: value[1] as string, typed, start, end };
  }
  const name = /(?:^|[\s(\-!])([\p{L}_@][\p{L}\p{N}_@.]*)$/u.exec(before);
  if (!name) return null;
  const typed = name[1] as string;
  return { kind: "field", field: "", typed, start: caret - typed.length, end: caret };
}
