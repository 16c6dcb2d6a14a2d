//! A rate limit and sampling for one stream, before the log.
//!
//! Sampling keeps what reports trouble ([`reports_trouble`]) and one in N of the rest, chosen by a hash of the record's bytes
//! and a counter: the same stream gives the same records. What it keeps then has to fit the rate limit, a token bucket that
//! counts records and makes no exception, since a storm of errors is what it is for.
//!
//! What the limit drops is told in the stream itself: a record with the tag `_ratelimited` says how many it was, at most one
//! every [`NOTE_INTERVAL`]. What sampling drops was asked for, and is only counted. Counts are of decisions: records that are
//! read again after a crash are decided about again.
//!
//! Limits: a few numbers a stream; of a record [`LOOK_BYTES_MAX`] are looked at.

use crate::flow::{Record, RecordKind};
use bytes::Bytes;
use logship_parsers::line::level;
use memchr::memmem;
use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// How often a stream is told that records of it were dropped, at most.
pub const NOTE_INTERVAL: Duration = Duration::from_secs(10);
/// How much of a record is searched for signs of trouble.
pub const LOOK_BYTES_MAX: usize = 1_024;
/// A level without a name for it is one of the first words.
const LEVEL_WITHIN_BYTES: usize = 80;
/// A token of the bucket: so a rate per second times nanoseconds are tokens.
const TOKEN: u128 = 1_000_000_000;

/// What to keep of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Most records a second, over time.
    pub per_second: Option<NonZeroU32>,
    /// Most records at once; as many as a second's where none is named.
    pub burst: Option<NonZeroU32>,
    /// One in so many of the records that report no trouble: 1 keeps all.
    pub one_in: NonZeroU32,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { per_second: None, burst: None, one_in: NonZeroU32::MIN }
    }
}

/// How many records were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// By the rate limit: `rate_limit`.
    pub rate_limit: u64,
    /// By sampling: `sampled`.
    pub sampled: u64,
}

/// Decides about the records of one stream.
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    /// What is in the bucket, in parts of a [`TOKEN`], and when that was.
    credit: u128,
    filled: Option<Instant>,
    /// Records that sampling has decided about.
    decided: u64,
    dropped: Dropped,
    /// What the stream was not told yet, and since when.
    untold: Option<(u64, Instant)>,
}

impl Sampler {
    /// With a full bucket.
    #[must_use]
    pub fn new(sampling: Sampling) -> Sampler {
        let mut sampler =
            Sampler { sampling, credit: 0, filled: None, decided: 0, dropped: Dropped::default(), untold: None };
        sampler.credit = sampler.bucket();
        sampler
    }

    /// Drops from the stream's next records, which came `now`, what is not to be kept. Adds a note where it is time for one.
    pub fn apply(&mut self, records: &mut Vec<Record>, now: Instant) {
        let unlimited = self.sampling.per_second.is_none();
        if unlimited && self.sampling.one_in == NonZeroU32::MIN {
            return;
        }
        records.retain(|record| {
            let sampled = self.is_sampled(&record.bytes);
            self.dropped.sampled += u64::from(!sampled);
            sampled && (unlimited || self.spend(now))
        });
        records.extend(self.note(now));
    }

    /// The note about what the stream was not told yet, where it is time for it.
    pub fn note(&mut self, now: Instant) -> Option<Record> {
        let (_, since) = self.untold?;
        (now.saturating_duration_since(since) >= NOTE_INTERVAL).then(|| self.finish())?
    }

    /// Whether there is something that the stream was not told yet.
    #[must_use]
    pub fn has_untold(&self) -> bool {
        self.untold.is_some()
    }

    /// The note about what the stream was not told yet: its last record.
    pub fn finish(&mut self) -> Option<Record> {
        let (count, _) = self.untold.take()?;
        let event = serde_json::json!({
            "message": format!("logship: {count} records dropped (rate limit)"),
            "log": { "level": "warn" },
            "tags": ["_ratelimited"],
        });
        let kind = RecordKind { json: true, truncated: false };
        Some(Record { bytes: Bytes::from(event.to_string()), kind })
    }

    /// What was dropped so far.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn is_sampled(&mut self, text: &[u8]) -> bool {
        let one_in = u64::from(self.sampling.one_in.get());
        if one_in == 1 || reports_trouble(text) {
            return true;
        }
        self.decided += 1;
        mixed(self.decided << 32 | u64::from(crc32c::crc32c(text))).is_multiple_of(one_in)
    }

    /// Takes a token for a record, if there is one.
    fn spend(&mut self, now: Instant) -> bool {
        let rate = self.sampling.per_second.map_or(0, NonZeroU32::get);
        let elapsed = self.filled.map_or(Duration::ZERO, |filled| now.saturating_duration_since(filled));
        let refill = elapsed.as_nanos().saturating_mul(u128::from(rate));
        self.credit = self.credit.saturating_add(refill).min(self.bucket());
        self.filled = Some(self.filled.map_or(now, |filled| filled.max(now)));
        if let Some(rest) = self.credit.checked_sub(TOKEN) {
            self.credit = rest;
            return true;
        }
        self.dropped.rate_limit += 1;
        self.untold.get_or_insert((0, now)).0 += 1;
        false
    }

    /// How much the bucket holds.
    fn bucket(&self) -> u128 {
        let burst = self.sampling.burst.or(self.sampling.per_second);
        u128::from(burst.map_or(1, NonZeroU32::get)) * TOKEN
    }
}

/// Spreads the bits of a number, by the finalizer of splitmix64.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Whether a record says that something went wrong: a warning or worse, an answer of 500 or above, a trace. Cheap, so it errs
/// on the side of what is kept: a level counts wherever it is named, and without one the words do.
#[must_use]
pub fn reports_trouble(text: &[u8]) -> bool {
    let look = &text[..text.len().min(LOOK_BYTES_MAX)];
    if failed(look) {
        return true;
    }
    match level_of(look) {
        // The lines below the first are a trace as often as not.
        Some(level) => matches!(level, "warn" | "error" | "fatal") || (look.contains(&b'\n') && names_trouble(look)),
        None => names_trouble(look),
    }
}

/// Whether it is about an answer of 500 or above.
fn failed(text: &[u8]) -> bool {
    let is_status = |value: &[u8]| matches!(value, [b'5', a, b, rest @ ..] if a.is_ascii_digit() && b.is_ascii_digit() && !rest.first().is_some_and(u8::is_ascii_alphanumeric));
    let answered = memmem::find(text, b" HTTP/").is_some_and(|at| {
        let rest = &text[at + 6..];
        rest.iter()
            .take(8)
            .position(|b| *b == b'"')
            .is_some_and(|quote| is_status(rest[quote + 1..].trim_ascii_start()))
    });
    answered || [&b"status"[..], b"status_code"].iter().any(|name| value_of(text, name).is_some_and(is_status))
}

/// The level that the record names.
fn level_of(text: &[u8]) -> Option<&'static str> {
    let named = [&b"level"[..], b"severity", b"lvl", b"levelname"].iter().find_map(|name| value_of(text, name));
    named.and_then(level_value).or_else(|| header_level(text))
}

fn level_value(value: &[u8]) -> Option<&'static str> {
    let end = value.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(value.len());
    let word = std::str::from_utf8(&value[..end]).ok()?;
    level::from_word(word).or_else(|| word.parse().ok().and_then(level::from_pino))
}

/// What stands behind `name=` and `"name":`.
fn value_of<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    memmem::find_iter(text, name).find_map(|at| {
        let rest = &text[at + name.len()..];
        let around = rest.iter().take(8).take_while(|b| matches!(b, b'"' | b'\'' | b'\\' | b'=' | b':' | b' ')).count();
        rest[..around].iter().any(|b| matches!(b, b'=' | b':')).then(|| &rest[around..])
    })
}

/// The level among the first words, of a syslog priority, or of the letter that glog begins with.
fn header_level(text: &[u8]) -> Option<&'static str> {
    let look = &text[..text.len().min(LEVEL_WITHIN_BYTES)];
    match look {
        [b'<', rest @ ..] => {
            let digits = rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
            let priority: i64 = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
            return (rest.get(digits) == Some(&b'>')).then(|| level::from_syslog(priority % 8))?;
        }
        [letter, a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()) => {
            return level::from_glog(*letter);
        }
        _ => {}
    }
    let words = look.split(|b| !b.is_ascii_alphabetic()).filter(|word| word.len() > 2);
    words.filter_map(|word| std::str::from_utf8(word).ok()).find_map(level::from_word)
}

fn names_trouble(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 9] =
        [b"rror", b"ERROR", b"xception", b"atal", b"FATAL", b"panic", b"Traceback", b"ritical", b"egmentation fault"];
    WORDS.iter().any(|word| memmem::find(text, word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn text(text: impl Into<String>) -> Record {
        Record::text(Bytes::from(text.into()))
    }

    fn sampling(per_second: u32, burst: u32, one_in: u32) -> Sampling {
        let number = NonZeroU32::new;
        Sampling { per_second: number(per_second), burst: number(burst), one_in: number(one_in).unwrap() }
    }

    #[test]
    fn trouble_is_seen() {
        let check = |line: &str, expected: bool| assert_eq!(reports_trouble(line.as_bytes()), expected, "{line}");
        for line in [
            "2026-01-02 03:04:05 ERROR shop: x",
            "2026-01-02 03:04:05 [main] WARN shop: x",
            r#"{"time":"2026-01-02T03:04:05Z","msg":"x","level":"error"}"#,
            r#"{"level":50,"msg":"x"}"#,
            r#"{"log":"{\"level\":\"warn\"}\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
            "time=x level=fatal msg=y",
            "<11>Jan  2 03:04:05 host app: x",
            "E0102 03:04:05.678901   4711 a.go:42] x",
            r#"192.0.2.7 - - [02/Jan/2026:03:04:05 +0000] "GET /x HTTP/1.1" 503 12"#,
            r#"{"level":"info","status":502}"#,
            "time=x level=info status=500 path=/",
            "2026-01-02 03:04:05 INFO x\njava.lang.IllegalStateException: y",
            "panic: x",
            "Traceback (most recent call last):",
            "something threw an Exception",
        ] {
            check(line, true);
        }
        for line in [
            "2026-01-02 03:04:05 INFO shop: no error today",
            r#"{"level":"info","error":null,"status":200}"#,
            r#"{"level":30,"msg":"x"}"#,
            "time=x level=info status=5000",
            "<14>Jan  2 03:04:05 host app: error",
            "I0102 03:04:05.678901   4711 a.go:42] error",
            r#"192.0.2.7 - - [02/Jan/2026:03:04:05 +0000] "GET /x HTTP/1.1" 200 503"#,
            "plain",
            "<",
            "",
        ] {
            check(line, false);
        }
    }

    #[test]
    fn the_rate_is_kept_and_told() {
        let start = clock::instant();
        let mut sampler = Sampler::new(sampling(10, 20, 1));
        // Milliseconds after the start, how many come, how many pass, and whether a note does.
        for (at, come, pass, note) in [
            (0, 30, 20, false),
            (50, 5, 0, false),
            (100, 5, 1, false),
            (1_100, 100, 10, false),
            (9_999, 0, 0, false),
            (10_000, 0, 0, true),
            (10_001, 30, 20, false),
            (30_000, 1, 1, true),
            (60_000, 20, 20, false),
            (59_000, 1, 0, false),
        ] {
            let mut records: Vec<_> = (0..come).map(|_| text("x")).collect();
            sampler.apply(&mut records, start + Duration::from_millis(at));
            let noted = records.pop_if(|record| record.kind.json).is_some();
            assert_eq!((records.len(), noted), (pass, note), "{at}");
        }
        assert_eq!(sampler.dropped(), Dropped { rate_limit: 10 + 5 + 4 + 90 + 10 + 1, sampled: 0 });
        let note = sampler.finish().unwrap();
        let expected =
            r#"{"message":"logship: 1 records dropped (rate limit)","log":{"level":"warn"},"tags":["_ratelimited"]}"#;
        assert_eq!(note.bytes, expected);
        assert!(sampler.finish().is_none());
    }

    #[test]
    fn one_in_so_many_is_kept_and_trouble_always() {
        let start = clock::instant();
        let run = |one_in| {
            let mut sampler = Sampler::new(sampling(0, 0, one_in));
            let line = |at: usize| if at.is_multiple_of(100) { text(format!("ERROR {at}")) } else { text("INFO same") };
            let mut records: Vec<_> = (0..10_000).map(line).collect();
            sampler.apply(&mut records, start);
            assert_eq!(records.iter().filter(|record| record.bytes.starts_with(b"ERROR")).count(), 100);
            assert_eq!(sampler.dropped(), Dropped { rate_limit: 0, sampled: 10_000 - records.len() as u64 });
            records
        };
        assert_eq!(run(1).len(), 10_000);
        assert_eq!(run(10), run(10));
        for (one_in, expected) in [(2, 4_950), (10, 990), (100, 99)] {
            let found = run(one_in).len() - 100;
            assert!(found.abs_diff(expected) < expected / 4, "1 in {one_in}: {found}");
        }
    }
}
