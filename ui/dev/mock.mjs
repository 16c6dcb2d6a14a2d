/** A stand-in for the server: docs/API.md over events in memory. For developing the page and for its tests. */

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { makeEvent, makeEvents, random } from "./generate.mjs";
import { makeAgents } from "./agents.mjs";
import { compile, flat, QueryError } from "./query.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const STEPS = [1, 5, 10, 50, 100, 500, 1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 18e5, 36e5, 108e5, 216e5, 864e5, 6048e5];

function typeOf(value) {
  if (typeof value === "number") return Number.isInteger(value) ? "long" : "double";
  return typeof value === "boolean" ? "boolean" : "string";
}

export class MockStore {
  constructor(events = []) {
    this.rows = [];
    this.tails = new Set();
    this.agents = () => [];
    for (const event of events) this.add(event, false);
  }

  position() {
    return `4f2a9c01d3b7-${this.rows.length.toString(16)}`;
  }

  add(event, tell = true) {
    const row = { event: { ...event, _id: `4f2a9c01d3b7-${this.rows.length.toString(16)}` }, fields: flat(event), time: Date.parse(event["@timestamp"]) };
    this.rows.push(row);
    if (tell) for (const tail of this.tails) tail(row);
  }

  match(q, from, to) {
    const { test, words } = compile(q);
    const hits = this.rows.filter((r) => r.time >= from && r.time < to && test(r.event, r.fields));
    return { hits, words, test };
  }
}

function bound(text, open) {
  if (!text) return open;
  const relative = /^now(?:-(\d+)([smhd]))?$/.exec(text);
  if (relative) return Date.now() - Number(relative[1] ?? 0) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5 }[relative[2] ?? "s"];
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text);
}

function stored(row) {
  const { _text, ...event } = row.event;
  return event;
}

function search(store, p, res) {
  const started = performance.now();
  const { hits, words } = store.match(p.q, p.from, p.to);
  hits.sort((a, b) => b.time - a.time);
  const start = Number(p.get("cursor") ?? 0);
  const limit = Math.min(Number(p.get("limit") ?? 100), 1000);
  const page = hits.slice(start, start + limit);
  res.setHeader("Content-Type", "application/x-ndjson");
  for (const row of page) res.write(`${JSON.stringify(stored(row))}\n`);
  const next = start + page.length < hits.length ? String(start + page.length) : null;
  const exact = p.get("count") !== "none";
  const unknown = /(\w+):/.exec(p.q)?.[1] === "lvl" ? ["no event has the field `lvl`; did you mean `level`?"] : [];
  const trailer = { took_ms: Math.round(performance.now() - started), rows: page.length, matched: hits.length,
    relation: exact ? "eq" : "gte", cursor: next, position: store.position(), words, partial: false, warnings: unknown };
  res.end(`${JSON.stringify({ _trailer: trailer })}\n`);
}

function histogram(store, p) {
  const { hits } = store.match(p.q, p.from, p.to);
  const times = hits.map((h) => h.time);
  const first = Number.isFinite(p.from) ? p.from : Math.min(...times);
  const last = Number.isFinite(p.to) ? p.to : Math.max(...times) + 1;
  if (hits.length === 0 && !(Number.isFinite(first) && Number.isFinite(last))) {
    return { from: 0, to: 0, step_ms: 1000, series: [], total: 0, relation: "eq", warnings: [], took_ms: 1 };
  }
  const want = Number(p.get("buckets") ?? 60);
  const step = STEPS.find((s) => (last - first) / s <= want) ?? STEPS.at(-1);
  const from = Math.floor(first / step) * step;
  const n = Math.max(1, Math.ceil((last - from) / step));
  const series = new Map();
  for (const hit of hits) {
    const key = String(hit.fields["log.level"] ?? "");
    if (!series.has(key)) series.set(key, new Array(n).fill(0));
    series.get(key)[Math.floor((hit.time - from) / step)] += 1;
  }
  return { from, to: from + n * step, step_ms: step, series: [...series].map(([key, counts]) => ({ key, counts })), total: hits.length, relation: "eq", warnings: [], took_ms: 2 };
}

function fields(store) {
  const seen = new Map();
  for (const { fields } of store.rows) {
    for (const [name, value] of Object.entries(fields)) {
      const field = seen.get(name) ?? { name, types: new Set(), count: 0 };
      for (const v of [value].flat()) field.types.add(typeOf(v));
      field.count += 1;
      seen.set(name, field);
    }
  }
  const list = [...seen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { fields: list.map((f) => ({ ...f, types: [...f.types] })), took_ms: 1 };
}

function values(store, p) {
  const { hits } = store.match(p.q, p.from, p.to);
  const field = p.get("field");
  const counts = new Map();
  let missing = 0;
  for (const hit of hits) {
    if (hit.fields[field] === undefined) missing += 1;
    else for (const v of [hit.fields[field]].flat()) counts.set(v, (counts.get(v) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  const top = sorted.slice(0, Number(p.get("limit") ?? 10)).map(([value, count]) => ({ value, count }));
  return { field, values: top, distinct: sorted.length, matched: hits.length, missing, relation: "eq", warnings: [], took_ms: 1 };
}

function tail(store, p, req, res) {
  const { test } = compile(p.q);
  res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  res.write(": connected\n\n");
  const send = (row) => {
    if (test(row.event, row.fields)) {
      res.write(`id: ${store.position()}\nevent: row\ndata: ${JSON.stringify(stored(row))}\n\n`);
    }
  };
  const after = p.get("after");
  if (after) for (const row of store.rows.slice(parseInt(after.split("-")[1], 16))) send(row);
  store.tails.add(send);
  req.on("close", () => store.tails.delete(send));
}

function status(store) {
  const times = store.rows.map((r) => r.time);
  const iso = (n) => (Number.isFinite(n) ? new Date(n).toISOString() : null);
  const ends = times.reduce(([a, b], t) => [Math.min(a, t), Math.max(b, t)], [Infinity, -Infinity]);
  return { version: "0.1.0", status: "ok", idle: true, uptime_s: 12, position: store.position(), indexed: store.position(),
    events: store.rows.length, bytes_on_disk: store.rows.length * 90, partitions: 1, logs: [], components: [], tails: store.tails.size,
    first_event: iso(ends[0]), last_event: iso(ends[1]) };
}

function fail(res, code, body, headers = {}) {
  res.writeHead(code, { "Content-Type": "application/json", ...headers });
  res.end(JSON.stringify({ error: body }));
}

function ingest(store, req, res) {
  let text = "";
  req.on("data", (chunk) => (text += chunk));
  req.on("end", () => {
    const lines = text.split("\n").filter(Boolean);
    for (const line of lines) store.add({ "@timestamp": new Date().toISOString(), message: line });
    res.setHeader("Content-Type", "application/json");
    res.end(JSON.stringify({ accepted: lines.length, rejected: [], pos: store.position() }));
  });
}

function api(store, options, req, res, url) {
  const path = url.pathname.slice("/api/v1/".length);
  const wanted = options.token ? `Bearer ${options.token}` : "";
  if (wanted && path !== "health" && req.headers.authorization !== wanted) {
    return fail(res, 401, { code: "unauthorized", message: "this server needs a token" });
  }
  if (path === "health") {
    const state = options.replaying?.() ? "replaying" : "ok";
    res.writeHead(state === "ok" ? 200 : 503, { "Content-Type": "application/json" });
    return res.end(JSON.stringify({ status: state }));
  }
  if (options.replaying?.()) {
    return fail(res, 503, { code: "replaying", message: "the log is being replayed" }, { "Retry-After": "1" });
  }
  const p = url.searchParams;
  p.q = p.get("q") ?? "";
  p.from = bound(p.get("from"), -Infinity);
  p.to = bound(p.get("to"), Infinity);
  const reply = (value) => {
    res.setHeader("Content-Type", "application/json");
    res.end(JSON.stringify(value));
  };
  try {
    if (path === "search") return search(store, p, res);
    if (path === "histogram") return reply(histogram(store, p));
    if (path === "fields") return reply(fields(store));
    if (path === "fields/values") return reply(values(store, p));
    if (path === "tail") return tail(store, p, req, res);
    if (path === "status") return reply(status(store));
    if (path === "agents") return reply({ agents: store.agents() });
    if (path === "ingest") return ingest(store, req, res);
    if (path.startsWith("events/")) {
      const row = store.rows.find((r) => r.event._id === decodeURIComponent(path.slice(7)));
      return row ? reply(stored(row)) : fail(res, 404, { code: "not_found", message: "no event has this id" });
    }
    return fail(res, 404, { code: "not_found", message: "no such address" });
  } catch (error) {
    if (error instanceof QueryError) return fail(res, 400, error.body);
    throw error;
  }
}

function asset(res, path) {
  const file = join(DIST, normalize(path === "/" ? "/index.html" : path));
  if (!file.startsWith(DIST) || !existsSync(file)) return fail(res, 404, { code: "not_found", message: "no such file" });
  res.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": "default-src 'self'" });
  createReadStream(file).pipe(res);
}

/** `delayMs` slows every API answer; `replaying()` makes them 503; `token` asks for one. */
export function startMock(store, { port = 0, ...options } = {}) {
  const server = createServer((req, res) => {
    const url = new URL(req.url, "http://localhost");
    if (!url.pathname.startsWith("/api/v1/")) return asset(res, url.pathname);
    setTimeout(() => api(store, options, req, res, url), options.delayMs?.() ?? 0);
  });
  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () => {
      const close = () => (server.closeAllConnections(), new Promise((done) => server.close(done)));
      resolve({ url: `http://127.0.0.1:${server.address().port}/`, close });
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const store = new MockStore(makeEvents({ count: 18_204, hours: 24, now: Date.now() }));
  store.agents = () => makeAgents(Date.now());
  const { url } = await startMock(store, { port: Number(process.env.PORT ?? 7447), token: process.env.MOCK_TOKEN });
  const rng = random(99);
  setInterval(() => store.add(makeEvent(rng, Date.now(), false)), 250);
  console.error(`mock of logship on ${url}`);
}
