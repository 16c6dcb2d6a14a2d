/** Time ranges: the relative presets, absolute ends, and how they are shown. */

import { formatDateTime } from "./format";

export interface Range {
  from: string;
  to: string;
}

export const PRESETS: readonly { label: string; from: string }[] = [
  { label: "Last 5 minutes", from: "now-5m" },
  { label: "Last 15 minutes", from: "now-15m" },
  { label: "Last hour", from: "now-1h" },
  { label: "Last 6 hours", from: "now-6h" },
  { label: "Last 24 hours", from: "now-24h" },
  { label: "Last 7 days", from: "now-7d" },
  { label: "All time", from: "" },
];

/** The two next longer presets of a relative range; none of a fixed one. */
export function longerPresets(range: Range): readonly { label: string; from: string }[] {
  if (range.to !== "" || !range.from.startsWith("now-")) return [];
  const from = resolveTime(range.from, 0) ?? 0;
  return PRESETS.filter((p) => p.from !== "" && (resolveTime(p.from, 0) ?? 0) < from).slice(0, 2);
}

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of `""` (undefined), `now`, `now-15m`, digits or RFC 3339; null where it is none of these. */
export function resolveTime(text: string, now: number): number | undefined | null {
  const value = text.trim();
  if (value === "") return undefined;
  const relative = /^now(?:([+-])(\d+)(ms|s|m|h|d|w))?$/.exec(value);
  if (relative) {
    const [, sign, amount, unit] = relative;
    if (!sign || !amount || !unit) return now;
    const delta = Number(amount) * (UNIT_MS[unit] ?? 0);
    return sign === "-" ? now - delta : now + delta;
  }
  if (/^-?\d+$/.test(value)) return Number(value);
  const absolute = Date.parse(value);
  return Number.isNaN(absolute) ? null : absolute;
}

/** The fixed range of one run. A relative range ends now, so that rows, chart and counts speak of the same events. */
export function resolveRange(range: Range, now: number): { from?: number; to?: number } {
  const from = resolveTime(range.from, now);
  const relative = range.from.startsWith("now") && range.to === "";
  const to = relative ? now + 1 : resolveTime(range.to, now);
  const resolved: { from?: number; to?: number } = {};
  if (from != null) resolved.from = from;
  if (to != null) resolved.to = to;
  return resolved;
}

/** "" when the range can be run, else what is wrong with it. */
export function rangeProblem(range: Range, now: number): string {
  const from = resolveTime(range.from, now);
  const to = resolveTime(range.to, now);
  if (from === null) return `"${range.from}" is not a time.`;
  if (to === null) return `"${range.to}" is not a time.`;
  if (from !== undefined && to !== undefined && from >= to) return "The start must be before the end.";
  return "";
}

export function describeRange(range: Range, utc: boolean): string {
  if (range.to === "" || range.to === "now") {
    const preset = PRESETS.find((p) => p.from === range.from);
    if (preset) return preset.label;
  }
  const show = (text: string): string => {
    const ms = /^now/.test(text) ? null : resolveTime(text, 0);
    return ms == null ? text : formatDateTime(ms, utc);
  };
  if (range.from === "") return `until ${show(range.to)}`;
  if (range.to === "") return range.from.startsWith("now") ? `since ${range.from}` : `since ${show(range.from)}`;
  return `${show(range.from)} to ${show(range.to)}`;
}

export function absoluteRange(from: number, to: number): Range {
  return { from: new Date(Math.floor(from)).toISOString(), to: new Date(Math.ceil(to)).toISOString() };
}

/** Twice as long around the same middle, never into the future beyond what was shown. */
export function widenRange(from: number, to: number, now: number): Range {
  const half = Math.max(1, (to - from) / 2);
  const end = Math.max(to, Math.min(to + half, now));
  return absoluteRange(from - half - (to + half - end), end);
}

/** The value of a datetime-local input. */
export function toInput(ms: number | undefined | null, utc: boolean): string {
  if (ms == null) return "";
  const shifted = utc ? ms : ms - new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(shifted).toISOString().slice(0, 19);
}

/** RFC 3339 of a datetime-local input; "" stays open. */
export function fromInput(value: string, utc: boolean): string {
  if (value === "") return "";
  const ms = Date.parse(utc ? `${value}Z` : value);
  return Number.isNaN(ms) ? "" : new Date(ms).toISOString();
}
