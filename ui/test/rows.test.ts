import { expect, test } from "vitest";
import type { LogEvent } from "../src/api/types";
import { highlight } from "../src/state/highlight";
import { levelOf } from "../src/state/levels";
import { hold, prepend } from "../src/state/livebuffer";
import { copyLine, fieldAt, fieldSummary, firstLine, flatten } from "../src/state/rows";

test("fields are found nested or dotted", () => {
  expect(fieldAt({ log: { level: "warn" } }, "log.level")).toBe("warn");
  expect(fieldAt({ "log.level": "warn" }, "log.level")).toBe("warn");
  expect(fieldAt({ log: "text" }, "log.level")).toBeUndefined();
  expect(fieldAt({}, "a.b")).toBeUndefined();
});

test("events are flattened in their order", () => {
  const event: LogEvent = { b: 1, a: { c: [1, { d: 2 }], e: null, f: true }, _id: "x" };
  expect(flatten(event)).toEqual([
    { name: "b", values: [1], isList: false },
    { name: "a.c", values: [1, '{"d":2}'], isList: true },
    { name: "a.f", values: [true], isList: false },
  ]);
});

test("a row shows the first line and counts the others", () => {
  const check = (message: string, text: string, more: number): void => {
    expect(firstLine(message)).toEqual({ text, more });
  };
  check("one", "one", 0);
  check("one\ntwo\nthree", "one", 2);
  check("one\r\ntwo", "one", 1);
  check("one\n", "one", 0);
  check("", "", 0);
});

test("an event without a message is summed up by its fields, and copied as JSON", () => {
  const event: LogEvent = { "@timestamp": "t", log: { level: "info" }, job: { name: "x" }, n: 5, _id: "1" };
  expect(fieldSummary(event)).toBe("job.name=x  n=5");
  expect(copyLine(event)).toBe('{"@timestamp":"t","log":{"level":"info"},"job":{"name":"x"},"n":5}');
  expect(copyLine({ "@timestamp": "t", message: "m", log: { level: "warn" }, service: { name: "s" } })).toBe("t WARN s m");
});

test("words are highlighted as the index sees them", () => {
  const check = (text: string, words: string[], expected: string): void => {
    const marked = highlight(text, new Set(words)).map((p) => (p.hit ? `[${p.text}]` : p.text)).join("");
    expect(marked).toBe(expected);
  };
  check("Connection refused", ["connection"], "[Connection] refused");
  check("reconnect", ["connect"], "reconnect");
  check("SocketTimeoutException: late", ["timeout"], "Socket[Timeout]Exception: late");
  check("a_b-c", ["b"], "a_[b]-c");
  check("größer", ["größer"], "[größer]");
  check("nothing", [], "nothing");
});

test("level names are grouped", () => {
  const check = (name: unknown, expected: string): void => {
    expect(levelOf(name)).toBe(expected);
  };
  check("WARNING", "warn");
  check("crit", "fatal");
  check("notice", "info");
  check("", "unknown");
  check(undefined, "unknown");
});

test("the live list is bounded and has no holes", () => {
  const row = (id: string): LogEvent => ({ _id: id });
  const ids = (rows: readonly LogEvent[]): string => rows.map((r) => r._id).join("");
  const found = { rows: [row("x"), row("y")], liveRows: 0, released: false };
  const held = hold([], [row("a"), row("b")], 3);
  expect(ids(held)).toBe("ba");
  const one = prepend(found, held, 3);
  expect([ids(one.rows), one.liveRows, one.released]).toEqual(["baxy", 2, false]);
  const two = prepend(one, [row("d"), row("c")], 3);
  expect([ids(two.rows), two.liveRows, two.released]).toEqual(["dcb", 3, true]);
  // What was lost while rows were held back is noticed when they are shown.
  const many = hold(held, [row("c"), row("d"), row("e")], 3);
  expect([ids(many), prepend(found, many, 3).released]).toEqual(["edcb", true]);
});
