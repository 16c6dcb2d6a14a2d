//! The file that remembers how far each log was shipped, and to which server.
//!
//! It only spares sending again what the server has: exactly-once does not depend on it, because the server knows each log's
//! positions, and what was trimmed was shipped. So it is written at most once a second, and a file that is missing, old or
//! damaged costs no more than a second sending. With several servers it also says where to go on, so that what was on its
//! way when the agent was killed goes to the server that may have it.

use crate::{
    flow::{LogId, Pos, Progress},
    fs::{self, Fs},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

const VERSION: u32 = 1;

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The server that was sent to last.
    pub server: Option<String>,
    /// Up to where it has each log.
    pub logs: Progress,
}

#[derive(Serialize, Deserialize)]
struct Content {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(default)]
    logs: BTreeMap<String, u64>,
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
        Ok(Saved { server: content.server, logs })
    }

    /// Replaces the file.
    pub fn store(&self, fs: &dyn Fs, path: &Path) -> io::Result<()> {
        let logs = self.logs.iter().map(|(id, pos)| (id.to_string(), pos.0)).collect();
        let content = Content { v: VERSION, server: self.server.clone(), logs };
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
        let saved = Saved { server: Some("http://a:1".to_owned()), logs };
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
