/** What agents say of themselves, as the page shows it. Nothing of a status is taken for granted: another version sent it. */

import type { AgentsReply, Json } from "../api/types";

/** An agent reports every 10 s. */
export const STALE_MS = 30_000;
/** A clock that is further off than this is worth a word. */
export const SKEW_MS = 2000;

export interface AgentFile {
  path: string;
  size: number;
  durable: number;
  lagBytes: number;
  lagS: number;
  error: string;
}

export type Reach = "reached" | "away" | "unused" | "unknown";

export interface Agent {
  name: string;
  version: string;
  /** By the server's clock, in milliseconds. */
  seen: number;
  stale: boolean;
  /** How far its clock is ahead of the server's. */
  skewMs: number | undefined;
  server: string;
  reach: Reach;
  lastError: string;
  lastErrorAt: number;
  queued: number | undefined;
  spoolMax: number;
  received: number;
  shipped: number | undefined;
  dropped: readonly (readonly [reason: string, count: number])[];
  doubled: number;
  inputErrors: readonly string[];
  followed: number;
  unreadable: number;
  /** Those with an error first, then those furthest behind. */
  files: readonly AgentFile[];
}

type Fields = { [key: string]: Json };

function object(value: Json | undefined): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function objects(value: Json | undefined): Fields[] {
  return Array.isArray(value) ? value.map(object) : [];
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function count(value: Json | undefined): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.max(0, value) : 0;
}

const REASONS: Record<string, string> = {
  full: "spool full",
  stalled: "disk too slow",
  log_refused: "refused by the disk",
  duplicate: "stored before",
  too_large: "too large",
  refused: "refused by the server",
  oldest: "oldest, spool full",
  rate_limit: "over the rate limit",
  sampled: "left out by sampling",
};

function droppedOf(inputs: readonly Fields[], spool: Fields, ship: Fields): [string, number][] {
  const sums = new Map<string, number>();
  const add = (reason: string, value: Json | undefined): void => {
    const lost = count(value);
    if (lost > 0) sums.set(reason, (sums.get(reason) ?? 0) + lost);
  };
  for (const input of inputs) for (const [reason, lost] of Object.entries(object(input["dropped"]))) add(reason, lost);
  for (const [reason, lost] of Object.entries(object(spool["dropped"]))) add(reason, lost);
  add("refused", ship["refused"]);
  add("oldest", ship["dropped_oldest"]);
  return [...sums].sort((a, b) => b[1] - a[1]).map(([reason, lost]) => [REASONS[reason] ?? reason.replaceAll("_", " "), lost]);
}

function fileOf(raw: Fields): AgentFile {
  const [size, durable] = [count(raw["size"]), count(raw["durable"])];
  // The size is of the last look at the file, which may be older than what was read of it.
  return {
    path: text(raw["path"]),
    size: Math.max(size, durable, count(raw["read"])),
    durable,
    lagBytes: count(raw["lag_bytes"]),
    lagS: count(raw["lag_s"]),
    error: text(raw["error"]),
  };
}

function byUrgency(a: AgentFile, b: AgentFile): number {
  return Number(b.error !== "") - Number(a.error !== "") || b.lagBytes - a.lagBytes || b.lagS - a.lagS || (a.path < b.path ? -1 : 1);
}

function reachOf(ship: Fields): Reach {
  if (Object.keys(ship).length === 0) return "unknown";
  if (ship["reachable"] === true) return "reached";
  return text(ship["last_error"]) === "" ? "unused" : "away";
}

function serverOf(ship: Fields): string {
  const servers = Array.isArray(ship["servers"]) ? ship["servers"] : [];
  return text(servers[count(ship["server"])]);
}

function agentOf(raw: AgentsReply["agents"][number], now: number): Agent {
  const status = object(raw.status);
  const [spool, ship] = [object(status["spool"]), object(status["ship"])];
  const inputs = objects(status["inputs"]);
  const seen = Date.parse(raw.seen);
  const queued = spool["queued_bytes"];
  const shipped = ship["records"];
  return {
    name: raw.name,
    version: text(status["version"]),
    seen,
    stale: !(now - seen <= STALE_MS),
    skewMs: raw.skew_ms ?? undefined,
    server: serverOf(ship),
    reach: reachOf(ship),
    lastError: text(ship["last_error"]),
    lastErrorAt: Date.parse(text(ship["last_error_at"])),
    queued: typeof queued === "number" ? queued : undefined,
    spoolMax: count(spool["bytes_max"]),
    received: inputs.reduce((sum, input) => sum + count(input["in"]), 0),
    shipped: typeof shipped === "number" ? shipped : undefined,
    dropped: droppedOf(inputs, spool, ship),
    doubled: count(ship["possibly_doubled"]),
    inputErrors: inputs.filter((input) => text(input["last_error"]) !== "").map((input) => `${text(input["name"])}: ${text(input["last_error"])}`),
    followed: count(status["files_followed"]),
    unreadable: count(status["files_unreadable"]),
    files: objects(status["files"]).map(fileOf).sort(byUrgency),
  };
}

/** Whether somebody should look at it. */
export function hasTrouble(agent: Agent): boolean {
  return agent.stale || agent.reach === "away" || agent.inputErrors.length > 0 || agent.files.some((file) => file.error !== "");
}

/** Those in trouble first, then by name. `now` is the server's clock. */
export function readAgents(reply: AgentsReply, now: number): Agent[] {
  const agents = (reply.agents ?? []).map((raw) => agentOf(raw, now));
  return agents.sort((a, b) => Number(hasTrouble(b)) - Number(hasTrouble(a)) || (a.name < b.name ? -1 : 1));
}

/** Agents whose name or one of whose files holds all words. */
export function findAgents(agents: readonly Agent[], wanted: string): Agent[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const holds = (value: string): boolean => words.every((word) => value.toLowerCase().includes(word));
  return agents.filter((agent) => holds(agent.name) || agent.files.some((file) => holds(file.path)));
}
