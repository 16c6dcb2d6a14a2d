/** The bounded list of live rows. Pure, so that its bound and order can be tested. */

import type { LogEvent } from "../api/types";

export const LIVE_ROWS_MAX = 10_000;

export interface LiveList {
  rows: readonly LogEvent[];
  liveRows: number;
  released: boolean;
}

/**
 * Puts `fresh` (newest first) on top. Past the bound the oldest live rows go, and with them everything below: a list
 * with a hole in it would lie.
 */
export function prepend(list: LiveList, fresh: readonly LogEvent[], max = LIVE_ROWS_MAX): LiveList {
  if (fresh.length === 0) return list;
  const liveRows = list.liveRows + fresh.length;
  if (liveRows > max) {
    const rows = fresh.concat(list.rows.slice(0, list.liveRows)).slice(0, max);
    return { rows, liveRows: rows.length, released: true };
  }
  return { rows: fresh.concat(list.rows), liveRows, released: list.released };
}

/** Adds a frame's worth of arrivals (oldest first) to the rows held back (newest first). */
export function hold(
  pending: readonly LogEvent[],
  arrived: readonly LogEvent[],
  max = LIVE_ROWS_MAX,
): readonly LogEvent[] {
  // One row beyond the bound is kept, so that `prepend` still sees that something was lost.
  return arrived.toReversed().concat(pending).slice(0, max + 1);
}
