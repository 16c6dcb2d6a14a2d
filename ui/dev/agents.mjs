/** Agents for the mock, one for each way an agent can be. */

const GIB = 2 ** 30;

function status(name, change = {}) {
  const base = {
    name, version: "0.1.0", pid: 412, uptime_s: 86_400,
    inputs: [{ name: "input.files", in: 182_044, out: 182_044, dropped: {}, queued: 0 }],
    files_followed: 1, files_unreadable: 0, files: [file(`/var/log/${name}.log`)],
    spool: { bytes_max: GIB, queued_bytes: 0, records: 182_044, bytes: 31_000_000, failed_appends: 0, redacted: null, dropped: null },
    ship: { servers: ["http://logs.example:7447"], server: 0, reachable: true, last_error: null, last_error_at: null, records: 182_044, refused: 0, dropped_oldest: 0, possibly_doubled: 0, queued_bytes: 0 },
  };
  return { ...base, ...change, spool: { ...base.spool, ...change.spool }, ship: { ...base.ship, ...change.ship } };
}

export function file(path, change = {}) {
  return { path, size: 48_211, read: 48_211, durable: 48_211, lag_bytes: 0, lag_s: 0, error: null, ...change };
}

function agent(now, name, { silentS = 4, skewMs = -12, ...change } = {}) {
  return { name, seen: new Date(now - silentS * 1000).toISOString(), skew_ms: skewMs, status: status(name, change) };
}

export function makeAgents(now) {
  const refused = "http://logs.example:7447: cannot store now (status 507): the disk is full";
  const pod = "/var/log/containers/checkout-7d9c5b6f4-x2x9k_shop_checkout-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log";
  const behind = Array.from({ length: 7 }, (_, i) => file(`/srv/api/worker-${i}.log`, i > 4 ? {} : { size: 9e6 * (i + 1), durable: 5e6 * (i + 1), read: 6e6 * (i + 1), lag_bytes: 4e6 * (i + 1), lag_s: 40 * (i + 1) }));
  return [
    agent(now, "web-1"),
    agent(now, "db-1", {
      ship: { reachable: false, last_error: refused, last_error_at: new Date(now - 95_000).toISOString(), records: 181_000, queued_bytes: 0.91 * GIB, possibly_doubled: 12 },
      spool: { queued_bytes: 0.91 * GIB, dropped: { rate_limit: 420, sampled: 90_112 } },
      files: [file(pod), ...behind, file("/srv/api/audit.log", { durable: 0, lag_bytes: 48_211, lag_s: 7300, error: "Permission denied (os error 13)" })],
      files_followed: 1412, files_unreadable: 2, skewMs: 73_000,
    }),
    agent(now, "edge-lisbon-3", { silentS: 400, skewMs: null }),
    agent(now, "syslog-1", {
      files: [], files_followed: 0,
      inputs: [{ name: "input.syslog", in: 9120, out: 9008, dropped: { full: 100, malformed: 12 }, queued: 0 }],
      ship: { records: 9008, last_error: "cannot reach http://logs.example:7447: Connection refused (os error 111)", last_error_at: new Date(now - 7_200_000).toISOString() },
    }),
  ];
}
