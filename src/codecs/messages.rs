//! Messages of a connection: syslog (RFC 6587: counted octets, or lines) and GELF (ended by NUL, or lines).
//!
//! Which framing a connection has is told by its first bytes. A syslog line may end with a newline or NUL. Where a count is
//! announced and none comes, that message is read as a line and the next is asked again.
//!
//! Limits: a message is at most [`LINE_BYTES_MAX`] long: the prefix is kept and marked, the rest is counted and forgotten; so
//! at most that is buffered. Who has no room for it calls [`Messages::cut`] earlier.

use super::gelf::is_object;
use crate::{
    event::LINE_BYTES_MAX,
    flow::{Record, RecordKind},
};
use bytes::{Buf as _, BytesMut};

/// Most digits of a count of octets: anything longer is no count.
pub const COUNT_DIGITS_MAX: usize = 7;

/// What comes over the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Text that begins with a priority in angle brackets, mostly.
    Syslog,
    /// JSON objects.
    Gelf,
}

/// How the messages of a connection end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Undecided,
    /// Each is preceded by its length.
    Counted,
    /// By a newline or NUL.
    Lines,
    /// By NUL; newlines are part of them.
    Nul,
}

/// What of an overlong message is still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    ToEnd,
    Octets(usize),
}

/// What the next bytes are.
enum Next {
    /// A message of this many bytes, behind so many that are none, before so many that are none; cut after the former of
    /// its own.
    Message {
        before: usize,
        length: usize,
        after: usize,
        skip: Skip,
    },
    More,
}

/// The framing of one connection.
#[derive(Debug)]
pub struct Messages {
    protocol: Protocol,
    framing: Framing,
    buffer: BytesMut,
    /// Where the search for the next end goes on.
    scanned: usize,
    skip: Skip,
    dropped_bytes: u64,
}

impl Messages {
    /// For a connection that begins.
    #[must_use]
    pub fn new(protocol: Protocol) -> Messages {
        let (buffer, framing) = (BytesMut::new(), Framing::Undecided);
        Messages { protocol, framing, buffer, scanned: 0, skip: Skip::Nothing, dropped_bytes: 0 }
    }

    /// Bytes of the unfinished message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes cut from overlong messages so far.
    #[must_use]
    pub fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    /// Takes in bytes as they came; appends the messages that they finish.
    ///
    /// ```
    /// use logship::codecs::messages::{Messages, Protocol};
    /// let (mut messages, mut done) = (Messages::new(Protocol::Syslog), Vec::new());
    /// messages.push(b"6 <13>ab8 <13>", &mut done);
    /// messages.push(b"c\nd\n", &mut done);
    /// let texts: Vec<_> = done.iter().map(|record| &record.bytes[..]).collect();
    /// assert_eq!(texts, [&b"<13>ab"[..], b"<13>c\nd"]);
    /// ```
    pub fn push(&mut self, mut chunk: &[u8], done: &mut Vec<Record>) {
        // In pieces, so that no more than a message and a piece is ever buffered.
        while !chunk.is_empty() {
            let (piece, rest) = chunk.split_at(chunk.len().min(LINE_BYTES_MAX));
            chunk = rest;
            self.buffer.extend_from_slice(piece);
            self.take(done);
        }
    }

    /// The connection has ended: what is unfinished is a message, marked where its length says that more was to come.
    pub fn end(&mut self, done: &mut Vec<Record>) {
        let announced = match self.framing {
            Framing::Counted => counted(&self.buffer).filter(|(digits, _)| *digits < self.buffer.len()),
            _ => None,
        };
        let before = announced.map_or(0, |(digits, _)| digits + 1);
        if self.skip == Skip::Nothing && before < self.buffer.len() {
            self.buffer.advance(before);
            self.keep(self.buffer.len(), announced.is_some(), done);
        }
        self.buffer.clear();
    }

    /// Ends the unfinished message here, marked; the rest of it is counted and forgotten.
    pub fn cut(&mut self, done: &mut Vec<Record>) {
        let mut skip = Skip::ToEnd;
        if self.framing == Framing::Counted
            && let Some((digits, length)) = counted(&self.buffer)
            && digits < self.buffer.len()
        {
            self.buffer.advance(digits + 1);
            skip = Skip::Octets(length.saturating_sub(self.buffer.len()));
        }
        self.keep(self.buffer.len(), true, done);
        self.skip = skip;
        self.scanned = 0;
    }

    fn take(&mut self, done: &mut Vec<Record>) {
        while self.skipped() {
            let Next::Message { before, length, after, skip } = self.next() else { return };
            self.buffer.advance(before);
            self.scanned = 0;
            self.keep(length, skip != Skip::Nothing, done);
            self.skip = skip;
            self.buffer.advance(after);
        }
    }

    /// Forgets the rest of an overlong message as far as it has come; whether all of it has.
    fn skipped(&mut self) -> bool {
        let (gone, end, left) = match self.skip {
            Skip::Nothing => return true,
            Skip::Octets(count) => {
                let gone = count.min(self.buffer.len());
                (gone, 0, if gone < count { Skip::Octets(count - gone) } else { Skip::Nothing })
            }
            Skip::ToEnd => match self.find_end(0) {
                Some(at) => (at, 1, Skip::Nothing),
                None => (self.buffer.len(), 0, Skip::ToEnd),
            },
        };
        self.dropped_bytes += gone as u64;
        self.buffer.advance(gone + end);
        self.skip = left;
        self.skip == Skip::Nothing
    }

    fn next(&mut self) -> Next {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0 | b' ')).count();
        if self.scanned == 0 {
            self.buffer.advance(blank);
        }
        if self.buffer.is_empty() {
            return Next::More;
        }
        if self.framing == Framing::Undecided && self.protocol == Protocol::Syslog {
            match begins_with_count(&self.buffer) {
                Some(true) => self.framing = Framing::Counted,
                Some(false) => self.framing = Framing::Lines,
                None => return Next::More,
            }
        }
        if self.framing == Framing::Counted && self.scanned == 0 {
            match counted(&self.buffer) {
                Some((digits, _)) if digits == self.buffer.len() => return Next::More,
                Some((digits, length)) => return self.counted_message(digits + 1, length),
                None => {}
            }
        }
        self.line()
    }

    fn counted_message(&self, before: usize, length: usize) -> Next {
        let kept = length.min(LINE_BYTES_MAX);
        if self.buffer.len() - before < kept {
            return Next::More;
        }
        let skip = if kept < length { Skip::Octets(length - kept) } else { Skip::Nothing };
        Next::Message { before, length: kept, after: 0, skip }
    }

    fn line(&mut self) -> Next {
        match self.find_end(self.scanned) {
            Some(at) if at > LINE_BYTES_MAX => self.overlong(),
            Some(at) => Next::Message { before: 0, length: at, after: 1, skip: Skip::Nothing },
            None if self.buffer.len() > LINE_BYTES_MAX => self.overlong(),
            None => {
                self.scanned = self.buffer.len();
                Next::More
            }
        }
    }

    fn overlong(&self) -> Next {
        Next::Message { before: 0, length: LINE_BYTES_MAX, after: 0, skip: Skip::ToEnd }
    }

    fn find_end(&mut self, from: usize) -> Option<usize> {
        let rest = self.buffer.get(from..)?;
        let found = match self.framing {
            Framing::Nul => memchr::memchr(0, rest),
            _ => memchr::memchr2(b'\n', 0, rest),
        };
        let at = from + found?;
        if self.framing == Framing::Undecided {
            // An object that is written over several lines does not end with the first.
            let whole = self.buffer[at] == b'\n' && self.buffer[..at].trim_ascii_end().last() == Some(&b'}');
            self.framing = if whole { Framing::Lines } else { Framing::Nul };
            if !whole {
                return self.find_end(at);
            }
        }
        Some(at)
    }

    fn keep(&mut self, length: usize, truncated: bool, done: &mut Vec<Record>) {
        let mut bytes = self.buffer.split_to(length).freeze();
        let ends = bytes.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
        bytes.truncate(bytes.len() - ends);
        if !bytes.is_empty() {
            let json = self.protocol == Protocol::Gelf && !truncated && is_object(&bytes);
            done.push(Record { bytes, kind: RecordKind { json, truncated } });
        }
    }
}

/// How many digits there are, behind which a space may still be to come, and the count.
fn counted(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take(COUNT_DIGITS_MAX + 1).take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > COUNT_DIGITS_MAX || bytes[0] == b'0' || bytes.get(digits).is_some_and(|b| *b != b' ') {
        return None;
    }
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok().map(|count| (digits, count))
}

/// Whether a connection begins with a count, a space and a priority; `None` while that is open.
fn begins_with_count(bytes: &[u8]) -> Option<bool> {
    let Some((digits, _)) = counted(bytes) else { return Some(false) };
    Some(*bytes.get(digits + 1)? == b'<')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(protocol: Protocol, input: &[u8], step: usize) -> (Vec<(String, bool)>, u64) {
        let (mut messages, mut done) = (Messages::new(protocol), Vec::new());
        for chunk in input.chunks(step) {
            messages.push(chunk, &mut done);
            assert!(messages.buffered() <= LINE_BYTES_MAX + COUNT_DIGITS_MAX + 1);
        }
        messages.end(&mut done);
        let text = |record: &Record| String::from_utf8_lossy(&record.bytes).into_owned();
        (done.iter().map(|record| (text(record), record.kind.truncated)).collect(), messages.dropped_bytes())
    }

    fn check(protocol: Protocol, input: &str, expected: &[(&str, bool)]) {
        for step in [1, 2, 3, 7, usize::MAX] {
            let (found, _) = run(protocol, input.as_bytes(), step);
            let found: Vec<_> = found.iter().map(|(text, cut)| (text.as_str(), *cut)).collect();
            assert_eq!(found, expected, "{input:?} in steps of {step}");
        }
    }

    #[test]
    fn syslog_is_framed_as_it_begins() {
        let check = |input, expected: &[(&str, bool)]| check(Protocol::Syslog, input, expected);
        check("<1>a\n<1>b\r\n\n<1>c", &[("<1>a", false), ("<1>b", false), ("<1>c", false)]);
        check("<1>a\0<1>b\n\0<1>c\0", &[("<1>a", false), ("<1>b", false), ("<1>c", false)]);
        check("4 <1>a6 <1>b\nc5 <1>d\n", &[("<1>a", false), ("<1>b\nc", false), ("<1>d", false)]);
        // Newlines between counted messages, and inside.
        check("4 <1>a\n4 <1>b\n", &[("<1>a", false), ("<1>b", false)]);
        check("9 <1>a", &[("<1>a", true)]);
        check("4 <1>a9", &[("<1>a", false), ("9", false)]);
        check("4 <1>a9 ", &[("<1>a", false)]);
        // A count that is none costs nothing.
        check("4 <1>a<1>b\n4 <1>c", &[("<1>a", false), ("<1>b", false), ("<1>c", false)]);
        check("2026 was a year\n12 <1>b\n", &[("2026 was a year", false), ("12 <1>b", false)]);
        check("123456789 <1>a\nb", &[("123456789 <1>a", false), ("b", false)]);
        check("12", &[("12", false)]);
        check("", &[]);
        check("\n\0\r\n", &[]);
    }

    #[test]
    fn gelf_ends_with_nul_or_lines() {
        let check = |input, expected: &[(&str, bool)]| check(Protocol::Gelf, input, expected);
        check("{\"a\":1}\0{\"b\":2}\0", &[("{\"a\":1}", false), ("{\"b\":2}", false)]);
        check("{\"a\":1}\n{\"b\":2}\n", &[("{\"a\":1}", false), ("{\"b\":2}", false)]);
        check("{\n\"a\":1\n}\0{\n}\0", &[("{\n\"a\":1\n}", false), ("{\n}", false)]);
        check("{\"a\":1}\n\0{\"b\":2}", &[("{\"a\":1}", false), ("{\"b\":2}", false)]);
    }

    #[test]
    fn overlong_messages_are_cut_and_counted() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        let total = 4 + LINE_BYTES_MAX + 10;
        for (protocol, input) in [
            (Protocol::Syslog, format!("<1>a\n<1>{long}y\n<1>b\n")),
            (Protocol::Syslog, format!("4 <1>a{total} <1>{long}y4 <1>b")),
            (Protocol::Gelf, format!("<1>a\0<1>{long}y\0<1>b\0")),
        ] {
            for step in [1_000, 1 << 20, usize::MAX] {
                let (found, dropped) = run(protocol, input.as_bytes(), step);
                let sizes: Vec<_> = found.iter().map(|(text, cut)| (text.len(), *cut)).collect();
                assert_eq!(sizes, [(4, false), (LINE_BYTES_MAX, true), (4, false)], "{protocol:?} {step}");
                assert_eq!(dropped, 14, "{protocol:?} {step}");
            }
        }
    }

    #[test]
    fn without_room_a_message_is_cut_earlier() {
        for (first, second, dropped) in [("<1>abc", "def\n<1>b\n", 3), ("9 <1>abc", "def4 <1>b", 3)] {
            let (mut messages, mut done) = (Messages::new(Protocol::Syslog), Vec::new());
            messages.push(first.as_bytes(), &mut done);
            messages.cut(&mut done);
            assert_eq!(messages.buffered(), 0);
            messages.push(second.as_bytes(), &mut done);
            let found: Vec<_> = done.iter().map(|record| (&record.bytes[..], record.kind.truncated)).collect();
            assert_eq!(found, [(&b"<1>abc"[..], true), (b"<1>b", false)]);
            assert_eq!(messages.dropped_bytes(), dropped);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_the_same_messages(
            input in proptest::collection::vec(prop_oneof![Just(b'<'), Just(b'1'), Just(b'4'), Just(b' '), Just(b'\n'), Just(0), Just(b'}'), any::<u8>()], 0..60),
            step in 1..9_usize,
        ) {
            for protocol in [Protocol::Syslog, Protocol::Gelf] {
                prop_assert_eq!(run(protocol, &input, step), run(protocol, &input, usize::MAX));
            }
        }
    }
}
