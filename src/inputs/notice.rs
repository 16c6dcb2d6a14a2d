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
