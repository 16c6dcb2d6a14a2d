//! The file that remembers how far each log was shipped, and to which server.
//!
//! It only spares sending again what the server has: exactly-once does not depend on it, because the server knows each log's
//! positions, and what was trimmed was shipped. So it is written at most once a second, and a file that is missing, old or
//! damaged costs no more than a second sending. It also says which server may have what (`pins.rs`), so that what was on its
//! way when the agent was killed goes to that one.

use super::Untold;
use crate::{
    flow::{LogId, Pos, Progress, Span},
    fs::{self, Fs},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path, time::Duration};

const VERSION: u32 = 1;

/// A stretch of a log that a server may have without having said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pin {
    /// Its URL as it is shown.
    pub server: String,
    pub log: LogId,
    pub span: Span,
    /// How long it had not taken it when this was written.
    pub waited: Duration,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The server that was sent to last.
    pub server: Option<String>,
    /// Up to where it has each log.
    pub logs: Progress,
    /// What servers may have beyond that; what comes first counts.
    pub pins: Vec<Pin>,
    /// What was lost and is not told yet.
    pub lost: Untold,
}

#[derive(Serialize, Deserialize)]
struct Content {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default)]
    logs: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pins: Vec<PinContent>,
    #[serde(default, skip_serializing_if = "Untold::is_empty")]
    lost: Untold,
}

#[derive(Serialize, Deserialize)]
struct PinContent {
    server: String,
    log: String,
    from: u64,
    to: u64,
    #[serde(default)]
    waited_ms: u64,
}

impl PinContent {
    fn pin(self) -> Option<Pin> {
        let log = self.log.parse().ok()?;
        let span = Span { from: self.from, to: self.to };
        Some(Pin { server: self.server, log, span, waited: Duration::from_millis(self.waited_ms) })
    }
}

impl From<&Pin> for PinContent {
    fn from(pin: &Pin) -> PinContent {
        let waited_ms = u64::try_from(pin.waited.as_millis()).unwrap_or(u64::MAX);
        let Span { from, to } = pin.span;
        PinContent { server: pin.server.clone(), log: pin.log.to_string(), from, to, waited_ms }
    }
}

impl Saved {
    /// Reads it; what cannot be read is as if it had never been written.
    pub fn load(fs: &dyn Fs, path: &Path) -> Saved {
        match Saved::read(fs, path) {
            Ok(saved) => saved,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Saved::default(),
            Err(cause) => {
                let shown = path.display();
                tracing::warn!(
                    "cannot read {shown}: {cause}; what the server has already is sent again, it keeps it once"
                );
                Saved::default()
            }
        }
    }

    fn read(fs: &dyn Fs, path: &Path) -> io::Result<Saved> {
        let content: Content = serde_json::from_slice(&fs::read(fs, path)?)?;
        if content.v > VERSION {
            return Err(io::Error::other(format!("it has version {}, this logship reads {VERSION}", content.v)));
        }
        let logs = content.logs.iter().filter_map(|(id, pos)| Some((id.parse::<LogId>().ok()?, Pos(*pos)))).collect();
        let pins = content.pins.into_iter().filter_map(PinContent::pin).collect();
        Ok(Saved { server: content.server, logs, pins, lost: content.lost })
    }

    /// Replaces the file.
    pub fn store(&self, fs: &dyn Fs, path: &Path) -> io::Result<()> {
        let logs = self.logs.iter().map(|(id, pos)| (id.to_string(), pos.0)).collect();
        let pins = self.pins.iter().map(PinContent::from).collect();
        let content = Content { v: VERSION, server: self.server.clone(), logs, pins, lost: self.lost };
        fs::replace(fs, path, &serde_json::to_vec(&content)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::SimFs;

    #[test]
    fn what_was_stored_is_read_and_what_is_damaged_is_forgotten() {
        let fs = SimFs::new(1);
        let path = Path::new("/progress");
        assert_eq!(Saved::load(&fs, path), Saved::default());
        let logs = [(LogId::from_bits(7), Pos(3)), (LogId::from_bits(9), Pos(u64::MAX))].into();
        let server = "http://a:1".to_owned();
        let span = Span { from: 3, to: 9 };
        let pin = Pin { server: server.clone(), log: LogId::from_bits(7), span, waited: Duration::from_millis(5) };
        let saved =
            Saved { server: Some(server), logs, pins: vec![pin], lost: Untold { oldest: 7, refused: 0, newest: 9 } };
        saved.store(&fs, path).unwrap();
        assert_eq!(Saved::load(&fs, path), saved);
        for damaged in ["", "{", "[]", r#"{"v":2,"logs":{}}"#, "\u{0}\u{0}\u{0}", r#"{"v":1,"logs":{"x":-1}}"#] {
            fs::replace(&fs, path, damaged.as_bytes()).unwrap();
            assert_eq!(Saved::load(&fs, path), Saved::default(), "{damaged}");
        }
        fs::replace(&fs, path, br#"{"v":1,"logs":{"no id":4,"000000000007":3},"more":[]}"#).unwrap();
        assert_eq!(Saved::load(&fs, path).logs, [(LogId::from_bits(7), Pos(3))].into());
    }
}
