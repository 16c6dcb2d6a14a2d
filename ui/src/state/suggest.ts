/** What to offer at the caret of the query, asked from the server. */

import * as api from "../api/client";
import { formatCompact } from "./format";
import { quote, type CaretWord } from "./querytext";

const SHOWN_MAX = 10;
const VALUES_ASKED = 50;
const BARE_VALUE = /^[\p{L}\p{N}_][\p{L}\p{N}_.\-/]*$/u;

/** Always there, and what people type first. */
const SHORT_NAMES = ["level", "service", "host", "status", "method", "path", "ip", "duration", "trace_id", "error"];

export interface Suggestion {
  text: string;
  insert: string;
  note: string;
}

interface Span {
  from?: number;
  to?: number;
}

/** Field names that hold what was typed, or the most frequent values of the field, best first. */
export async function suggest(word: CaretWord, range: Span, signal: AbortSignal): Promise<Suggestion[]> {
  const typed = word.typed.toLowerCase();
  if (word.kind === "field") {
    if (typed.length === 0) return [];
    const { fields } = await api.fields({ q: "", ...range }, signal);
    const names = new Map(SHORT_NAMES.map((name) => [name, ""]));
    for (const field of fields) names.set(field.name, formatCompact(field.count));
    return [...names]
      .filter(([name]) => name.toLowerCase().includes(typed))
      .sort(([a], [b]) => rank(a, typed) - rank(b, typed))
      .slice(0, SHOWN_MAX)
      .map(([name, note]) => ({ text: name, insert: `${name}:`, note }));
  }
  const { values } = await api.fieldValues(await realName(word.field, range, signal), { q: "", ...range }, VALUES_ASKED, signal);
  return values
    .map(({ value, count }) => ({ text: String(value), note: formatCompact(count) }))
    .filter(({ text }) => text.toLowerCase().includes(typed) && text.toLowerCase() !== typed)
    .sort((a, b) => rank(a.text, typed) - rank(b.text, typed))
    .slice(0, SHOWN_MAX)
    .map((item) => ({ ...item, insert: `${BARE_VALUE.test(item.text) ? item.text : quote(item.text)} ` }));
}

function rank(text: string, typed: string): number {
  return text.toLowerCase().startsWith(typed) ? 0 : 1;
}

const LONG_NAMES: Record<string, string> = {
  level: "log.level",
  service: "service.name",
  host: "host.name",
  status: "http.response.status_code",
  method: "http.request.method",
  path: "url.original",
  ip: "source.ip",
  trace_id: "trace.id",
  error: "error.message",
  user: "user.name",
};

/** The values of a short name are those of the field it stands for, where the events have that one. */
async function realName(name: string, range: Span, signal: AbortSignal): Promise<string> {
  const long = LONG_NAMES[name];
  if (!long) return name;
  const { fields } = await api.fields({ q: "", ...range }, signal);
  return fields.some((field) => field.name === long) ? long : name;
}
