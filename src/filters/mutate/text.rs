//! What Ruby does to texts.

use crate::{
    config::Expression,
    event::{Value, render},
};

/// The first character in upper case, all others in lower case.
pub(in crate::filters) fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.as_str().to_lowercase().chars()).collect()
}

/// Without blanks around.
pub(super) fn stripped(text: &str) -> String {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r' | '\0');
    text.trim_end_matches(blank).trim_start_matches(|c| blank(c) && c != '\0').to_owned()
}

/// The parts of a text without the empty ones at its end. A separator of one space means any blanks.
pub(super) fn split<'t>(text: &'t str, separator: &str) -> impl Iterator<Item = &'t str> {
    let mut parts: Vec<&str> = match separator {
        " " => text.split_ascii_whitespace().collect(),
        "" => text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect(),
        separator => text.split(separator).collect(),
    };
    let full = parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    parts.truncate(full);
    parts.into_iter()
}

/// The values as texts with a separator between them; lists inside are joined the same way.
pub(super) fn joined(items: &[Value], separator: &str) -> String {
    let mut out = String::new();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push_str(separator);
        }
        match item {
            Value::List(inner) => out.push_str(&joined(inner, separator)),
            other => render::write_text(&mut out, other),
        }
    }
    out
}

/// All matches replaced. In the replacement `\1` or `\k<name>` is a group, `\0` or `\&` the whole match, `\\` a backslash.
pub(super) fn replaced(text: &str, needle: &Expression, replacement: &str) -> String {
    match needle {
        Expression::Linear(regex) => {
            let replaced = regex.replace_all(text, |found: &regex::Captures<'_>| {
                let by_name = |name: &str| found.name(name).map_or("", |group| group.as_str());
                expanded(|at| found.get(at).map_or("", |group| group.as_str()), by_name, replacement)
            });
            replaced.into_owned()
        }
        Expression::Backtracking(both) => {
            let replaced = both.0.try_replacen(text, 0, |found: &fancy_regex::Captures<'_>| {
                let by_name = |name: &str| found.name(name).map_or("", |group| group.as_str());
                expanded(|at| found.get(at).map_or("", |group| group.as_str()), by_name, replacement)
            });
            replaced.map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
        }
    }
}

fn expanded<'t>(group: impl Fn(usize) -> &'t str, by_name: impl Fn(&str) -> &'t str, replacement: &str) -> String {
    let mut out = String::with_capacity(replacement.len());
    let mut rest = replacement;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        rest = match behind.chars().next() {
            Some(digit @ '0'..='9') => {
                out.push_str(group(digit as usize - '0' as usize));
                &behind[1..]
            }
            Some('&') => {
                out.push_str(group(0));
                &behind[1..]
            }
            Some('\\') => {
                out.push('\\');
                &behind[1..]
            }
            Some('k') if behind.starts_with("k<") && behind.contains('>') => {
                let (name, after) = behind[2..].split_once('>').unwrap_or_default();
                out.push_str(by_name(name));
                after
            }
            _ => {
                out.push('\\');
                behind
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_in_ruby() {
        let check = |text, separator, expected: &[&str]| {
            assert_eq!(split(text, separator).collect::<Vec<_>>(), expected, "{text:?} {separator:?}");
        };
        check("a,b,,", ",", &["a", "b"]);
        check("foo,", ",", &["foo"]);
        check(",a", ",", &["", "a"]);
        check("", ",", &[]);
        check("  a  b ", " ", &["a", "b"]);
        check("äb", "", &["ä", "b"]);
    }

    #[test]
    fn replacements_have_groups() {
        let check = |text, needle, replacement, expected| {
            assert_eq!(replaced(text, &Expression::new(needle).unwrap(), replacement), expected, "{replacement}");
        };
        check("a/b/c", "/", "_", "a_b_c");
        check("john smith", r"(\w+) (\w+)", r"\2, \1", "smith, john");
        check("x", "(?<n>x)", r"[\k<n>\0\&\\\q$1]", r"[xxx\\q$1]");
        check("a b", " ", "", "ab");
    }

    #[test]
    fn cases_and_blanks() {
        assert_eq!(capitalized("éCOLE x"), "École x");
        assert_eq!(stripped(" \t a b\n"), "a b");
    }
}
