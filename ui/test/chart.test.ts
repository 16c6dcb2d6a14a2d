import { expect, test } from "vitest";
import type { HistogramReply } from "../src/api/types";
import { axisLabels, formatCompact, formatCount, formatDateTime, formatStep, plural } from "../src/state/format";
import { byLevel, describeHistogram, stack } from "../src/state/stacking";

const REPLY: HistogramReply = {
  from: Date.UTC(2026, 0, 2, 3),
  to: Date.UTC(2026, 0, 2, 3, 3),
  step_ms: 60_000,
  series: [
    { key: "info", counts: [5, 0, 1] },
    { key: "WARN", counts: [1, 1, 0] },
    { key: "warning", counts: [0, 2, 0] },
    { key: "", counts: [0, 0, 4] },
  ],
  total: 14,
  relation: "eq",
  warnings: [],
  took_ms: 1,
};

test("series of the same level are joined, the most severe first", () => {
  expect(byLevel(REPLY)).toEqual([
    { level: "warn", counts: [1, 3, 0], total: 4 },
    { level: "info", counts: [5, 0, 1], total: 6 },
    { level: "unknown", counts: [0, 0, 4], total: 4 },
  ]);
});

test("the stack is drawn from the tallest, with the most severe at the bottom", () => {
  expect(stack(byLevel(REPLY))).toEqual([
    { level: "unknown", sums: [6, 3, 5] },
    { level: "info", sums: [6, 3, 1] },
    { level: "warn", sums: [1, 3, 0] },
  ]);
});

test("the chart has words", () => {
  expect(describeHistogram(REPLY, byLevel(REPLY), true)).toBe(
    "14 events in 3 bars of 1 min: warn 4, info 6, no level 4. Highest: 6 at 2026-01-02 03:00:00.",
  );
  expect(describeHistogram({ ...REPLY, relation: "gte" }, byLevel(REPLY), true)).toMatch(/^At least 14 events/);
  expect(describeHistogram({ ...REPLY, series: [], total: 0 }, [], true)).toBe("No events in this range.");
});

test("a range without events has no levels, also where the server names a series", () => {
  const none = { ...REPLY, series: [{ key: "", counts: [0, 0, 0] }], total: 0 };
  expect(byLevel(none)).toEqual([]);
  expect(describeHistogram(none, [], true)).toBe("No events in this range.");
});

test("numbers, sizes, steps", () => {
  expect(formatCount(18204)).toBe("18,204");
  expect(formatCompact(9999)).toBe("9,999");
  expect(formatCompact(13_120)).toBe("13.1K");
  expect(plural(1, "event")).toBe("1 event");
  expect(plural(1200, "event")).toBe("1,200 events");
  expect(formatStep(60_000)).toBe("1 min");
  expect(formatStep(10_800_000)).toBe("3 h");
  expect(formatStep(50)).toBe("50 ms");
});

test("times and axis labels", () => {
  const at = Date.UTC(2026, 0, 2, 23, 30, 0, 7);
  expect(formatDateTime(at, true)).toBe("2026-01-02 23:30:00.007");
  expect(formatDateTime(at - 7, true)).toBe("2026-01-02 23:30:00");
  const half = Date.UTC(2026, 0, 2, 23, 30) / 1000;
  expect(axisLabels([half, half + 1800], true)).toEqual(["23:30", "01-03"]);
  expect(axisLabels([half, half + 5], true)).toEqual(["23:30:00", "23:30:05"]);
  expect(axisLabels([half, half + 0.5], true)).toEqual(["30:00.000", "30:00.500"]);
});
