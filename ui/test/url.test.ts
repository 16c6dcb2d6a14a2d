import { expect, test } from "vitest";
import { EMPTY_VIEW, formatView, parseView, sameSearch, type View } from "../src/state/url";

test("a view survives the address", () => {
  const check = (change: Partial<View>, expected: string): void => {
    const view = { ...EMPTY_VIEW, ...change };
    expect(formatView(view)).toBe(expected);
    expect(parseView(expected)).toEqual(view);
  };
  check({}, "");
  check({ q: 'level:"error" -a&b #50%' }, "?q=level:%22error%22+-a%26b+%2350%25");
  check({ from: "now-15m", live: true }, "?from=now-15m&live=1");
  check({ from: "2026-01-02T03:04:05.000Z", to: "2026-01-02T04:00:00.000Z" }, "?from=2026-01-02T03:04:05.000Z&to=2026-01-02T04:00:00.000Z");
  check({ event: "4f2a-1b", utc: true }, "?event=4f2a-1b&tz=utc");
  check({ q: "a", page: "agents" }, "?q=a&page=agents");
  expect(parseView("?page=other").page).toBe("");
});

test("only query and range make another search", () => {
  expect(sameSearch(EMPTY_VIEW, { ...EMPTY_VIEW, event: "x", live: true, utc: true, page: "agents" })).toBe(true);
  expect(sameSearch(EMPTY_VIEW, { ...EMPTY_VIEW, from: "now-5m" })).toBe(false);
});
