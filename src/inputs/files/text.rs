//! The lines of a content, by their places in it, also where its text is not UTF-8.
//!
//! What stands at the beginning of a content decides how its text is read: a byte order mark beats what was configured. All
//! places here are bytes of the content, before it is made UTF-8.

use super::transcode::{ByteOrderMark, Encoding, Transcoder};
use crate::{codecs::lines::Lines, flow::Record};

/// A byte order mark has at most so many bytes.
pub const HEAD_BYTES: usize = 3;

/// The framing of one content.
#[derive(Debug)]
pub struct Text {
    lines: Lines,
    form: Form,
    /// How far records were taken.
    done: u64,
    /// There are as many line ends as can be remembered.
    is_stalled: bool,
    dropped_seen: u64,
}

#[derive(Debug)]
enum Form {
    Undecided(Encoding),
    /// The bytes are the text.
    Utf8,
    Other(Box<Transcoder>),
}

impl Text {
    /// The text of a content from a place on, where a line begins; `head` is what the content begins with, if something of
    /// it was read before.
    pub fn new(wanted: Encoding, from: u64, head: &[u8]) -> Text {
        let lines = Lines::starting_at(from);
        let mut text =
            Text { lines, form: Form::Undecided(wanted), done: from, is_stalled: false, dropped_seen: 0 };
        if from > 0 {
            text.decide(wanted, from, head, true);
        }
        text
    }

    /// Whether it is known how the text is to be read.
    fn decide(&mut self, wanted: Encoding, from: u64, head: &[u8], is_all: bool) -> bool {
        let (encoding, begin) = match ByteOrderMark::find(head) {
            ByteOrderMark::Undecided if !is_all => return false,
            ByteOrderMark::Of(encoding, length) => (encoding, length.max(from)),
            ByteOrderMark::None | ByteOrderMark::Undecided => (wanted, from),
        };
        if encoding.is_utf8() {
            (self.form, self.lines) = (Form::Utf8, Lines::starting_at(begin));
        } else {
            (self.form, self.lines) = (Form::Other(Box::new(Transcoder::new(encoding, begin))), Lines::starting_at(0));
        }
        true
    }

    /// Takes the bytes at `place`, which follow those before; answers how many it took: none where more are needed, or where
    /// records must be taken first. With `is_all` no more will come soon.
    pub fn push(&mut self, place: u64, bytes: &[u8], is_all: bool) -> usize {
        let mut mark = 0;
        if let Form::Undecided(wanted) = self.form {
            if !self.decide(wanted, 0, bytes, is_all) {
                return 0;
            }
            mark = match ByteOrderMark::find(bytes) {
                ByteOrderMark::Of(_, length) => length as usize,
                ByteOrderMark::None | ByteOrderMark::Undecided => 0,
            };
            debug_assert_eq!(place, 0);
        }
        let Form::Other(transcoder) = &mut self.form else {
            self.lines.push(&bytes[mark..]);
            return bytes.len();
        };
        let mut text = Vec::new();
        let taken = mark + transcoder.push(&bytes[mark..], &mut text);
        self.lines.push(&text);
        self.is_stalled = taken < bytes.len();
        if self.lines.ready_records() == 0 && !self.lines.unsettled() {
            // Blank lines make no records.
            let (_, reach) = self.lines.take_up_to(1, 1);
            transcoder.confirm(reach);
        }
        taken
    }

    /// Whether its first bytes are waited for.
    pub fn is_undecided(&self) -> bool {
        matches!(self.form, Form::Undecided(_))
    }

    /// Whether records must be taken before more bytes.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// As [`Lines::take_up_to`], with the place in the content.
    pub fn take_up_to(&mut self, records_max: usize, bytes_max: usize) -> (Vec<Record>, u64) {
        let (records, reach) = self.lines.take_up_to(records_max, bytes_max);
        self.is_stalled = false;
        match &mut self.form {
            Form::Undecided(_) => {}
            Form::Utf8 => self.done = reach,
            Form::Other(transcoder) => {
                // A place that is not known any more would be read again.
                self.done = transcoder.source_of(reach).unwrap_or(self.done);
                transcoder.confirm(reach);
            }
        }
        (records, self.done)
    }

    /// Nothing has come for long: an unfinished line is taken for a whole one.
    pub fn end_line(&mut self) {
        if let Form::Other(transcoder) = &mut self.form {
            let mut text = Vec::new();
            transcoder.finish(&mut text);
            self.lines.push(&text);
        }
        self.lines.finish();
    }

    /// The lines, for what places do not matter to.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// Bytes of the finished records, and how many these are.
    pub fn ready(&self) -> (usize, usize) {
        (self.lines.ready_bytes(), self.lines.ready_records())
    }

    /// Bytes that it holds in memory, roughly.
    pub fn buffered(&self) -> usize {
        self.lines.buffered()
    }

    /// Whether a record waits for lines that may still join it.
    pub fn unsettled(&self) -> bool {
        self.lines.unsettled()
    }

    /// Bytes cut from overlong lines since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        let (_, dropped) = self.lines.counts();
        dropped - std::mem::replace(&mut self.dropped_seen, dropped)
    }
}
