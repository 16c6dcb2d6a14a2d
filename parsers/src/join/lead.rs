//! What the first bytes of a line say, before anything is known of the stream.

use crate::line::level;
use crate::line::plain::begins_with_stamp;

/// How many bytes of a coloured line are looked at, without their colours.
const BARE_BYTES_MAX: usize = 256;
/// Names of applications in brackets are shorter.
const NAME_BYTES_MAX: usize = 32;
/// A level is found among so many bytes.
const LEVEL_WITHIN_BYTES: usize = 80;

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// White space and nothing else.
    Blank,
    /// The beginning of a record, always: a stamp, `{`, a syslog priority, glog's header, a level set flush right.
    Own,
    /// A level or a logfmt pair, which loggers begin a record with, and other text may, too.
    Level,
    /// White space.
    Indented,
    /// Anything else.
    Other,
}

impl Lead {
    /// Decided on the first bytes.
    pub(super) fn of(line: &[u8]) -> Lead {
        match line {
            [b'\t', b'\t', ..] if query_command(&line[2..]).is_some() => Lead::Own,
            [b' ' | b'\t' | b'\r' | 0x0b | 0x0c, ..] if line.trim_ascii_start().is_empty() => Lead::Blank,
            [] => Lead::Blank,
            [b' ', b'I', b'N', b'F', b'O', b' ', ..] | [b' ', b'W', b'A', b'R', b'N', b' ', ..] => Lead::Own,
            [b' ' | b'\t', ..] => Lead::Indented,
            [b'{'] | [b'{', b'"' | b'}' | b' ' | b'\t' | b'\r', ..] | [b'<', b'0'..=b'9', ..] => Lead::Own,
            [b'[', b'A'..=b'Z', ..] if is_nest(line) => Lead::Own,
            [b'0'..=b'9' | b'[' | b'(' | b'@', ..] if is_clock(line) || begins_with_stamp(line) => Lead::Own,
            [b'0'..=b'9' | b'a'..=b'f', ..] if is_hex_clock(line) || is_elapsed(line) => Lead::Own,
            [b'A'..=b'Z', ..] if begins_with_stamp(line) || is_klog(line) => Lead::Own,
            [b'A'..=b'Z' | b'a'..=b'z' | b'[', ..] if begins_with_level(line) => Lead::Level,
            _ => Lead::Other,
        }
    }
}

/// `03:04:05.678 `, a time without a date, in brackets or not.
fn is_clock(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let [a, b, b':', c, d, b':', e, f, rest @ ..] = line else { return false };
    [a, b, c, d, e, f].iter().all(|b| b.is_ascii_digit())
        && matches!(rest.first(), Some(b'.' | b',' | b' ' | b'\t' | b']'))
}

/// `6b016ebb.2bc0796f `: seconds and their fraction, as OpenLDAP's server writes them.
fn is_hex_clock(line: &[u8]) -> bool {
    let is_hex = |at: usize| at == 8 || line[at].is_ascii_hexdigit();
    line.get(8) == Some(&b'.') && line.get(17) == Some(&b' ') && (0..17).all(is_hex)
}

/// `12   [main] INFO  `: the milliseconds since the start, of log4j's default layout.
fn is_elapsed(line: &[u8]) -> bool {
    let digits = line.iter().take(12).take_while(|b| b.is_ascii_digit()).count();
    let rest = line[digits..].trim_ascii_start();
    let Some(thread) = rest.strip_prefix(b"[").filter(|_| digits > 0 && line.get(digits) == Some(&b' ')) else {
        return false;
    };
    let end = thread.iter().take(LEVEL_WITHIN_BYTES).position(|b| *b == b']');
    end.is_some_and(|end| {
        let word = thread[end + 1..].trim_ascii_start();
        let end = word.iter().take(12).take_while(|b| b.is_ascii_uppercase()).count();
        word.get(end) == Some(&b' ') && is_level(&word[..end])
    })
}

/// The command in `     4 Query\t`, behind the number of a connection in MySQL's general log.
pub(super) fn query_command(line: &[u8]) -> Option<&[u8]> {
    let rest = line.get(..line.len().min(40))?.trim_ascii_start();
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let command = rest[digits..].strip_prefix(b" ").filter(|_| digits > 0)?;
    let end = command.iter().position(|b| *b == b'\t')?;
    let is_name = |b: &u8| b.is_ascii_alphabetic() || *b == b' ';
    (command.first().is_some_and(u8::is_ascii_uppercase) && command[..end].iter().all(is_name)).then(|| &command[..end])
}

fn is_klog(line: &[u8]) -> bool {
    let digits = line.iter().skip(1).take(9).take_while(|b| b.is_ascii_digit()).count();
    (digits == 4 || digits == 8) && line.get(digits + 1) == Some(&b' ')
}

/// `info: `, `INFO `, `[WARN] `, `time=`, `level=`.
fn begins_with_level(line: &[u8]) -> bool {
    let word = line.strip_prefix(b"[").unwrap_or(line);
    let end = word.iter().take(12).take_while(|b| b.is_ascii_alphabetic()).count();
    let (word, rest) = word.split_at(end);
    match rest.first() {
        Some(b'=') => matches!(word, b"time" | b"ts" | b"level" | b"lvl" | b"t" | b"timestamp" | b"msg" | b"severity"),
        Some(b':' | b']') => is_level(word),
        // `error` and `fatal` are words of sentences, too.
        Some(b' ' | b'[') => word.iter().all(u8::is_ascii_uppercase) && is_level(word),
        _ => false,
    }
}

fn is_level(word: &[u8]) -> bool {
    word.len() > 2 && std::str::from_utf8(word).is_ok_and(|word| level::from_word(word).is_some())
}

/// Whether the first bytes of a line name a level.
pub(super) fn names_level(line: &[u8]) -> bool {
    is_klog(line) || line[..line.len().min(LEVEL_WITHIN_BYTES)].split(|b| !b.is_ascii_alphabetic()).any(is_level)
}

/// How bad it is what a line reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Less than a warning, or not known.
    Other,
    /// A warning.
    Warning,
    /// An error or worse.
    Error,
}

/// `[Nest] 77  - 01/02/2026, 3:04:05 AM `.
fn is_nest(line: &[u8]) -> bool {
    let end = line.iter().skip(1).take(NAME_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric()).count() + 1;
    let Some(rest) = line[end..].strip_prefix(b"] ") else { return false };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && matches!(&rest[digits..], [b' ', b' ', b'-', b' ', b'0'..=b'9', ..])
}

/// What the first level among the first bytes of a line says. Parts of names, `app.error`, are none.
pub(super) fn severity(line: &[u8]) -> Option<Severity> {
    let look = &line[..line.len().min(LEVEL_WITHIN_BYTES)];
    let letter = match look {
        [letter @ b'A'..=b'Z', b',', b' ', b'[', ..] => level::from_glog(*letter),
        [letter, ..] if is_klog(look) => level::from_glog(*letter),
        _ => None,
    };
    let named = || {
        let mut at = 0;
        look.split(|b| !b.is_ascii_alphabetic()).find_map(|word| {
            let start = at;
            at += word.len() + 1;
            let before = start.checked_sub(1).map(|before| look[before]);
            let joins = |b: Option<u8>| matches!(b, Some(b'.' | b'_' | b'-'));
            let is_part = joins(before) || before == Some(b'/') || joins(look.get(start + word.len()).copied());
            if is_part || word.len() < 3 {
                return None;
            }
            std::str::from_utf8(word).ok().and_then(level::from_word)
        })
    };
    Some(match letter.or_else(named)? {
        "warn" => Severity::Warning,
        "error" | "fatal" => Severity::Error,
        _ => Severity::Other,
    })
}

/// The first character, if its bytes are UTF-8.
pub(super) fn first_char(line: &[u8]) -> Option<char> {
    line.get(..line.len().min(4))?.utf8_chunks().next()?.valid().chars().next()
}

/// Whether the line begins with a terminal's colour, white space before it or not.
pub(super) fn is_coloured(line: &[u8]) -> bool {
    matches!(line, [0x1b, ..] | [b' ', 0x1b, ..] | [b' ', b' ', 0x1b, ..])
}

/// The beginning of a line without its colours.
pub(super) struct Bare {
    bytes: [u8; BARE_BYTES_MAX],
    end: usize,
}

impl Bare {
    /// Copies it, without `ESC [ 32 m` and the like.
    pub(super) fn of(line: &[u8]) -> Bare {
        let mut bare = Bare { bytes: [0; BARE_BYTES_MAX], end: 0 };
        let mut rest = line;
        while let [first, tail @ ..] = rest {
            rest = match tail {
                [b'[', sequence @ ..] if *first == 0x1b => {
                    let parameters = sequence.iter().take_while(|b| matches!(b, b'0'..=b'9' | b';' | b':')).count();
                    sequence.get(parameters + 1..).unwrap_or_default()
                }
                _ if bare.end == BARE_BYTES_MAX => break,
                _ => {
                    bare.bytes[bare.end] = *first;
                    bare.end += 1;
                    tail
                }
            };
        }
        bare
    }

    /// What is left.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads() {
        for (line, expected) in [
            ("", Lead::Blank),
            (" \t\r", Lead::Blank),
            ("2026-01-02 03:04:05 x", Lead::Own),
            ("{", Lead::Own),
            ("03:04:05.678 [main] INFO x", Lead::Own),
            ("03:04:05", Lead::Other),
            ("<34>Jan", Lead::Own),
            ("I0102 03:04:05.678901   4711 a.go:42] one", Lead::Own),
            (" INFO shop: x", Lead::Own),
            ("6b016ebb.2bc0796f 0x7f2c2461f200 x", Lead::Own),
            ("6b016ebb.2bc0796g 0x7f2c2461f200 x", Lead::Other),
            ("facade12.com is up and running", Lead::Other),
            ("12   [main] INFO  c.e.Shop  - x", Lead::Own),
            ("12 [main] text", Lead::Other),
            ("12[main] INFO x", Lead::Other),
            ("\t\t     4 Query\tselect 1", Lead::Own),
            ("\t\t    12 Init DB\tshop", Lead::Own),
            ("\t\t12 Query", Lead::Indented),
            ("\t\tQuery\tx", Lead::Indented),
            ("E, [2026-01-02T03:04:05.678901 #77] ERROR -- : x", Lead::Own),
            ("  INFO", Lead::Indented),
            ("\tat x", Lead::Indented),
            ("info: x", Lead::Level),
            ("[WARN] x", Lead::Level),
            ("DEBUG ThreadId(01) x", Lead::Level),
            ("time=x", Lead::Level),
            ("INFO[0000] x", Lead::Level),
            ("error in x", Lead::Other),
            ("Error x", Lead::Other),
            ("a: x", Lead::Other),
            ("text", Lead::Other),
        ] {
            assert_eq!(Lead::of(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn the_level_of_a_line_says_how_bad_it_is() {
        for (line, expected) in [
            ("2026-01-02 03:04:05 WARNING shop: x", Some(Severity::Warning)),
            ("2026-01-02 03:04:05 INFO shop: ERROR in the text", Some(Severity::Other)),
            ("2026-01-02 03:04:05 app.error.x INFO shop: x", Some(Severity::Other)),
            ("time=x level=error msg=x", Some(Severity::Error)),
            ("[2026-01-02 03:04:05,678: ERROR/ForkPoolWorker-1] x", Some(Severity::Error)),
            ("E0102 03:04:05.678901   4711 a.go:42] x", Some(Severity::Error)),
            ("I0102 03:04:05.678901   4711 a.go:42] error", Some(Severity::Other)),
            ("F, [2026-01-02T03:04:05.678901 #77] FATAL -- : x", Some(Severity::Error)),
            ("CRITICAL:root:x", Some(Severity::Error)),
            ("E, x", None),
            ("text", None),
            ("", None),
        ] {
            assert_eq!(severity(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn colours_are_looked_through() {
        let check = |line: &str, expected: &str| {
            assert!(is_coloured(line.as_bytes()), "{line:?}");
            assert_eq!(Bare::of(line.as_bytes()).bytes(), expected.as_bytes(), "{line:?}");
        };
        check("\u{1b}[36mINFO\u{1b}[0m[2026", "INFO[2026");
        check("  \u{1b}[2m2026", "  2026");
        check("\u{1b}[", "");
        check("\u{1b}x", "\u{1b}x");
        check(&format!("\u{1b}[1;31m{}", "x".repeat(300)), &"x".repeat(BARE_BYTES_MAX));
    }
}
