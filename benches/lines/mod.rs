//! Repeatable access lines, and the events that they become.

use bytestring::ByteString;
use logship::event::{Event, Timestamp};
use logship_parsers::{
    line::{
        Context,
        detect::{Detector, FormatId},
    },
    time::Civil,
};

/// 2026-01-01T00:00:00Z.
const BEGIN_SECONDS: i64 = 1_767_225_600;

/// A small generator of repeatable numbers (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// An access line in the combined format, so many seconds after the beginning of 2026.
pub fn access(numbers: &mut Numbers, seconds: usize) -> String {
    let stamp = Civil::from_nanos((BEGIN_SECONDS + seconds as i64) * 1_000_000_000).to_string();
    let (day, clock) = (&stamp[8..10], &stamp[11..]);
    let [a, b, c, d]: [u64; 4] = std::array::from_fn(|_| 1 + numbers.below(250));
    let method = ["GET", "GET", "GET", "POST", "PUT"][numbers.below(5) as usize];
    let path = match numbers.below(4) {
        0 => "/index.html".to_owned(),
        1 => format!("/static/app.{:x}.js", numbers.below(40)),
        2 => format!("/api/v1/orders/{}/items", numbers.below(100_000)),
        _ => format!("/api/v1/users/{}", numbers.below(300_000)),
    };
    let status = [200, 200, 200, 200, 304, 404, 503][numbers.below(7) as usize];
    let bytes = numbers.below(60_000);
    let agent = match numbers.below(3) {
        0 => format!("curl/7.{}.0", numbers.below(90)),
        _ => format!(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
             Chrome/{}.0.{}.{} Safari/537.36",
            90 + numbers.below(40),
            numbers.below(100),
            numbers.below(200)
        ),
    };
    format!(
        "{a}.{b}.{c}.{d} - - [{day}/Jan/2026:{clock} +0000] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\""
    )
}

/// What the pipeline makes of a line.
#[allow(dead_code, reason = "one of the benchmarks hands its lines to a process")]
pub fn event(line: &ByteString, hint: Option<FormatId>, context: &Context) -> Event {
    let (_, fields) = Detector::parse(hint, line, context);
    let mut event = Event::new(fields.time.map_or(Timestamp::from_nanos(0), Timestamp::from_nanos));
    event.absorb(line, fields);
    event
}
