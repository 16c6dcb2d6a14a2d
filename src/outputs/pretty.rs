//! Lines for people: parsed here once more, before they are joined and stored, so that each shows up at once and also when
//! nothing can be stored.

use super::{screen::Show, terminal::Look};
use crate::{
    clock,
    codecs::{lines::Gap, mix::MIXED_STREAMS_MAX},
    event::{Event, LINE_BYTES_MAX, Timestamp},
    plan::{Plan, Reader},
};
use bytestring::ByteString;
use jiff::tz::TimeZone;
use logship_parsers::{
    envelope,
    join::{Decision, Joiner},
    line::detect::Detector,
};
use std::{collections::HashMap, io::Write};

/// One aligned line for each line that comes.
#[derive(Debug)]
pub struct PrettyLines<W> {
    out: W,
    look: Look,
    plan: Plan,
    /// Of stamps that name none.
    zone: TimeZone,
    partial: Vec<u8>,
    skipping: bool,
    joiner: Joiner,
    /// Those of the streams that are mixed in this one.
    mixed: HashMap<Box<[u8]>, Joiner>,
    detector: Detector,
    text: String,
}

impl<W: Write> PrettyLines<W> {
    /// Writes to `out`; stamps that name no zone are of that one.
    #[must_use]
    pub fn new(out: W, look: Look, plan: Plan, zone: TimeZone) -> PrettyLines<W> {
        PrettyLines {
            out,
            look,
            plan,
            zone,
            partial: Vec::new(),
            skipping: false,
            joiner: Joiner::default(),
            mixed: HashMap::new(),
            detector: Detector::default(),
            text: String::new(),
        }
    }

    fn line(&mut self) {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let decision = self.decide(&line);
        let shown = ByteString::from(String::from_utf8_lossy(&line).into_owned());
        if matches!(decision, Decision::Continues) {
            self.look.continuation(&mut self.text, &shown);
        } else if !shown.is_empty() {
            let received = clock::now();
            let format = self.plan.format(self.detector.hint());
            let read = Reader::new(self.zone.clone(), received);
            let found = read.read(&shown, |text, context| format.parse(text, context));
            self.detector.observe(found.format);
            let mut event = Event::new(found.fields.time.map_or(received, Timestamp::from_nanos));
            event.absorb(&shown, found.fields);
            self.look.event(&mut self.text, &event);
        }
        line.clear();
        self.partial = line;
    }

    /// What the line is to the one before it of its stream.
    fn decide(&mut self, line: &[u8]) -> Decision {
        let Some(opened) = envelope::open(line) else { return self.joiner.push(line) };
        if self.mixed.len() >= MIXED_STREAMS_MAX {
            self.mixed.clear();
        }
        self.mixed.entry(opened.stream.into()).or_default().push(&opened.written(line))
    }

    /// A line whose end never comes.
    fn break_off(&mut self) {
        if !self.partial.is_empty() {
            self.line();
        }
    }

    fn flush(&mut self) -> bool {
        let written = self.out.write_all(self.text.as_bytes()).and_then(|()| self.out.flush());
        self.text.clear();
        written.is_ok()
    }
}

impl<W: Write + Send> Show for PrettyLines<W> {
    fn show(&mut self, chunk: &[u8]) -> bool {
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
        self.flush()
    }

    fn gap(&mut self, gap: Gap) {
        self.break_off();
        self.joiner.reset();
        self.mixed.clear();
        self.skipping &= gap.line_ends() == 0;
    }

    fn settle(&mut self) -> bool {
        true
    }

    fn end(&mut self) -> bool {
        self.break_off();
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'o>(out: &'o mut Vec<u8>, plan: Plan, zone: &str) -> PrettyLines<&'o mut Vec<u8>> {
        let look = Look { color: false, zone: TimeZone::UTC, date: true };
        PrettyLines::new(out, look, plan, crate::plan::zone(zone).unwrap())
    }

    fn shown(chunks: &[&[u8]]) -> String {
        let mut out = Vec::new();
        let mut lines = lines(&mut out, Plan::auto(), "UTC");
        assert!(chunks.iter().all(|chunk| lines.show(chunk)) && lines.end());
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
    fn lines_of_mixed_streams_continue_their_own() {
        let text = shown(&[b"web-1  | Error: y\ndb-1  | 2026-01-02T03:04:05Z INFO ready\nweb-1  |     at a\n"]);
        assert!(text.contains("\n    web-1  |     at a\n"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn nothing_is_glued_over_a_gap() {
        let mut out = Vec::new();
        let mut lines = lines(&mut out, Plan::auto(), "UTC");
        lines.show(b"2026-01-02T03:04:05Z INFO one\n2026-01-02T03:04:05Z INFO tw");
        let mut gap = Gap::default();
        gap.extend(b"o\n2026-01-02T03:04:05Z INFO thr");
        lines.gap(gap);
        lines.show(b"ee\n2026-01-02T03:04:05Z INFO four\n");
        let text = String::from_utf8(out).unwrap();
        let ends: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(ends, ["one", "tw", "ee", "four"], "{text}");
    }

    #[test]
    fn a_line_is_read_as_it_is_stored() {
        fn check(plan: Plan, zone: &str, line: &str, expected: &str) {
            let mut out = Vec::new();
            let mut lines = lines(&mut out, plan, zone);
            assert!(lines.show(line.as_bytes()) && lines.end());
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let forced = Plan::forced(logship_parsers::line::detect::FormatId::by_name("plain").unwrap());
        check(Plan::auto(), "UTC", "2026-07-20 12:00:00 ERROR x", "2026-07-20 12:00:00.000 ERROR x\n");
        check(Plan::auto(), "-05:30", "2026-07-20 12:00:00 ERROR x", "2026-07-20 17:30:00.000 ERROR x\n");
        check(Plan::auto(), "Europe/Berlin", "2026-07-20 12:00:00 ERROR x", "2026-07-20 10:00:00.000 ERROR x\n");
        check(Plan::auto(), "Europe/Berlin", "2026-01-20 12:00:00 ERROR x", "2026-01-20 11:00:00.000 ERROR x\n");
        check(Plan::auto(), "+02:00", "2026-01-20T12:00:00Z ERROR x", "2026-01-20 12:00:00.000 ERROR x\n");
        let json = "{\"time\":\"2026-01-20T12:00:00Z\",\"level\":\"error\",\"msg\":\"x\"}";
        check(Plan::auto(), "UTC", json, "2026-01-20 12:00:00.000 ERROR x\n");
        let mut out = Vec::new();
        assert!(lines(&mut out, forced, "UTC").show(format!("{json}\n").as_bytes()));
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with(&format!("{json}\n")), "{text}");
    }
}
