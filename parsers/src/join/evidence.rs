//! What a stream has shown of itself, by which an unindented line of prose may be the second line of a message.
//!
//! Several programs may write to one stream, and nothing in `ready` says whose line it is. So it continues the record
//! above only where [`HEADERS_MIN`] records running began as loggers begin one, where the record names a level, and where
//! the line begins like the rest of a sentence. A stream that breaks its run before it was believed must show twice as many.

use super::lead;

/// How many records running must begin with a header before a line without one is taken for a part of a message.
const HEADERS_MIN: u8 = 4;
/// How many must do so where the record names no level.
const BARE_HEADERS_MIN: u8 = 16;
/// How many lines of prose a record joins: a program that prints more is none that logs.
const PROSE_LINES_MAX: u8 = 8;
/// How many bytes of a line are looked at.
const LOOK_BYTES_MAX: usize = 24;

/// The headers of a stream's records so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// Records running that began with a header.
    headers: u8,
    /// How many it takes.
    needed: u8,
    /// Lines of prose that the open record has joined.
    prose: u8,
}

impl Default for Evidence {
    fn default() -> Evidence {
        Evidence { headers: 0, needed: HEADERS_MIN, prose: 0 }
    }
}

impl Evidence {
    /// Takes note of a new record of text.
    pub(super) fn note(&mut self, header: bool) {
        self.prose = 0;
        if header {
            self.headers = self.headers.saturating_add(1);
            return;
        }
        if self.headers > 0 && self.headers < self.needed {
            self.needed = self.needed.saturating_mul(2);
        }
        self.headers = 0;
    }

    /// Takes note that the open record is continued by indented lines: no prose follows them.
    pub(super) fn end_prose(&mut self) {
        self.prose = PROSE_LINES_MAX + 1;
    }

    /// Whether the line is one more of the message of the open record, which has a header, and a level or not.
    pub(super) fn allows(&mut self, line: &[u8], levelled: bool) -> bool {
        (levelled || self.headers >= BARE_HEADERS_MIN) && is_prose(line) && self.follows()
    }

    /// Whether a line that shows nothing itself, but is expected, is one more of the open record.
    pub(super) fn follows(&mut self) -> bool {
        if self.headers < self.needed {
            return false;
        }
        if self.prose == PROSE_LINES_MAX {
            self.needed = self.needed.saturating_mul(2);
        }
        self.prose = self.prose.saturating_add(1);
        self.prose <= PROSE_LINES_MAX
    }
}

/// Whether a line begins as a sentence goes on: a word in lower case, then no sign of a header, a command or a pair.
fn is_prose(line: &[u8]) -> bool {
    let look = &line[..line.len().min(LOOK_BYTES_MAX)];
    let lower = match line.first() {
        Some(first) if first.is_ascii() => first.is_ascii_lowercase(),
        // Signs that tools print in front of their lines are no letters.
        _ => lead::first_char(line).is_some_and(char::is_lowercase),
    };
    let word = look.iter().position(|b| *b == b' ').unwrap_or(look.len());
    let mut bytes = look[..word].iter().rev().skip_while(|b| matches!(b, b',' | b'.' | b';' | b'!' | b'?'));
    lower
        && bytes.all(|b| b.is_ascii_alphabetic() || *b >= 0x80 || matches!(b, b'\'' | b'-'))
        && !look.iter().any(|b| matches!(b, b':' | b'=' | b'|'))
        && !matches!(look.get(word + 1), Some(b'-' | b'/' | b'.' | b'<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_goes_on_in_lower_case_without_signs_of_a_header() {
        for line in ["lines", "line two", "und üben", "über alles", "that's it, then."] {
            assert!(is_prose(line.as_bytes()), "{line}");
        }
        for line in [
            "Listening on 8080",
            "npm: done",
            "gcc -c a.c",
            "key=value",
            "level warn: x",
            "a | b",
            "/usr/bin/x",
            "✓ built",
            "rm /tmp/x",
            "main.go",
            "- item",
            "1 of 3",
            "",
        ] {
            assert!(!is_prose(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_broken_run_must_be_longer_the_next_time() {
        let mut evidence = Evidence::default();
        let mut run = |headers: usize| {
            (0..headers).for_each(|_| evidence.note(true));
            let allowed = evidence.allows(b"lines", true);
            if !allowed {
                evidence.note(false);
            }
            allowed
        };
        assert_eq!([3, 7, 16, 3].map(&mut run), [false, false, true, true]);
        let mut evidence = Evidence::default();
        (0..9).for_each(|_| evidence.note(true));
        let allowed = (0..20).filter(|_| evidence.allows(b"lines", true)).count();
        assert_eq!(allowed, usize::from(PROSE_LINES_MAX));
    }
}
