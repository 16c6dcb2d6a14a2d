//! What sees the bytes of a pipe first: the terminal or the next program.
//!
//! A stdout that goes away stops the printing, not the storing. Lines for people are parsed here once more, before they
//! are joined and stored, so that each shows up at once and also when nothing can be stored.

use super::terminal::Look;
use crate::{
    clock,
    event::{Event, LINE_BYTES_MAX, Timestamp},
};
use bytestring::ByteString;
use logship_parsers::{
    join::{Decision, Joiner},
    line::{Context, detect::Detector},
};
use std::io::Write;

/// Takes the bytes of a pipe. Failing is its own affair: storing goes on.
pub trait Tee: Send {
    /// Takes bytes as they came.
    fn pass(&mut self, chunk: &[u8]);
    /// The input has ended.
    fn end(&mut self) {}
}

/// Passes bytes on as they come.
#[derive(Debug)]
pub struct RawTee<W> {
    out: Option<W>,
}

impl<W: Write> RawTee<W> {
    /// Writes to `out` until that fails.
    #[must_use]
    pub fn new(out: W) -> RawTee<W> {
        RawTee { out: Some(out) }
    }
}

impl<W: Write + Send> Tee for RawTee<W> {
    fn pass(&mut self, chunk: &[u8]) {
        if let Some(out) = &mut self.out
            && out.write_all(chunk).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
    }
}

/// Shows nothing.
#[derive(Debug)]
pub struct NoTee;

impl Tee for NoTee {
    fn pass(&mut self, _: &[u8]) {}
}

/// One aligned line for each line that comes.
#[derive(Debug)]
pub struct PrettyTee<W> {
    out: Option<W>,
    look: Look,
    partial: Vec<u8>,
    skipping: bool,
    joiner: Joiner,
    detector: Detector,
    text: String,
}

impl<W: Write> PrettyTee<W> {
    /// Writes to `out` until that fails.
    #[must_use]
    pub fn new(out: W, look: Look) -> PrettyTee<W> {
        PrettyTee {
            out: Some(out),
            look,
            partial: Vec::new(),
            skipping: false,
            joiner: Joiner::default(),
            detector: Detector::default(),
            text: String::new(),
        }
    }

    fn line(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let decision = self.joiner.push(&line);
        let shown = ByteString::from(String::from_utf8_lossy(&line).into_owned());
        if matches!(decision, Decision::Continues) {
            self.look.continuation(&mut self.text, &shown);
        } else if !shown.is_empty() {
            let received = clock::now();
            let offset = jiff::Timestamp::from_nanosecond(i128::from(received.as_nanos()))
                .map_or(0, |now| self.look.zone.to_offset(now).seconds());
            let context = Context { received: received.as_nanos(), utc_offset_s: offset };
            let (format, fields) = Detector::parse(self.detector.hint(), &shown, &context);
            self.detector.observe(format);
            let mut event = Event::new(fields.time.map_or(received, Timestamp::from_nanos));
            event.absorb(&shown, fields);
            self.look.event(&mut self.text, &event);
        }
        line.clear();
        self.partial = line;
    }

    fn flush(&mut self) {
        if let Some(out) = &mut self.out
            && out.write_all(self.text.as_bytes()).and_then(|()| out.flush()).is_err()
        {
            self.out = None;
        }
        self.text.clear();
    }
}

impl<W: Write + Send> Tee for PrettyTee<W> {
    fn pass(&mut self, chunk: &[u8]) {
        if self.out.is_none() {
            return;
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (body, ended) = match piece.split_last() {
                Some((b'\n', body)) => (body, true),
                _ => (piece, false),
            };
            if !self.skipping {
                let room = LINE_BYTES_MAX - self.partial.len().min(LINE_BYTES_MAX);
                self.partial.extend_from_slice(&body[..body.len().min(room)]);
            }
            if ended && !self.skipping {
                self.line();
            } else if !ended && self.partial.len() >= LINE_BYTES_MAX && !self.skipping {
                self.line();
                self.skipping = true;
            }
            self.skipping &= !ended;
        }
        self.flush();
    }

    fn end(&mut self) {
        if !self.partial.is_empty() {
            self.line();
        }
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(chunks: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut tee = PrettyTee::new(&mut out, Look { color: false, zone: jiff::tz::TimeZone::UTC, date: false });
        chunks.iter().for_each(|chunk| tee.pass(chunk));
        tee.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_is_shown_once_however_it_is_cut() {
        let whole = b"2026-01-02T03:04:05Z ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\nlast";
        let expected = shown(&[whole]);
        assert!(expected.contains("\n    \tat a.b(C.java:1)\n") && expected.ends_with("last\n"), "{expected}");
        let (first, second) = whole.split_at(31);
        let lines =
            |text: &str| text.lines().filter(|line| !line.ends_with("last")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&shown(&[first, second])), lines(&expected));
    }

    #[test]
    fn a_closed_stdout_is_no_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut tee = RawTee::new(Closed);
        tee.pass(b"a");
        tee.pass(b"b");
        assert!(tee.out.is_none());
    }
}
