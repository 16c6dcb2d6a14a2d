//! What strings mean: `${VAR}` and `${VAR:default}` replaced, escapes read where that is asked for.

use memchr::{memchr, memmem, memrchr};
use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag, take_till, take_while, take_while_m_n};
use nom::character::complete::char;
use nom::combinator::{opt, recognize};
use nom::sequence::{delimited, pair, preceded};
use std::ops::Range;

/// A `${VAR:default}` in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable<'t> {
    /// Its bytes in the text.
    pub(super) range: Range<usize>,
    /// The name.
    pub(super) name: &'t str,
    /// What it is where the environment has none; may be empty.
    pub(super) default: Option<&'t str>,
}

/// All variables of a text.
pub(super) fn variables(text: &str) -> impl Iterator<Item = Variable<'_>> {
    // Nothing is looked for behind the last brace, so that a text of `${a:` takes linear time.
    let last = memrchr(b'}', text.as_bytes()).map_or(0, |last| last + 1);
    let text = &text[..last];
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + memmem::find(&text.as_bytes()[at..], b"${")?;
            match variable(&text[start..]) {
                Ok((rest, (name, default))) => {
                    at = text.len() - rest.len();
                    return Some(Variable { range: start..at, name, default });
                }
                Err(_) => at = start + 2,
            }
        }
    })
}

/// A name and its default.
type Named<'t> = (&'t str, Option<&'t str>);

/// A variable right here: its name and default.
pub(super) fn variable(input: &str) -> IResult<&str, Named<'_>, ()> {
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.');
    let next = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let name = recognize(pair(take_while_m_n(1, 1, first), take_while(next)));
    let default = preceded(char(':'), take_till(|c| c == '}'));
    delimited(tag("${"), pair(name, opt(default)), char('}')).parse(input)
}

/// A text with `\n \r \t \0 \\ \" \'` read; any other backslash stays.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let read = match rest.as_bytes().get(at + 1) {
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'0') => Some('\0'),
            Some(b'\\') => Some('\\'),
            Some(b'"') => Some('"'),
            Some(b'\'') => Some('\''),
            _ => None,
        };
        out.push(read.unwrap_or('\\'));
        rest = &rest[at + if read.is_some() { 2 } else { 1 }..];
    }
    out.push_str(rest);
    out
}

/// The first escape that would be a control character if escapes were read, in a text that has no other backslashes but
/// escaped quotes, and is no Windows path: then it is likely to be meant.
pub(super) fn meant_escape(raw: &str) -> Option<&str> {
    let mut first = None;
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &raw.as_bytes()[at..]) {
        let start = at + found;
        match raw.as_bytes().get(start + 1) {
            Some(b'n' | b'r' | b't') => first = first.or(raw.get(start..start + 2)),
            Some(b'"' | b'\'') => {}
            _ => return None,
        }
        if raw[..start].ends_with(':') && raw[..start].len() == 2 {
            return None;
        }
        at = start + 2;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found() {
        let check = |text: &str, expected: &[(Range<usize>, &str, Option<&str>)]| {
            let found: Vec<_> = variables(text).map(|found| (found.range, found.name, found.default)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("${A}", &[(0..4, "A", None)]);
        check("x${A_1:b c}y${.b:}", &[(1..11, "A_1", Some("b c")), (12..18, ".b", Some(""))]);
        check("${A", &[]);
        check("$A ${} ${1} ${A-b} %{A}", &[]);
        check("${${A}}", &[(2..6, "A", None)]);
        check("${A:${B}}", &[(0..8, "A", Some("${B"))]);
    }

    #[test]
    fn escapes_are_read() {
        let check = |text, expected| assert_eq!(unescaped(text), expected, "{text}");
        check(r"a\nb\t\r\0", "a\nb\t\r\0");
        check(r#"\\n \" \'"#, "\\n \" '");
        check(r"\d \é \", r"\d \é \");
    }

    #[test]
    fn escapes_that_are_not_meant_are_left_alone() {
        let check = |text, expected| assert_eq!(meant_escape(text), expected, "{text}");
        check(r"a\nb", Some(r"\n"));
        check(r"\t", Some(r"\t"));
        check(r"\d+\n", None);
        check(r"C:\new", None);
        check(r"\\server\new", None);
        check("plain", None);
        check(r#"\"\n"#, Some(r"\n"));
    }
}
