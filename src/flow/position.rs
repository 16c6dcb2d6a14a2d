//! Places in logs.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    str::FromStr,
};

/// The identity of one log: 48 random bits, shown as 12 hex digits. A log is written by one process during one life and
/// an id is never used again, so a position in it never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogId(u64);

impl LogId {
    /// From the low 48 bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> LogId {
        LogId(bits & 0xffff_ffff_ffff)
    }

    /// One that nobody has had: of a new log, or of a process that names its positions in no log.
    #[must_use]
    pub fn random() -> LogId {
        // The standard library seeds this hasher from the operating system's randomness.
        LogId::from_bits(RandomState::new().hash_one(std::process::id()))
    }

    /// The 48 bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// Text that is no log id, position or event id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPosition;

impl fmt::Display for BadPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a position such as 4f2a9c01d3b7-1f00")
    }
}

impl std::error::Error for BadPosition {}

fn lower_hex(text: &str) -> Result<u64, BadPosition> {
    if text.is_empty() || text.len() > 16 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(BadPosition);
    }
    u64::from_str_radix(text, 16).map_err(|_| BadPosition)
}

impl FromStr for LogId {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<LogId, BadPosition> {
        if text.len() == 12 { lower_hex(text).map(LogId) } else { Err(BadPosition) }
    }
}

/// A place in a log, in bytes since its beginning, segment headers not counted: every frame that ends at or before it
/// is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(pub u64);

/// The identity of an event for ever: its log, and the start of its frame plus its number in the frame (a frame is
/// longer than it has records, so no two events share one). What an agent shipped has that of the agent's log on every server:
/// see [`super::Frame::first_id`].
///
/// ```
/// use logship::flow::{EventId, LogId, Pos};
/// let id = EventId { log: LogId::from_bits(0x4f2a_9c01_d3b7), at: Pos(0x1a2b) };
/// assert_eq!(id.to_string(), "4f2a9c01d3b7-1a2b");
/// assert_eq!("4f2a9c01d3b7-1a2b".parse(), Ok(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The log it came through.
    pub log: LogId,
    /// Its own place in that log.
    pub at: Pos,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:x}", self.log, self.at.0)
    }
}

impl FromStr for EventId {
    type Err = BadPosition;
    fn from_str(text: &str) -> Result<EventId, BadPosition> {
        let (log, at) = text.split_once('-').ok_or(BadPosition)?;
        Ok(EventId { log: log.parse()?, at: Pos(lower_hex(at)?) })
    }
}
