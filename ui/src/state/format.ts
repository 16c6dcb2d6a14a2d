/** Numbers, sizes and times as the page writes them. */

const NUMBER = new Intl.NumberFormat("en-US");
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function formatCount(n: number): string {
  return NUMBER.format(n);
}

/** For narrow places; the exact number belongs in a title beside it. */
export function formatCompact(n: number): string {
  return n < 10_000 ? NUMBER.format(n) : COMPACT.format(n);
}

/** A count that may be too small says so. */
export function atLeast(exact: boolean, count: string): string {
  return exact ? count : `≥ ${count}`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`;
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `3.7 MiB` */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : Math.round(value * 10) / 10} ${BYTE_UNITS[unit]}`;
}

/** Seconds, roughly: `0.4 s`, `12 s`, `5 min`, `3 h`, `2 d`. */
export function formatSpan(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** A clock that is a little off makes no future. */
export function formatAgo(ms: number): string {
  return ms < 1500 ? "just now" : `${formatSpan(Math.round(ms / 1000))} ago`;
}

/** A length of time in the largest unit that divides it: `90 s`, `1 min`, `2 h`. */
export function formatStep(ms: number): string {
  const units: [number, string][] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
  ];
  for (const [size, name] of units) if (ms % size === 0) return `${formatCount(ms / size)} ${name}`;
  return `${formatCount(ms)} ms`;
}

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const three = (n: number): string => (n < 10 ? `00${n}` : n < 100 ? `0${n}` : String(n));

interface Parts {
  year: number;
  month: number;
  day: number;
  clock: string;
  ms: string;
}

function parts(ms: number, utc: boolean): Parts {
  const d = new Date(ms);
  return utc
    ? {
        year: d.getUTCFullYear(),
        month: d.getUTCMonth() + 1,
        day: d.getUTCDate(),
        clock: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`,
        ms: three(d.getUTCMilliseconds()),
      }
    : {
        year: d.getFullYear(),
        month: d.getMonth() + 1,
        day: d.getDate(),
        clock: `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`,
        ms: three(d.getMilliseconds()),
      };
}

/** `14:02:03.456` */
export function formatClock(ms: number, utc: boolean): string {
  const p = parts(ms, utc);
  return `${p.clock}.${p.ms}`;
}

/** The labels of a time axis (in seconds): as little as tells them apart, with the day where a new one begins. */
export function axisLabels(seconds: readonly number[], utc: boolean): string[] {
  const step = (seconds[1] ?? 0) - (seconds[0] ?? 0);
  return seconds.map((s) => {
    const ms = Math.round(s * 1000);
    const { clock } = parts(ms, utc);
    if (step >= 86_400 || (clock === "00:00:00" && step >= 60)) return formatDay(ms, utc);
    if (step >= 60 || step === 0) return clock.slice(0, 5);
    return step >= 1 ? clock : formatClock(ms, utc).slice(3);
  });
}

/** `01-02` */
export function formatDay(ms: number, utc: boolean): string {
  const p = parts(ms, utc);
  return `${two(p.month)}-${two(p.day)}`;
}

/** `2026-01-02 14:02:03`, with milliseconds only where there are any. */
export function formatDateTime(ms: number, utc: boolean): string {
  const p = parts(ms, utc);
  return `${p.year}-${two(p.month)}-${two(p.day)} ${p.clock}${p.ms === "000" ? "" : `.${p.ms}`}`;
}

export function sameDay(a: number, b: number, utc: boolean): boolean {
  const x = parts(a, utc);
  const y = parts(b, utc);
  return x.day === y.day && x.month === y.month && x.year === y.year;
}
