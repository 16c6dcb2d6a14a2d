/** Made-up events for the mock server: a small shop whose payment service has an outage. */

/** A small seeded generator, so that two runs show the same page. */
export function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const TRACE = [
  "java.net.SocketTimeoutException: Read timed out",
  "\tat com.shop.pay.GatewayClient.read(GatewayClient.java:211)",
  "\tat com.shop.pay.GatewayClient.charge(GatewayClient.java:87)",
  "\tat com.shop.pay.PaymentService.capture(PaymentService.java:142)",
  "\tat com.shop.checkout.CheckoutController.submit(CheckoutController.java:64)",
  "\tat jdk.internal.reflect.GeneratedMethodAccessor51.invoke(Unknown Source)",
  "\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:897)",
  "Caused by: java.io.IOException: connection reset by peer",
  "\t... 24 more",
].join("\n");

const PATHS = ["/", "/cart", "/checkout", "/api/v1/items?page=2", "/api/v1/items/4711", "/login", "/static/app.js"];

function pick(rng, list) {
  return list[Math.floor(rng() * list.length)];
}

function hex(rng, n) {
  let text = "";
  while (text.length < n) text += Math.floor(rng() * 16).toString(16);
  return text;
}

function access(rng, time, bad) {
  const status = bad ? pick(rng, [502, 504, 500]) : pick(rng, [200, 200, 200, 200, 204, 301, 304, 404]);
  const path = pick(rng, PATHS);
  const method = path === "/checkout" ? "POST" : "GET";
  const ip = `10.4.${Math.floor(rng() * 4)}.${Math.floor(rng() * 250)}`;
  const size = Math.floor(rng() * 40000);
  return {
    "@timestamp": time,
    message: `${ip} - - "${method} ${path} HTTP/1.1" ${status} ${size} "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
    source: { ip },
    http: { request: { method }, response: { status_code: status, body: { bytes: size } } },
    url: { original: path },
    log: { level: status >= 500 ? "error" : status >= 400 ? "warn" : "info" },
    service: { name: "edge-nginx" },
    host: { name: "web-1" },
  };
}

function payment(rng, time, bad) {
  const order = Math.floor(rng() * 90000) + 10000;
  const trace = { id: hex(rng, 32) };
  const base = { "@timestamp": time, service: { name: "payment" }, host: { name: pick(rng, ["pay-1", "pay-2"]) }, trace };
  if (bad && rng() < 0.3) {
    return {
      ...base,
      message: `capture failed for order ${order}\n${TRACE}`,
      log: { level: "error", logger: "com.shop.pay.PaymentService" },
      error: { type: "java.net.SocketTimeoutException", message: "Read timed out", stack_trace: TRACE },
      order_id: order,
    };
  }
  if (bad && rng() < 0.08) {
    return { ...base, message: "circuit breaker open: no payments are taken", log: { level: "fatal" }, order_id: order };
  }
  if (bad) {
    return { ...base, message: `gateway timeout, retrying order ${order} (attempt 2 of 3)`, log: { level: "warn" } };
  }
  const ms = 40 + Math.floor(rng() * 180);
  return {
    ...base,
    message: `payment captured order=${order} in ${ms} ms`,
    log: { level: "info", logger: "com.shop.pay.PaymentService" },
    event: { duration: ms * 1e6 },
    order_id: order,
    tags: ["money", "eu"],
  };
}

function worker(rng, time) {
  const level = pick(rng, ["debug", "debug", "trace", "info"]);
  if (rng() < 0.3) {
    // An event without a message: only fields.
    return {
      "@timestamp": time,
      log: { level },
      service: { name: "stock-worker" },
      job: { name: "reindex", queue: "low", attempt: 1 },
      rows: Math.floor(rng() * 5000),
      cached: rng() < 0.5,
    };
  }
  return {
    "@timestamp": time,
    message: `reindexed ${Math.floor(rng() * 500)} items of shelf ${pick(rng, ["A", "B", "C"])}-${Math.floor(rng() * 40)}`,
    log: { level },
    service: { name: "stock-worker" },
    host: { name: "work-1" },
  };
}

function plain(rng, time) {
  return { "@timestamp": time, message: pick(rng, ["Server started on port 8080", "connection refused: upstream pay-2:9000", "GC pause 12 ms"]) };
}

/** One event at `ms`. `outage` makes the payment path fail. */
export function makeEvent(rng, ms, outage) {
  const time = new Date(ms).toISOString();
  const dice = rng();
  if (dice < 0.5) return access(rng, time, outage && rng() < 0.35);
  if (dice < 0.75) return payment(rng, time, outage && rng() < 0.8);
  if (dice < 0.96) return worker(rng, time);
  return plain(rng, time);
}

/** `count` events over the last `hours`, oldest first, with an outage in the middle of the last quarter. */
export function makeEvents({ count, hours, now, seed = 7 }) {
  const rng = random(seed);
  const span = hours * 3_600_000;
  const times = Array.from({ length: count }, () => {
    const x = rng();
    // Day and night: busier around two thirds of the range.
    const keep = 0.55 + 0.45 * Math.sin(x * Math.PI * 2 - 2.4);
    return rng() < keep ? x : rng();
  }).sort((a, b) => a - b);
  return times.map((x) => makeEvent(rng, Math.floor(now - span + x * span), x > 0.83 && x < 0.89));
}
