//! How what an input reads is cut into records, before a codec makes events of them. One cutter for each stream: a connection,
//! a file, standard input.
//!
//! Promise: a record is at most [`LINE_BYTES_MAX`] long; what is longer is cut there and tagged `_truncated`, its rest dropped.

use crate::event::LINE_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use memchr::{memchr, memmem};
use smallvec::{SmallVec, smallvec};
use std::{
    fmt,
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

/// Bytes asked for at once.
const READ_BYTES: usize = 64 << 10;

/// How a codec wants its records.
#[derive(Clone)]
pub enum Framing {
    /// A line is a record, also in a message of several lines.
    Lines(Arc<[u8]>),
    /// A message is a record; in a stream, where nothing says where one ends, a line is.
    Messages(Arc<[u8]>),
    /// As the codec's own framers cut.
    Own(Arc<dyn Fn() -> Box<dyn Framer> + Send + Sync>),
}

impl Framing {
    /// As the codec's joiners put lines together.
    pub fn by_line<J: Joiner + 'static>(make: impl Fn() -> J + Send + Sync + 'static) -> Framing {
        let lines = || Lines::new(Arc::from(&b"\n"[..]));
        Framing::Own(Arc::new(move || Box::new(ByLine { lines: lines(), joiner: make() })))
    }

    /// Whether its cutters know more of a stream than what they hold back: they cannot begin in the middle of one.
    #[must_use]
    pub fn knows_more(&self) -> bool {
        matches!(self, Framing::Own(make) if make().knows_more())
    }
}

impl fmt::Debug for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Framing::Lines(_) => "Lines",
            Framing::Messages(_) => "Messages",
            Framing::Own(_) => "Own",
        })
    }
}

/// A cutter of one codec, for one stream.
pub trait Framer: Send {
    /// Takes what came next and gives what is whole.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Cut>);

    /// The stream has ended, or nothing came for [`Framer::patience`]: gives what is held.
    fn finish(&mut self, out: &mut Vec<Cut>);

    /// How long what is held may wait for more. `None` where nothing is held, or where it waits for ever.
    fn patience(&self) -> Option<Duration>;

    /// Whether something is held that [`Framer::finish`] would give, or that what comes next needs to be whole.
    fn holds(&self) -> bool;

    /// Whether it knows more of its stream than what it holds back.
    fn knows_more(&self) -> bool {
        false
    }
}

/// What a codec makes of the lines of one stream, where it goes by lines.
pub trait Joiner: Send {
    /// Takes a line and gives what is whole.
    fn line(&mut self, line: Cut, out: &mut Vec<Cut>);

    /// As [`Framer::finish`], of the lines that it took.
    fn finish(&mut self, _: &mut Vec<Cut>) {}

    /// As [`Framer::patience`]. Half a line waits for ever.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// As [`Framer::holds`].
    fn holds(&self) -> bool;

    /// As [`Framer::knows_more`].
    fn knows_more(&self) -> bool {
        false
    }
}

/// Gives a joiner its lines.
struct ByLine<J> {
    lines: Lines,
    joiner: J,
}

impl<J: Joiner> Framer for ByLine<J> {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<Cut>) {
        self.lines.buffer.extend_from_slice(bytes);
        let lines = self.lines.whole().into_iter().flat_map(Piece::into_lines);
        lines.for_each(|line| self.joiner.line(line, out));
    }

    fn finish(&mut self, out: &mut Vec<Cut>) {
        let lines = self.lines.rest().into_iter().flat_map(Piece::into_lines);
        lines.for_each(|line| self.joiner.line(line, out));
        self.joiner.finish(out);
    }

    fn patience(&self) -> Option<Duration> {
        self.joiner.patience()
    }

    fn holds(&self) -> bool {
        !self.lines.buffer.is_empty() || self.joiner.holds()
    }

    fn knows_more(&self) -> bool {
        self.joiner.knows_more()
    }
}

/// What is to be said of a record.
pub type Tags = SmallVec<[ByteString; 1]>;

/// What was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Its bytes, without the line end.
    pub text: Bytes,
    /// What is to be said of it.
    pub tags: Tags,
}

/// What a cutter gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Whole lines with their ends; the last may have none where the stream has ended.
    Lines(Bytes),
    /// Records one by one.
    Records(Vec<Cut>),
}

impl Piece {
    /// Its lines or records, each without its end.
    pub fn into_lines(self) -> impl Iterator<Item = Cut> {
        let (mut rest, cuts) = match self {
            Piece::Lines(lines) => (lines, Vec::new()),
            Piece::Records(cuts) => (Bytes::new(), cuts),
        };
        let next = move || {
            let length = memchr(b'\n', &rest).map_or(rest.len(), |end| end + 1);
            let line = rest.split_to(length);
            let end = line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len);
            let end = line[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
            (length > 0).then(|| Cut { text: line.slice(..end), tags: Tags::new() })
        };
        std::iter::from_fn(next).chain(cuts)
    }
}

/// Cuts one stream.
pub enum Cutter {
    /// At line ends, many lines at a time.
    Lines(Lines),
    /// Otherwise.
    Own(Box<dyn Framer>),
}

impl Cutter {
    /// For a stream.
    #[must_use]
    pub fn new(framing: &Framing) -> Cutter {
        match framing {
            Framing::Lines(delimiter) | Framing::Messages(delimiter) => Cutter::Lines(Lines::new(delimiter.clone())),
            Framing::Own(make) => Cutter::Own(make()),
        }
    }

    /// Reads once. `None`: there is nothing more.
    ///
    /// # Errors
    /// Reading failed.
    pub fn read_from(&mut self, input: &mut impl Read) -> io::Result<Option<Vec<Piece>>> {
        match self {
            Cutter::Lines(lines) => {
                let held = lines.buffer.len();
                lines.buffer.resize(held + READ_BYTES, 0);
                let read = uninterrupted(input, &mut lines.buffer[held..]);
                lines.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
                Ok((read? > 0).then(|| lines.whole()))
            }
            Cutter::Own(framer) => {
                let mut bytes = vec![0; READ_BYTES];
                let count = uninterrupted(input, &mut bytes)?;
                let mut out = Vec::new();
                framer.push(&bytes[..count], &mut out);
                Ok((count > 0).then(|| records(out)))
            }
        }
    }

    /// Takes what came next.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        match self {
            Cutter::Lines(lines) => {
                lines.buffer.extend_from_slice(bytes);
                lines.whole()
            }
            Cutter::Own(framer) => {
                let mut out = Vec::new();
                framer.push(bytes, &mut out);
                records(out)
            }
        }
    }

    /// The stream has ended, or nothing came for [`Cutter::patience`].
    pub fn finish(&mut self) -> Vec<Piece> {
        match self {
            Cutter::Lines(lines) => lines.rest(),
            Cutter::Own(framer) => {
                let mut out = Vec::new();
                framer.finish(&mut out);
                records(out)
            }
        }
    }

    /// Whether something is held back.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Cutter::Lines(lines) => !lines.buffer.is_empty(),
            Cutter::Own(framer) => framer.holds(),
        }
    }

    /// How long what is held may wait for more. Half a line waits for ever.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Cutter::Lines(_) => None,
            Cutter::Own(framer) => framer.patience(),
        }
    }
}

fn uninterrupted(input: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(into) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn records(cuts: Vec<Cut>) -> Vec<Piece> {
    if cuts.is_empty() { Vec::new() } else { vec![Piece::Records(cuts)] }
}

/// Lines by a delimiter.
#[derive(Debug)]
pub struct Lines {
    delimiter: Arc<[u8]>,
    buffer: BytesMut,
    /// In the rest of a line that was too long.
    skipping: bool,
}

impl Lines {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(delimiter: Arc<[u8]>) -> Lines {
        Lines { delimiter, buffer: BytesMut::new(), skipping: false }
    }

    fn whole(&mut self) -> Vec<Piece> {
        let mut out = Vec::with_capacity(1);
        if self.skipping {
            match memmem::find(&self.buffer, &self.delimiter) {
                Some(end) => drop(self.buffer.split_to(end + self.delimiter.len())),
                None => {
                    let kept = self.delimiter.len().saturating_sub(1).min(self.buffer.len());
                    drop(self.buffer.split_to(self.buffer.len() - kept));
                    return out;
                }
            }
            self.skipping = false;
        }
        if let Some(end) = memmem::rfind(&self.buffer, &self.delimiter) {
            let whole = self.buffer.split_to(end + self.delimiter.len()).freeze();
            out.push(self.piece(whole));
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            let text = self.buffer.split_to(LINE_BYTES_MAX).freeze();
            self.buffer.clear();
            self.skipping = true;
            out.push(Piece::Records(vec![Cut { text, tags: smallvec![ByteString::from_static("_truncated")] }]));
        }
        out
    }

    fn piece(&self, whole: Bytes) -> Piece {
        if *self.delimiter == *b"\n" {
            return Piece::Lines(whole);
        }
        let mut from = 0;
        let cut = |to: usize, from: &mut usize| {
            let text = whole.slice(*from..to);
            *from = to + self.delimiter.len();
            Cut { text, ..Cut::default() }
        };
        Piece::Records(memmem::find_iter(&whole, &self.delimiter).map(|end| cut(end, &mut from)).collect())
    }

    fn rest(&mut self) -> Vec<Piece> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if rest.is_empty() || std::mem::take(&mut self.skipping) {
            return Vec::new();
        }
        match *self.delimiter == *b"\n" {
            true => vec![Piece::Lines(rest)],
            false => vec![Piece::Records(vec![Cut { text: rest, ..Cut::default() }])],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(delimiter: &str, pieces: &[&[u8]], expected: &[&str]) {
        let mut cutter = Cutter::new(&Framing::Lines(delimiter.as_bytes().into()));
        let mut seen = Vec::new();
        let mut show = |pieces: Vec<Piece>| {
            for piece in pieces {
                match piece {
                    Piece::Lines(lines) => seen.push(String::from_utf8(lines.to_vec()).unwrap()),
                    Piece::Records(cuts) => seen.extend(cuts.into_iter().map(|cut| match cut.tags.first() {
                        Some(tag) => format!("{} bytes {tag}", cut.text.len()),
                        None => String::from_utf8(cut.text.to_vec()).unwrap(),
                    })),
                }
            }
        };
        for (n, piece) in pieces.iter().enumerate() {
            // Both ways in mean the same.
            match n % 2 {
                0 => show(cutter.push(piece)),
                _ => show(cutter.read_from(&mut &**piece).unwrap().unwrap()),
            }
        }
        assert!(cutter.read_from(&mut io::empty()).unwrap().is_none());
        show(cutter.finish());
        assert_eq!(seen, expected);
    }

    #[test]
    fn lines_are_handed_over_at_once() {
        check("\n", &[b"a\nb", b"c\n", b"d"], &["a\n", "bc\n", "d"]);
        check("\n", &[], &[]);
        check("\r\n", &[b"a\r\nb\r", b"\nc"], &["a", "b", "c"]);
        check("--", &[b"a-", b"-b--", b"-"], &["a", "b", "-"]);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let long = vec![b'x'; READ_BYTES];
        let cut = format!("{LINE_BYTES_MAX} bytes _truncated");
        let mut pieces = vec![&long[..]; LINE_BYTES_MAX / READ_BYTES];
        pieces.extend([&b"y"[..], b"z", b"\nb\n"]);
        check("\n", &pieces, &[&cut, "b\n"]);
        pieces.pop();
        pieces.extend([&b"\r"[..], b"\nb"]);
        check("\r\n", &pieces, &[&cut, "b"]);
    }
}
