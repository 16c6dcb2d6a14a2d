import { expect, test } from "vitest";
import type { AgentsReply, Json } from "../src/api/types";
import { findAgents, hasTrouble, readAgents, type Agent } from "../src/state/agents";
import { formatAgo, formatBytes, formatSpan } from "../src/state/format";

const NOW = Date.parse("2026-01-02T03:04:05Z");

function said(name: string, status: Json, silentMs = 4000): AgentsReply["agents"][number] {
  return { name, seen: new Date(NOW - silentMs).toISOString(), skew_ms: -12, status };
}

function read(status: Json, silentMs?: number): Agent {
  return readAgents({ agents: [said("a", status, silentMs)] }, NOW)[0] as Agent;
}

test("whatever an agent says is taken", () => {
  const statuses: Json[] = [null, 7, "x", [], {}, { ship: null, spool: [], files: [null, 3], inputs: {} }, { files: [{ path: 7, lag_bytes: "x" }] }];
  for (const status of statuses) {
    const agent = read(status);
    expect([agent.reach, agent.received, agent.queued, agent.dropped.length]).toEqual(["unknown", 0, undefined, 0]);
  }
  expect(readAgents({} as AgentsReply, NOW)).toEqual([]);
});

test("silence, unreachable servers and errors are trouble", () => {
  const check = (status: Json, silentMs: number, expected: boolean): void => expect(hasTrouble(read(status, silentMs))).toBe(expected);
  check({}, 4000, false);
  check({}, 30_000, false);
  check({}, 30_001, true);
  check({ ship: { reachable: false, last_error: null } }, 0, false);
  check({ ship: { reachable: false, last_error: "refused" } }, 0, true);
  check({ ship: { reachable: true, last_error: "refused" } }, 0, false);
  check({ files: [{ path: "/a", error: "denied" }] }, 0, true);
  check({ inputs: [{ name: "input.docker", last_error: "no socket" }] }, 0, true);
  expect(hasTrouble(readAgents({ agents: [{ name: "a", seen: "never", skew_ms: null, status: {} }] }, NOW)[0] as Agent)).toBe(true);
});

test("files with an error come first, then those furthest behind", () => {
  const files = [
    { path: "/c", lag_bytes: 0 },
    { path: "/b", lag_bytes: 0 },
    { path: "/d", lag_bytes: 5, lag_s: 1 },
    { path: "/e", lag_bytes: 9, lag_s: 1 },
    { path: "/f", lag_bytes: 0, error: "denied" },
  ];
  expect(read({ files }).files.map((file) => file.path)).toEqual(["/f", "/e", "/d", "/b", "/c"]);
  expect(read({ files: [{ path: "/a", size: 0, read: 75, durable: 70 }] }).files[0]?.size).toBe(75);
});

test("what was dropped is added up by reason, the most frequent first", () => {
  const status = {
    inputs: [{ in: 10, dropped: { full: 2, malformed: 1 } }, { in: 5, dropped: { full: 3 } }],
    spool: { dropped: { rate_limit: 7, sampled: 0 } },
    ship: { reachable: true, records: 9, refused: 1, dropped_oldest: 4 },
  };
  const agent = read(status);
  expect([agent.received, agent.shipped]).toEqual([15, 9]);
  expect(agent.dropped).toEqual([
    ["over the rate limit", 7],
    ["spool full", 5],
    ["oldest, spool full", 4],
    ["malformed", 1],
    ["refused by the server", 1],
  ]);
});

test("those in trouble come first, and are found by name and file", () => {
  const agents = [said("web-2", { files: [{ path: "/var/log/nginx/access.log" }] }), said("web-1", {}), said("db", {}, 60_000)];
  const list = readAgents({ agents }, NOW);
  expect(list.map((agent) => agent.name)).toEqual(["db", "web-1", "web-2"]);
  const found = (wanted: string): string[] => findAgents(list, wanted).map((agent) => agent.name);
  expect(found("")).toHaveLength(3);
  expect(found("WEB 2")).toEqual(["web-2"]);
  expect(found("nginx log")).toEqual(["web-2"]);
  expect(found("db nginx")).toEqual([]);
});

test("sizes and spans are written roughly", () => {
  const check = (written: string, expected: string): void => expect(written).toBe(expected);
  check(formatBytes(0), "0 B");
  check(formatBytes(1023), "1023 B");
  check(formatBytes(1536), "1.5 KiB");
  check(formatBytes(2 ** 30), "1 GiB");
  check(formatBytes(900 * 2 ** 50), "921600 TiB");
  check(formatSpan(0.42), "0.4 s");
  check(formatSpan(89), "89 s");
  check(formatSpan(95), "2 min");
  check(formatSpan(7300), "2 h");
  check(formatSpan(200_000), "2 d");
  check(formatAgo(-50), "just now");
  check(formatAgo(4100), "4 s ago");
});
