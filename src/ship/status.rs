//! How shipping is, for whoever shows it.

use crate::event::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::time::Instant;

/// How shipping is. Every record is in one of `records`, `refused`, `dropped_oldest`, or still queued.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ShipStatus {
    /// All servers, in order of preference.
    pub servers: Vec<String>,
    /// Which of them is used.
    pub server: usize,
    /// It answered the last request as a server should.
    pub reachable: bool,
    /// The last thing that went wrong.
    pub last_error: Option<String>,
    /// When that was.
    #[serde(serialize_with = "as_text")]
    pub last_error_at: Option<Timestamp>,
    /// Requests that were answered as durable.
    pub batches: u64,
    /// Their frames.
    pub frames: u64,
    /// Their records.
    pub records: u64,
    /// Their bytes before compression.
    pub bytes: u64,
    /// The bytes of all request bodies that were sent, also in vain.
    pub wire_bytes: u64,
    /// Requests that failed and were made again.
    pub retries: u64,
    /// Times that another server was turned to.
    pub failovers: u64,
    /// Records that were sent to a server that did not answer in time, and then to another: they may be on both, with the
    /// same ids.
    pub possibly_doubled: u64,
    /// Records of frames that the server refused alone, three times.
    pub refused: u64,
    /// Records given up because the spool was at its limit.
    pub dropped_oldest: u64,
    /// The bytes of their frames.
    pub dropped_oldest_bytes: u64,
    /// Bytes that are durable here and not yet on the server.
    pub queued_bytes: u64,
    /// Logs that are being read.
    pub logs: u64,
    /// Logs that cannot be read now, such as those of a later version.
    pub unreadable_logs: u64,
    /// Stretches of the logs that were damaged and skipped.
    pub bad_regions: u64,
    /// Their bytes.
    pub bad_bytes: u64,
    /// The server's clock less ours.
    pub skew_ms: Option<i64>,
    /// How long ago the server last said that it has something durably.
    pub seconds_since_success: Option<u64>,
    /// What no event among the others tells of yet.
    #[serde(skip)]
    pub untold: Untold,
    #[serde(skip)]
    pub(super) last_success: Option<Instant>,
}

/// Lost lines that no event tells of yet; it outlives the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Untold {
    /// Given up for what is newer.
    pub oldest: u64,
    /// Refused by the server.
    pub refused: u64,
    /// Of pipes that ended while there was no room.
    pub newest: u64,
}

impl Untold {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Untold::default()
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Untold) -> Untold {
        let Untold { oldest, refused, newest } = other;
        Untold { oldest: self.oldest.max(oldest), refused: self.refused.max(refused), newest: self.newest.max(newest) }
    }

    /// What is left when so much was told.
    #[must_use]
    pub fn without(self, told: Untold) -> Untold {
        let Untold { oldest, refused, newest } = told;
        Untold {
            oldest: self.oldest.saturating_sub(oldest),
            refused: self.refused.saturating_sub(refused),
            newest: self.newest.saturating_sub(newest),
        }
    }
}

fn as_text<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.collect_str(at),
        None => to.serialize_none(),
    }
}
