//! What an input says of itself among the events that it brings: that some are missing.
//!
//! Such an event is stored where the missing ones would be, so that whoever searches there knows of the gap. Its fields:
//! `log.level` (`warn`), `log.logger` (`logship`), `event.action` (`lines-lost`), `event.reason`, `logship.lost`.

use crate::flow::{Record, RecordKind};
use serde_json::json;

/// So many lines (`what` says which) were lost.
#[must_use]
pub fn lost(count: u64, what: &str, reason: &str) -> Record {
    let event = json!({
        "message": format!("{count} {what} were lost: {reason}"),
        "log": {"level": "warn", "logger": "logship"},
        "event": {"action": "lines-lost", "reason": reason},
        "logship": {"lost": count},
    });
    Record { bytes: event.to_string().into(), kind: RecordKind { json: true, truncated: false } }
}

/// How many lines such a record tells of: who loses it has lost them once more.
#[must_use]
pub fn told(record: &Record) -> Option<u64> {
    let rest = record.bytes.strip_suffix(b"}}").filter(|_| record.kind.json)?;
    let digits = rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (head, count) = rest.split_at(rest.len() - digits);
    let is_notice = head.ends_with(br#""logship":{"lost":"#);
    str::from_utf8(count).ok().filter(|_| is_notice)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_known_again() {
        for count in [1, 70, u64::MAX] {
            assert_eq!(told(&lost(count, "lines", "it was \"full\"")), Some(count));
        }
        for text in ["", "}}", "5}}", r#"{"logship":{"lost":}}"#, r#"{"logship":{"lost":1,"more":2}}"#] {
            let kind = RecordKind { json: true, truncated: false };
            assert_eq!(told(&Record { bytes: text.to_owned().into(), kind }), None, "{text}");
        }
        assert_eq!(told(&Record::text(lost(3, "", "").bytes)), None);
    }
}
