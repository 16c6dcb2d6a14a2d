import { expect, test } from "vitest";
import { describeRange, fromInput, longerPresets, rangeProblem, resolveRange, resolveTime, toInput, widenRange } from "../src/state/timerange";

const NOW = Date.UTC(2026, 0, 2, 12);
const HOUR = 3_600_000;

test("times resolve", () => {
  const check = (text: string, expected: number | undefined | null): void => {
    expect(resolveTime(text, NOW), text).toBe(expected);
  };
  check("", undefined);
  check("now", NOW);
  check("now-15m", NOW - 15 * 60_000);
  check("now+1h", NOW + HOUR);
  check("now-7d", NOW - 7 * 24 * HOUR);
  check("1767355200000", 1767355200000);
  check("2026-01-02T12:00:00Z", NOW);
  check("now-15", null);
  check("yesterday", null);
});

test("a relative range ends now, an open one stays open", () => {
  expect(resolveRange({ from: "now-1h", to: "" }, NOW)).toEqual({ from: NOW - HOUR, to: NOW + 1 });
  expect(resolveRange({ from: "", to: "" }, NOW)).toEqual({});
  expect(resolveRange({ from: "2026-01-02T11:00:00Z", to: "" }, NOW)).toEqual({ from: NOW - HOUR });
});

test("a wrong range is refused with a sentence", () => {
  expect(rangeProblem({ from: "now-1h", to: "" }, NOW)).toBe("");
  expect(rangeProblem({ from: "now", to: "now-1h" }, NOW)).toBe("The start must be before the end.");
  expect(rangeProblem({ from: "soon", to: "" }, NOW)).toBe('"soon" is not a time.');
});

test("a range is described", () => {
  const check = (from: string, to: string, expected: string): void => {
    expect(describeRange({ from, to }, true)).toBe(expected);
  };
  check("", "", "All time");
  check("now-15m", "", "Last 15 minutes");
  check("now-90m", "", "since now-90m");
  check("2026-01-02T11:00:00Z", "2026-01-02T12:00:00.250Z", "2026-01-02 11:00:00 to 2026-01-02 12:00:00.250");
  check("", "2026-01-02T11:00:00Z", "until 2026-01-02 11:00:00");
});

test("zooming out doubles the range and does not reach into the future", () => {
  const iso = (ms: number): string => new Date(ms).toISOString();
  expect(widenRange(NOW - 4 * HOUR, NOW - 2 * HOUR, NOW)).toEqual({ from: iso(NOW - 5 * HOUR), to: iso(NOW - HOUR) });
  expect(widenRange(NOW - 2 * HOUR, NOW, NOW)).toEqual({ from: iso(NOW - 4 * HOUR), to: iso(NOW) });
});

test("datetime boxes read what they wrote", () => {
  expect(toInput(NOW, true)).toBe("2026-01-02T12:00:00");
  expect(fromInput("2026-01-02T12:00:00", true)).toBe("2026-01-02T12:00:00.000Z");
  expect(Date.parse(fromInput(toInput(NOW, false), false))).toBe(NOW);
  expect(toInput(undefined, true)).toBe("");
  expect(fromInput("", true)).toBe("");
});

test("the ranges offered are longer than the one that held nothing", () => {
  const check = (from: string, to: string, expected: string[]): void => {
    expect(longerPresets({ from, to }).map((p) => p.from), from).toEqual(expected);
  };
  check("now-5m", "", ["now-15m", "now-1h"]);
  check("now-90m", "", ["now-6h", "now-24h"]);
  check("now-24h", "", ["now-7d"]);
  check("now-30d", "", []);
  check("2026-01-02T11:00:00Z", "", []);
  check("", "", []);
});
