//! A small shop as its logs show it: a gateway (access lines), an API (JSON), payments (Java, with stack traces), a
//! worker (logfmt), a database (plain text). Every twenty minutes payments loses its database for a while, and the errors
//! travel up to the gateway. Reproducible: the same steps print the same lines.

use crate::event::Timestamp;
use std::{fmt::Write as _, time::Duration};

/// How often an outage begins, and how long it lasts, in seconds.
const OUTAGE_EVERY_S: i64 = 1_200;
const OUTAGE_LASTS_S: i64 = 150;

const PATHS: &[&str] =
    &["/", "/cart", "/api/items", "/api/items/42", "/api/checkout", "/login", "/static/app.js", "/health"];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_2 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.11.0",
    "kube-probe/1.33",
];
const JOBS: &[&str] = &["send_receipt", "resize_image", "sync_stock", "expire_carts"];

/// The services and their luck.
pub struct World {
    random: u64,
    rate: u32,
    owed: f64,
    order: u64,
}

impl World {
    /// About `rate` lines a second over all services.
    pub fn new(rate: u32) -> World {
        World { random: 0x9e37_79b9_7f4a_7c15, rate, owed: 0.0, order: 1_000 }
    }

    /// xorshift: enough to look alive.
    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit.max(1)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        let at = self.below(from.len() as u64);
        from.get(usize::try_from(at).unwrap_or_default()).copied().unwrap_or_default()
    }

    /// What each service prints in a step that ends at `at`.
    pub fn step(&mut self, at: Timestamp, step: Duration) -> Vec<(&'static str, String)> {
        let second = at.as_nanos().div_euclid(1_000_000_000);
        let outage = second.rem_euclid(OUTAGE_EVERY_S) < OUTAGE_LASTS_S;
        self.owed += f64::from(self.rate) * step.as_secs_f64();
        let mut texts: Vec<(&'static str, String)> =
            ["gateway", "api", "payments", "worker", "postgres"].map(|name| (name, String::new())).into();
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            let back = self.below(step.as_nanos().try_into().unwrap_or(u64::MAX));
            // Loggers print milliseconds.
            let time = at.as_nanos() - i64::try_from(back).unwrap_or_default();
            let time = Timestamp::from_millis(time.div_euclid(1_000_000));
            let (service, line) = match self.below(20) {
                0..8 => (0, self.access(time, outage)),
                8..13 => (1, self.api(time, outage)),
                13..16 => (2, self.payments(time, outage)),
                16..19 => (3, self.worker(time)),
                _ => (4, self.postgres(time, outage)),
            };
            if let Some((_, text)) = texts.get_mut(service) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        texts.retain(|(_, text)| !text.is_empty());
        texts
    }

    fn access(&mut self, at: Timestamp, outage: bool) -> String {
        let path = self.pick(PATHS);
        let failing = outage && path == "/api/checkout";
        let status = match self.below(100) {
            _ if failing => 502,
            0..2 => 404,
            2..4 => 304,
            4 => 500,
            _ => 200,
        };
        let (host, bytes, agent) = (self.below(60), self.below(40_000), self.pick(AGENTS));
        let method = if path == "/api/checkout" || path == "/login" { "POST" } else { "GET" };
        let stamp = clf_stamp(at);
        format!("10.1.4.{host} - - [{stamp}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"")
    }

    fn api(&mut self, at: Timestamp, outage: bool) -> String {
        let (user, took, trace) = (self.below(5_000), self.below(90) + 3, self.trace_id());
        let (level, message, took) = match self.below(10) {
            0..4 if outage => ("error", "checkout failed: payments did not answer", took + 2_000),
            0 => ("warn", "slow query on items, using cache", took + 400),
            1..3 => ("debug", "cart loaded", took),
            _ => ("info", "request served", took),
        };
        format!(
            "{{\"time\":\"{at}\",\"level\":\"{level}\",\"msg\":\"{message}\",\"user_id\":{user},\"took_ms\":{took},\"trace_id\":\"{trace}\"}}"
        )
    }

    fn payments(&mut self, at: Timestamp, outage: bool) -> String {
        self.order += 1;
        let (order, thread) = (self.order, self.below(8) + 1);
        let stamp = at.to_string().replace('T', " ").replace('Z', "");
        if !outage {
            let cents = self.below(20_000) + 99;
            return format!(
                "{stamp} INFO  [pay-exec-{thread}] shop.pay.Checkout : order {order} captured, {cents} cents"
            );
        }
        let mut text =
            format!("{stamp} ERROR [pay-exec-{thread}] shop.pay.Checkout : order {order} could not be captured\n");
        let _ = write!(
            text,
            "java.sql.SQLTransientConnectionException: no connection available after 3000ms\n\
             \tat shop.pay.Pool.borrow(Pool.java:88)\n\
             \tat shop.pay.Checkout.capture(Checkout.java:{})\n\
             \tat java.base/java.lang.Thread.run(Thread.java:1583)\n\
             Caused by: java.net.ConnectException: Connection refused\n\
             \tat shop.pay.Wire.open(Wire.java:31)\n\
             \t... 2 more",
            self.below(40) + 60
        );
        text
    }

    fn worker(&mut self, at: Timestamp) -> String {
        let (job, took, attempt) = (self.pick(JOBS), self.below(900), self.below(3) + 1);
        if self.below(25) == 0 {
            return format!(
                "time={at} level=warn msg=\"job will be retried\" job={job} attempt={attempt} error=\"deadline exceeded\""
            );
        }
        format!("time={at} level=info msg=\"job done\" job={job} took={took}ms")
    }

    fn postgres(&mut self, at: Timestamp, outage: bool) -> String {
        let stamp = at.to_string().replace('T', " ").replace('Z', " UTC");
        let pid = self.below(900) + 100;
        if outage {
            return format!("{stamp} [{pid}] FATAL:  sorry, too many clients already");
        }
        format!("{stamp} [{pid}] LOG:  checkpoint complete: wrote {} buffers", self.below(4_000))
    }

    fn trace_id(&mut self) -> String {
        let (high, low) = (self.below(u64::MAX), self.below(u64::MAX));
        format!("{high:016x}{low:016x}")
    }
}

/// `01/Jan/2026:00:00:00 +0000`
fn clf_stamp(at: Timestamp) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())).unwrap_or_default();
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_steps_print_the_same_lines_and_outages_show() {
        let print = |second: i64| {
            let mut world = World::new(400);
            world.step(Timestamp::from_nanos(second * 1_000_000_000), Duration::from_secs(1))
        };
        assert_eq!(print(10), print(10));
        let all = |second| print(second).into_iter().map(|(_, text)| text).collect::<String>();
        assert!(all(OUTAGE_EVERY_S + 1).contains("Caused by:"));
        assert!(!all(OUTAGE_EVERY_S + OUTAGE_LASTS_S).contains("Caused by:"));
    }
}
