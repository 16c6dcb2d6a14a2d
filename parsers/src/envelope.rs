//! What container engines and process runners put around each line of a program: `docker compose logs` writes the
//! container's name before it, the kubelet a stamp and the stream.
//!
//! In a mix of such streams the lines of a stack trace are no neighbours, and the engine cuts long lines. So whoever
//! joins lines looks at what is inside first: [`open`] says which stream a line is of and which part of it the program wrote.
//! A record of several lines is the first one as it came with the program's text of the others behind it (in Docker's
//! JSON: inside of its string), which the formats of `line/` read again.

use crate::json::string;
use crate::line::{compose, cri, docker, kubectl};
use std::borrow::Cow;

/// A line of a mix, opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// The name of the stream among those that are mixed here; may be empty.
    pub stream: &'a [u8],
    /// Where the program's text begins in the line.
    pub text_start: usize,
    /// Where it ends. What follows closes the envelope.
    pub text_end: usize,
    /// The text is the inside of a JSON string: its line end is an escape, and part of it.
    pub escaped: bool,
    /// The program's line goes on in the next line of this stream.
    pub partial: bool,
}

impl Opened<'_> {
    /// What the program wrote, without a line end, of the line that was opened.
    #[must_use]
    pub fn written<'l>(&self, line: &'l [u8]) -> Cow<'l, [u8]> {
        let text = line.get(self.text_start..self.text_end).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(text);
        }
        let text = text.strip_suffix(b"\\n").filter(|_| !self.partial).unwrap_or(text);
        let text = text.strip_suffix(b"\\r").unwrap_or(text);
        if !text.contains(&b'\\') {
            return Cow::Borrowed(text);
        }
        let rest = line.get(self.text_start..).and_then(|rest| std::str::from_utf8(rest).ok()).unwrap_or_default();
        match string(rest) {
            Ok((_, whole)) => Cow::Owned(whole.trim_end_matches(['\r', '\n']).as_bytes().to_vec()),
            Err(_) => Cow::Borrowed(text),
        }
    }
}

/// The line, given without its line end, if an engine put something around it.
///
/// ```
/// let line = b"web-1  | listening";
/// let opened = logship_parsers::envelope::open(line).unwrap();
/// assert_eq!((opened.stream, &line[opened.text_start..]), (&b"web-1"[..], &b"listening"[..]));
/// assert_eq!(logship_parsers::envelope::open(b"a | b"), None);
/// ```
#[must_use]
pub fn open(line: &[u8]) -> Option<Opened<'_>> {
    match line.first()? {
        b'{' => docker::open(line),
        b'[' => kubectl::open(line),
        b'0'..=b'9' => cri::open(line).or_else(|| compose::open(line)),
        b'a'..=b'z' | b'A'..=b'Z' => compose::open(line),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_opened() {
        let check = |line: &str, expected: Option<(&str, &str, bool)>| {
            let opened = open(line.as_bytes());
            let found = opened.map(|opened| {
                let stream = std::str::from_utf8(opened.stream).unwrap();
                (stream, &line[opened.text_start..opened.text_end], opened.partial)
            });
            assert_eq!(found, expected, "{line}");
        };
        let stamp = "2026-01-02T03:04:05.678901234Z";
        for (line, expected) in [
            (format!("{stamp} stdout F text"), Some(("stdout", "text", false))),
            (format!("{stamp} stderr P half a"), Some(("stderr", "half a", true))),
            (format!("{stamp} stdout F "), Some(("stdout", "", false))),
            ("2026-01-02T03:04:05+02:00 stdout F:x text".to_owned(), Some(("stdout", "text", false))),
            (format!("{stamp} stdout X text"), None),
            (format!("{stamp} stdin F text"), None),
            (format!("{stamp} text"), None),
            ("20260102T030405Z stdout F text".to_owned(), None),
        ] {
            check(&line, expected);
        }
        for (line, expected) in [
            (r#"{"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#, Some(("stdout", r"text\n", false))),
            (r#"{"log":"a\"b","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#, Some(("stderr", r#"a\"b"#, true))),
            (r#"{"log":"a\\\\n","stream":"stderr","attrs":{"a":"b"},"time":"x"}"#, Some(("stderr", r"a\\\\n", true))),
            (r#"{"log":"text\n","level":"info"}"#, None),
            (r#"{"log":"text\n"#, None),
            (r#"{"log":{"level":"info"},"stream":"stdout"}"#, None),
            ("web-1  | text", Some(("web-1", "text", false))),
            ("web-1  |", Some(("web-1", "", false))),
            ("shop_db_1  |  indented", Some(("shop_db_1", " indented", false))),
            ("web.1.k3jd8@node1    | text", Some(("web.1.k3jd8@node1", "text", false))),
            ("03:04:05 web.1  | text", Some(("web.1", "text", false))),
            ("web | text", None),
            ("a-1 b | text", None),
            ("web-1| text", None),
            ("-1 | text", None),
            ("[pod/web-7d9c5/app] text", Some(("pod/web-7d9c5/app", "text", false))),
            ("[pod/web-7d9c5/app]", Some(("pod/web-7d9c5/app", "", false))),
            ("[pod/web] text", None),
            ("[pod/a b/c] text", None),
            ("", None),
        ] {
            check(line, expected);
        }
    }
}
