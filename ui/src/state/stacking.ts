/** From the histogram reply to what the chart draws: one bar of summed counts for each level. */

import type { HistogramReply } from "../api/types";
import { formatCount, formatDateTime, formatStep, plural } from "./format";
import { LEVELS, levelOf, type Level } from "./levels";

export interface LevelCounts {
  level: Level;
  counts: number[];
  total: number;
}

/** Groups the server's series (which may be `warn`, `WARNING`, "", or hold no event at all) by level, most severe first. */
export function byLevel(reply: HistogramReply): LevelCounts[] {
  const groups = new Map<Level, LevelCounts>();
  for (const { key, counts } of reply.series) {
    const level = levelOf(key);
    let group = groups.get(level);
    if (!group) {
      group = { level, counts: new Array<number>(bucketCount(reply)).fill(0), total: 0 };
      groups.set(level, group);
    }
    for (let i = 0; i < counts.length; i += 1) {
      const n = counts[i] ?? 0;
      group.counts[i] = (group.counts[i] ?? 0) + n;
      group.total += n;
    }
  }
  return LEVELS.flatMap((level) => groups.get(level) ?? []).filter(({ total }) => total > 0);
}

export function bucketCount(reply: HistogramReply): number {
  return reply.series.reduce((n, s) => Math.max(n, s.counts.length), 0);
}

/**
 * The stack as the chart needs it: sums from the bottom up, the tallest first so that each shorter bar covers the
 * part below it. The most severe level is at the bottom, where bars can be compared.
 */
export function stack(levels: readonly LevelCounts[]): { level: Level; sums: number[] }[] {
  const out: { level: Level; sums: number[] }[] = [];
  let below: number[] | undefined;
  for (const { level, counts } of levels) {
    const sums: number[] = counts.map((n, i) => n + (below?.[i] ?? 0));
    out.push({ level, sums });
    below = sums;
  }
  return out.reverse();
}

/** One sentence for those who cannot see the chart. */
export function describeHistogram(reply: HistogramReply, levels: readonly LevelCounts[], utc: boolean): string {
  const buckets = bucketCount(reply);
  if (buckets === 0 || reply.total === 0) return "No events in this range.";
  const parts = levels.map((l) => `${l.level === "unknown" ? "no level" : l.level} ${formatCount(l.total)}`);
  let peak = 0;
  let peakAt = 0;
  for (let i = 0; i < buckets; i += 1) {
    const sum = levels.reduce((n, l) => n + (l.counts[i] ?? 0), 0);
    if (sum > peak) [peak, peakAt] = [sum, i];
  }
  const at = formatDateTime(reply.from + peakAt * reply.step_ms, utc);
  return (
    `${reply.relation === "gte" ? "At least " : ""}${plural(reply.total, "event")} in ${plural(buckets, "bar")} of ${formatStep(reply.step_ms)}: ` +
    `${parts.join(", ")}. Highest: ${formatCount(peak)} at ${at}.`
  );
}
