/** A rough stand-in for the query language: words, phrases, field:value, ranges, -, OR, brackets. Enough for the page. */

const ALIASES = {
  level: ["log.level"],
  service: ["service.name"],
  host: ["host.name"],
  status: ["http.response.status_code"],
  path: ["url.original"],
  ip: ["source.ip"],
};

export class QueryError extends Error {
  constructor(message, span, hint) {
    super(message);
    this.body = { code: "query_syntax", message, span, ...(hint ? { hint } : {}) };
  }
}

function bytes(text) {
  return Buffer.byteLength(text);
}

export function flat(event, prefix = "", out = {}) {
  for (const [key, value] of Object.entries(event)) {
    const name = prefix ? `${prefix}.${key}` : key;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) flat(value, name, out);
    else out[name] = value;
  }
  return out;
}

const TOKEN =
  /\s*(?:(\()|(\))|(-|!|NOT\b)|(OR\b|\|\|)|(AND\b|&&)|("(?:[^"\\]|\\.)*"|[\p{L}\p{N}_@][\p{L}\p{N}_@.\-]*):(>=|<=|>|<)?("(?:[^"\\]|\\.)*"|[^\s()"]+)?|"((?:[^"\\]|\\.)*)"|([^\s()"]+))/uy;

function lex(q) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < q.length) {
    const at = TOKEN.lastIndex;
    if (/^\s*$/.test(q.slice(at))) break;
    const m = TOKEN.exec(q);
    if (!m) {
      throw new QueryError("this quote is not closed", [bytes(q.slice(0, at)), bytes(q)], 'add a closing `"`');
    }
    const start = bytes(q.slice(0, TOKEN.lastIndex - m[0].trimStart().length));
    tokens.push({ m, start, end: bytes(q.slice(0, TOKEN.lastIndex)) });
  }
  return tokens;
}

function unquote(text) {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text;
}

function fieldTest(name, op, raw) {
  const value = unquote(raw);
  const names = [name, ...(ALIASES[name] ?? [])];
  const compare = (v) => {
    if (op === ">=") return Number(v) >= Number(value);
    if (op === "<=") return Number(v) <= Number(value);
    if (op === ">") return Number(v) > Number(value);
    if (op === "<") return Number(v) < Number(value);
    if (value === "*") return true;
    if (name === "message") return String(v).toLowerCase().includes(value.toLowerCase());
    return String(v).toLowerCase() === value.toLowerCase();
  };
  return (event, fields) => names.some((n) => fields[n] !== undefined && [fields[n]].flat().some(compare));
}

/** Words are whole ones; a star at the end stands for the rest of one. */
function textTest(text) {
  const needle = text.toLowerCase().replace(/\*$/, "");
  const [start, end] = [/^[a-z0-9]/.test(needle) ? "\\b" : "", !text.endsWith("*") && /[a-z0-9]$/.test(needle) ? "\\b" : ""];
  const wanted = new RegExp(start + needle.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") + end);
  return (event) => wanted.test((event._text ??= JSON.stringify(event).toLowerCase()));
}

export function compile(q) {
  const tokens = lex(q);
  const words = [];
  let at = 0;
  const unary = () => {
    const token = tokens[at];
    if (!token) throw new QueryError("expected something to search for at the end", [bytes(q), bytes(q)]);
    at += 1;
    const [, open, close, not, or, and, field, op, value, phrase, word] = token.m;
    if (not) {
      const inner = unary();
      return (e, f) => !inner(e, f);
    }
    if (open) {
      const inner = alternatives();
      if (!tokens[at]?.m[2]) throw new QueryError("this bracket is not closed", [token.start, token.end], "add `)`");
      at += 1;
      return inner;
    }
    if (close || or || and) throw new QueryError(`unexpected \`${token.m[0].trim()}\``, [token.start, token.end]);
    if (field) {
      if (value === undefined) {
        const hint = `quote it: ${field}:"..."`;
        throw new QueryError(`expected a value after \`${field}:\``, [token.start, token.end], hint);
      }
      return fieldTest(unquote(field), op, value);
    }
    const text = phrase ?? word;
    if (text === "*") return () => true;
    words.push(...(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []));
    return textTest(text);
  };
  const sequence = () => {
    const tests = [unary()];
    while (tokens[at] && !tokens[at].m[2] && !tokens[at].m[4]) {
      if (tokens[at].m[5]) at += 1;
      tests.push(unary());
    }
    return (e, f) => tests.every((t) => t(e, f));
  };
  function alternatives() {
    const tests = [sequence()];
    while (tokens[at]?.m[4]) {
      at += 1;
      tests.push(sequence());
    }
    return (e, f) => tests.some((t) => t(e, f));
  }
  if (tokens.length === 0) return { test: () => true, words };
  const test = alternatives();
  if (at < tokens.length) {
    const token = tokens[at];
    throw new QueryError("this bracket was never opened", [token.start, token.end]);
  }
  return { test, words: [...new Set(words)] };
}
