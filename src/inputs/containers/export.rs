//! The journal's export format as it comes: entries, each as the JSON object that `journalctl -o json` would write.
//!
//! Source: systemd's documentation of the journal export format. A field is `NAME=value` and a line end; or, where the
//! value is no text or has line ends, `NAME` and a line end, its length as eight bytes, small end first, the value, and
//! a line end. A blank line ends the entry. A name that comes again makes a list. What is no UTF-8 in a value is
//! replaced.
//!
//! Limits: [`VALUE_BYTES_MAX`] of a value and [`ENTRY_BYTES_MAX`] of an entry: what is longer is cut, and the entry
//! marked.

use crate::event::LINE_BYTES_MAX;
use std::borrow::Cow;

/// Longest value.
pub const VALUE_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Longest entry, in bytes of its names and values. Where each byte needs an escape of six it still fits a frame.
pub const ENTRY_BYTES_MAX: usize = 1_280 << 10;
/// Longest name of a field.
const NAME_BYTES_MAX: usize = 256;

/// An entry of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    fields: Vec<(String, Vec<u8>)>,
    bytes: usize,
    /// Something was too long.
    pub truncated: bool,
}

impl Entry {
    /// The first value of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.fields.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| String::from_utf8_lossy(value))
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let mut object = serde_json::Map::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            let value = serde_json::Value::String(String::from_utf8_lossy(value).into_owned());
            match object.get_mut(name) {
                None => {
                    object.insert(name.clone(), value);
                }
                Some(serde_json::Value::Array(values)) => values.push(value),
                Some(first) => *first = serde_json::Value::Array(vec![first.take(), value]),
            }
        }
        serde_json::to_vec(&object).unwrap_or_default()
    }

    fn add(&mut self, name: &[u8], value: &[u8], cut: bool) {
        self.bytes += name.len() + value.len();
        self.truncated |= cut || self.bytes > ENTRY_BYTES_MAX;
        if self.bytes <= ENTRY_BYTES_MAX {
            self.fields.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        }
    }
}

/// Where the reading is.
#[derive(Debug, Default)]
enum State {
    /// In a line: `NAME=value`, `NAME`, or blank.
    #[default]
    Line,
    /// In the length of a value.
    Length,
    /// In a value, of which so many bytes have not come yet.
    Value(u64),
    /// Before the line end behind a value.
    Closing,
}

/// Takes the export apart.
#[derive(Debug, Default)]
pub struct Export {
    state: State,
    /// What of the line, the length or the value has come; at most what is kept of it.
    part: Vec<u8>,
    cut: bool,
    name: Vec<u8>,
    entry: Entry,
    cut_bytes: u64,
}

impl Export {
    /// Takes in bytes as they came; `take` sees each entry once it is complete.
    pub fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Entry)) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Line => self.line(bytes, take),
                State::Length => self.length(bytes),
                State::Value(left) => self.value(bytes, left),
                State::Closing => {
                    let cut = std::mem::take(&mut self.cut);
                    self.entry.add(&self.name, &self.part, cut);
                    self.part.clear();
                    self.state = State::Line;
                    &bytes[1..]
                }
            };
        }
    }

    /// Bytes cut from what was too long.
    #[must_use]
    pub fn cut_bytes(&self) -> u64 {
        self.cut_bytes
    }

    fn line<'b>(&mut self, bytes: &'b [u8], take: &mut impl FnMut(Entry)) -> &'b [u8] {
        let end = memchr::memchr(b'\n', bytes);
        self.keep(&bytes[..end.unwrap_or(bytes.len())], NAME_BYTES_MAX + VALUE_BYTES_MAX);
        let Some(end) = end else { return &[] };
        let cut = std::mem::take(&mut self.cut);
        match memchr::memchr(b'=', &self.part) {
            Some(name) => self.entry.add(&self.part[..name], &self.part[name + 1..], cut),
            None if self.part.is_empty() => {
                let entry = std::mem::take(&mut self.entry);
                if !entry.fields.is_empty() {
                    take(entry);
                }
            }
            None => {
                self.name = std::mem::take(&mut self.part);
                self.state = State::Length;
            }
        }
        self.part.clear();
        &bytes[end + 1..]
    }

    fn length<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (more, rest) = bytes.split_at(bytes.len().min(8 - self.part.len()));
        self.part.extend_from_slice(more);
        if let Ok(length) = <[u8; 8]>::try_from(self.part.as_slice()) {
            self.part.clear();
            self.state = value_of(u64::from_le_bytes(length));
        }
        rest
    }

    fn value<'b>(&mut self, bytes: &'b [u8], left: u64) -> &'b [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (more, rest) = bytes.split_at(here);
        self.keep(more, VALUE_BYTES_MAX);
        self.state = value_of(left - here as u64);
        rest
    }

    fn keep(&mut self, more: &[u8], max: usize) {
        let kept = more.len().min(max.saturating_sub(self.part.len()));
        self.part.extend_from_slice(&more[..kept]);
        self.cut |= kept < more.len();
        self.cut_bytes += (more.len() - kept) as u64;
    }
}

fn value_of(left: u64) -> State {
    if left == 0 { State::Closing } else { State::Value(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logship_parsers::line::{Context, detect::Detector, detect::FormatId};

    const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers/journal.export");

    fn entries(bytes: &[u8], at_once: usize) -> Vec<String> {
        let (mut export, mut found) = (Export::default(), Vec::new());
        for chunk in bytes.chunks(at_once) {
            export.push(chunk, &mut |entry| found.push(String::from_utf8(entry.json()).unwrap()));
        }
        found
    }

    #[test]
    fn entries_are_what_the_golden_file_says() {
        let bytes = std::fs::read(EXPORT).unwrap();
        let found = entries(&bytes, bytes.len());
        for at_once in [1, 3, 17, 4_096] {
            assert_eq!(entries(&bytes, at_once), found, "{at_once}");
        }
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers/journal.expected");
        expect_test::expect_file![golden].assert_eq(&(found.join("\n") + "\n"));
    }

    #[test]
    fn the_events_are_those_of_the_export_format() {
        let text = "__CURSOR=s=0a;i=2a\n__REALTIME_TIMESTAMP=1767323045678901\nPRIORITY=3\n_PID=71\n_HOSTNAME=web-1\n\
                    SYSLOG_IDENTIFIER=worker\n_SYSTEMD_UNIT=worker.service\nMESSAGE=it failed\n";
        let json = entries(format!("{text}\n").as_bytes(), 1_000).remove(0);
        let context = Context::default();
        let read = |format: &str, text: &str| {
            let parsed = Detector::parse_as(FormatId::by_name(format).unwrap(), text, &context).1;
            let mut fields: Vec<String> = parsed.items.iter().map(|field| format!("{field:?}")).collect();
            fields.sort_unstable();
            (parsed.time, fields)
        };
        assert_eq!(read("json", &json), read("journald", text.trim_end()));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = "v".repeat(VALUE_BYTES_MAX + NAME_BYTES_MAX + 10);
        let mut bytes = format!("A={long}\nB\n").into_bytes();
        bytes.extend_from_slice(&(long.len() as u64).to_le_bytes());
        bytes.extend_from_slice(format!("{long}\nC=kept\n\nD=next\n\n").as_bytes());
        let (mut export, mut found) = (Export::default(), Vec::new());
        export.push(&bytes, &mut |entry| found.push(entry));
        assert_eq!((found.len(), found[0].truncated, found[1].truncated), (2, true, false));
        assert!(found[0].get("A").unwrap().len() <= VALUE_BYTES_MAX + NAME_BYTES_MAX);
        assert!(export.cut_bytes() > 0 && found[0].json().len() <= ENTRY_BYTES_MAX + 100);
        assert_eq!(found[1].json(), br#"{"D":"next"}"#);
    }
}
