//! The lines of a content, by their places in it, also where its text is not UTF-8.
//!
//! What stands at the beginning of a content decides how its text is read: a byte order mark beats what was configured. All
//! places here are bytes of the content, before it is made UTF-8.

use super::transcode::{ByteOrderMark, Encoding, Transcoder};
use crate::{
    codecs::{first_line::FirstLine, lines::Lines},
    flow::Record,
};

/// A byte order mark has at most so many bytes.
pub const HEAD_BYTES: u64 = 3;

/// The framing of one content.
#[derive(Debug)]
pub struct Text {
    lines: Lines,
    alone: Option<u8>,
    first_line: Option<FirstLine>,
    form: Form,
    /// How far records were taken.
    done: u64,
    /// There are as many line ends as can be remembered.
    is_stalled: bool,
    dropped_seen: u64,
}

#[derive(Debug)]
enum Form {
    /// Nothing was read yet; this is what it has without a byte order mark.
    Undecided(Encoding),
    /// The bytes are the text.
    Utf8,
    Other(Box<Transcoder>),
}

impl Text {
    /// The text of a content from a place on, where a line begins; `head` is what lies at its beginning and before this place.
    /// Its lines join, unless they are to stay `alone` and end with that byte.
    pub fn new(wanted: Encoding, alone: Option<u8>, from: u64, head: &[u8]) -> Text {
        let form = Form::Undecided(wanted);
        let lines = Lines::starting_at(from).alone(alone);
        let first_line = None;
        let mut text = Text { lines, alone, first_line, form, done: from, is_stalled: false, dropped_seen: 0 };
        match ByteOrderMark::find(head) {
            _ if from == 0 => {}
            ByteOrderMark::Of(encoding, _) => text.begin(encoding, from),
            ByteOrderMark::None | ByteOrderMark::Undecided => text.begin(wanted, from),
        }
        text
    }

    fn begin(&mut self, encoding: Encoding, from: u64) {
        if encoding.is_utf8() {
            (self.form, self.lines) = (Form::Utf8, Lines::starting_at(from).alone(self.alone));
        } else {
            let lines = Lines::starting_at(0).alone(self.alone);
            (self.form, self.lines) = (Form::Other(Box::new(Transcoder::new(encoding, from))), lines);
        }
        self.lines.begin_records_by(self.first_line.as_ref());
    }

    /// From the next line on, this tells where records begin; without it that is recognised.
    pub fn begin_records_by(&mut self, first: Option<FirstLine>) {
        self.first_line = first;
        self.lines.begin_records_by(self.first_line.as_ref());
    }

    /// Takes bytes, which follow those before; answers how many it took: none where more are needed to tell what they are,
    /// fewer where records must be taken first.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let mut mark = 0;
        if let Form::Undecided(wanted) = self.form {
            match ByteOrderMark::find(bytes) {
                ByteOrderMark::Undecided => return 0,
                ByteOrderMark::None => self.begin(wanted, 0),
                ByteOrderMark::Of(encoding, length) => {
                    self.begin(encoding, length);
                    mark = length as usize;
                }
            }
        }
        let Form::Other(transcoder) = &mut self.form else {
            self.lines.push(&bytes[mark..]);
            return bytes.len();
        };
        let mut text = Vec::new();
        let taken = mark + transcoder.push(&bytes[mark..], &mut text);
        self.lines.push(&text);
        self.is_stalled = taken < bytes.len();
        if self.is_stalled && self.lines.ready_records() == 0 {
            // Blank lines make no records.
            self.take_up_to(1, 1);
        }
        taken
    }

    /// Whether its first bytes do not say yet what they are.
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

    /// Nothing has come for long: an unfinished line is taken for a whole one. In the middle of a character it is waited for,
    /// unless this is the end.
    pub fn end_line(&mut self, is_all: bool) {
        if let Form::Other(transcoder) = &mut self.form {
            if !is_all && !transcoder.is_between_characters() {
                return;
            }
            let mut text = Vec::new();
            transcoder.finish(&mut text);
            self.lines.push(&text);
        }
        self.lines.finish();
    }

    /// Whether a line has begun and not ended.
    pub fn has_partial(&self) -> bool {
        let between = |transcoder: &Transcoder| transcoder.is_between_characters();
        self.lines.has_partial() || matches!(&self.form, Form::Other(transcoder) if !between(transcoder))
    }

    /// The lines, for what places do not matter to.
    pub fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// How many records are finished.
    pub fn ready_records(&self) -> usize {
        self.lines.ready_records()
    }

    /// Their bytes.
    pub fn ready_bytes(&self) -> usize {
        self.lines.ready_bytes()
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
