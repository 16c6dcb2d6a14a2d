import { expect, test } from "vitest";
import { readNdjson, readServerEvents, type ServerEvent } from "../src/api/streams";
import { retryDelay } from "../src/api/tail";
import { bodyOf } from "./check";

async function values(...pieces: (string | Uint8Array)[]): Promise<unknown[]> {
  const out: unknown[] = [];
  await readNdjson(bodyOf(...pieces), (value) => out.push(value));
  return out;
}

async function events(...pieces: string[]): Promise<ServerEvent[]> {
  const out: ServerEvent[] = [];
  await readServerEvents(bodyOf(...pieces), (event) => out.push(event));
  return out;
}

test("NDJSON is read however it is cut", async () => {
  expect(await values('{"a":1}\n{"b":2}\n')).toEqual([{ a: 1 }, { b: 2 }]);
  expect(await values('{"a"', ":1}\n", '{"b":2}')).toEqual([{ a: 1 }, { b: 2 }]);
  expect(await values("\r\n", '{"a":1}\r\n', "\n")).toEqual([{ a: 1 }]);
  expect(await values()).toEqual([]);
});

test("a character may be cut in half", async () => {
  const bytes = new TextEncoder().encode('{"a":"ü😀"}\n');
  for (let i = 0; i <= bytes.length; i += 1) {
    expect(await values(bytes.slice(0, i), bytes.slice(i))).toEqual([{ a: "ü😀" }]);
  }
});

test("a broken line is an error, not a shorter result", async () => {
  await expect(values('{"a":1}\n{"b":')).rejects.toThrow();
});

test("server-sent events", async () => {
  const check = async (text: string, expected: Partial<ServerEvent>[]): Promise<void> => {
    const at = Math.floor(text.length / 2);
    const found = await events(text.slice(0, at), text.slice(at));
    expect(found).toEqual(expected.map((e) => expect.objectContaining(e)));
  };
  await check("id: 1\nevent: row\ndata: {}\n\n", [{ id: "1", event: "row", data: "{}" }]);
  await check(": keep open\n\ndata: a\ndata: b\n\n", [{ event: "message", data: "a\nb" }]);
  await check("event:gap\ndata:{}\r\n\r\n", [{ event: "gap", data: "{}" }]);
  await check("event: row\n\n", []);
  await check("data: cut off", []);
  await check("id: 1\ndata: a\n\ndata: b\n\n", [{ id: "1" }, { id: "1", data: "b" }]);
});

test("the wait between tries grows to its bound", () => {
  const check = (attempt: number, random: number, expected: number): void => {
    expect(retryDelay(attempt, random)).toBe(expected);
  };
  check(0, 0, 250);
  check(0, 1, 500);
  check(3, 1, 4000);
  check(10, 1, 15_000);
  check(5000, 1, 15_000);
});
