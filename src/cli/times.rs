//! Times as people type them: `1h` (ago), `now-15m`, `2026-01-02`, RFC 3339, milliseconds.

use super::Failure;
use crate::{api::params::parse_time, event::Timestamp};
use logship_parsers::query::{ast::Meaning, literal::meaning};

/// The time that `--since` or `--until` means.
pub fn parse(option: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Meaning::Duration(ago) = meaning(text) {
        return Ok(Timestamp::from_nanos(now.as_nanos().saturating_sub(ago)));
    }
    parse_time(text, now).ok_or_else(|| {
        Failure::usage(format!(
            "--{option} {text}: expected a duration such as 15m or 2h, or a time such as 2026-01-02T03:04:05Z"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_ago_and_times_are_times() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let check = |text, expected: Option<&str>| {
            assert_eq!(parse("since", text, now).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        };
        check("1h", Some("2025-12-31T23:00:00.000Z"));
        check("now-15m", Some("2025-12-31T23:45:00.000Z"));
        check("2025-12-01", Some("2025-12-01T00:00:00.000Z"));
        check("yesterday-ish", None);
    }
}
