//! What is known about a partition without opening it, and the payload of its commits.

use super::StoreError;
use crate::event::Timestamp;
use crate::flow::{LogId, Pos, Progress};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Most UTC days that a partition counts events of; events of other days are only in the total.
pub const DAYS_PER_PARTITION_MAX: usize = 1_000;

const DAY_NANOS: i64 = 86_400_000_000_000;

/// The UTC day of a time, in days since 1970.
#[must_use]
pub fn day_of(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(DAY_NANOS)
}

/// Counts of a partition. Times are nanoseconds since 1970; those of no event are `i64::MAX` and `i64::MIN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) min_time: i64,
    pub(super) max_time: i64,
    pub(super) first_arrival: i64,
    pub(super) last_arrival: i64,
    #[serde(with = "days")]
    pub(super) days: BTreeMap<i64, u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        let (min, max) = (i64::MAX, i64::MIN);
        let days = BTreeMap::new();
        Tally { events: 0, min_time: min, max_time: max, first_arrival: min, last_arrival: max, days }
    }
}

impl Tally {
    pub(super) fn add(&mut self, time: Timestamp, arrival: Timestamp) {
        self.events += 1;
        self.min_time = self.min_time.min(time.as_nanos());
        self.max_time = self.max_time.max(time.as_nanos());
        self.first_arrival = self.first_arrival.min(arrival.as_nanos());
        self.last_arrival = self.last_arrival.max(arrival.as_nanos());
        let (day, full) = (day_of(time), self.days.len() >= DAYS_PER_PARTITION_MAX);
        match self.days.get_mut(&day) {
            Some(events) => *events += 1,
            None if full => {}
            None => {
                self.days.insert(day, 1);
            }
        }
    }
}

/// `{"2026-01-02": 5}` in JSON, days since 1970 in memory.
mod days {
    use super::{BTreeMap, DAY_NANOS, Timestamp};
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(days: &BTreeMap<i64, u64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(days.iter().map(|(day, events)| {
            let mut date = Timestamp::from_nanos(day.saturating_mul(DAY_NANOS)).to_string();
            date.truncate("2026-01-02".len());
            (date, events)
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<i64, u64>, D::Error> {
        let days = BTreeMap::<String, u64>::deserialize(from)?;
        let day = |text: &str| text.parse::<Date>()?.since(Date::constant(1970, 1, 1)).map(|span| span.get_days());
        days.iter().map(|(text, events)| Ok((i64::from(day(text).map_err(D::Error::custom)?), *events))).collect()
    }
}

/// What a commit says besides its segments: the whole progress and the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payload {
    v: u32,
    logs: BTreeMap<String, u64>,
    pub(super) tally: Tally,
}

impl Payload {
    pub(super) fn new(progress: &Progress, tally: Tally) -> Payload {
        Payload { v: 1, logs: progress.iter().map(|(log, pos)| (log.to_string(), pos.0)).collect(), tally }
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<Payload, StoreError> {
        let damaged = |what: String| StoreError::Corrupt {
            path: path.to_owned(),
            what,
            remedy: "restore the file from a backup, or move the folder away to go on without its events",
        };
        let payload: Payload = serde_json::from_str(text).map_err(|e| damaged(format!("bad commit payload: {e}")))?;
        if payload.v != 1 {
            return Err(StoreError::Newer { path: path.to_owned(), found: format!("commit payload {}", payload.v) });
        }
        match payload.logs.keys().find(|log| log.parse::<LogId>().is_err()) {
            Some(log) => Err(damaged(format!("bad log id {log:?} in the commit payload"))),
            None => Ok(payload),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.logs.iter().filter_map(|(log, pos)| Some((log.parse().ok()?, Pos(*pos)))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_payload_is_json_and_comes_back() {
        let mut tally = Tally::default();
        tally.add(Timestamp::from_millis(1_767_225_600_000), Timestamp::from_millis(1_767_225_600_005));
        tally.add(Timestamp::from_nanos(-1), Timestamp::from_millis(1_767_225_600_006));
        tally.add(Timestamp::from_nanos(i64::MIN), Timestamp::from_millis(1_767_225_600_006));
        let payload = Payload::new(&Progress::from([(LogId::from_bits(0xabc), Pos(70))]), tally);
        let json = serde_json::to_string(&payload).unwrap();
        expect![[r#"{"v":1,"logs":{"000000000abc":70},"tally":{"events":3,"min_time":-9223372036854775808,"max_time":1767225600000000000,"first_arrival":1767225600005000000,"last_arrival":1767225600006000000,"days":{"1677-09-21":1,"1969-12-31":1,"2026-01-01":1}}}"#]]
        .assert_eq(&json);
        assert_eq!(Payload::parse(&json, Path::new("x")).unwrap(), payload);
    }

    #[test]
    fn bad_payloads_are_named() {
        fn check(text: &str, expected: &str) {
            let error = Payload::parse(text, Path::new("p-0/meta.json")).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("p-0/meta.json"), "{error}");
        }
        check("", "bad commit payload");
        check("{}", "bad commit payload");
        let with = |v: u32, log: &str| {
            let tally = serde_json::to_string(&Tally::default()).unwrap();
            format!(r#"{{"v":{v},"logs":{{"{log}":1}},"tally":{tally}}}"#)
        };
        check(&with(2, "000000000abc"), "newer");
        check(&with(1, "x"), "bad log id");
    }

    #[test]
    fn days_are_bounded() {
        let mut tally = Tally::default();
        for day in 0..2 * DAYS_PER_PARTITION_MAX as i64 {
            tally.add(Timestamp::from_nanos(day * DAY_NANOS), Timestamp::default());
        }
        assert_eq!((tally.days.len(), tally.events), (DAYS_PER_PARTITION_MAX, 2 * DAYS_PER_PARTITION_MAX as u64));
    }
}
