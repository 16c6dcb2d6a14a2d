//! The parts of a message: its header between pipes, its extensions `key=value` with blanks between.
//!
//! A value may have blanks: it ends where a key and `=` follow. A key is a word, more behind dots, and a number in brackets.

use memchr::{memchr, memchr2_iter};
use std::borrow::Cow;

/// The next field of a header, escaped as it is, and what follows its pipe.
pub(super) fn header(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut is_escaped_at = 0;
    let plain = memchr2_iter(b'|', b'\\', bytes).find(|&at| {
        if at < is_escaped_at {
            return false;
        }
        if bytes[at] == b'\\' && matches!(bytes.get(at + 1), Some(b'|' | b'\\')) {
            is_escaped_at = at + 2;
        }
        bytes[at] == b'|'
    });
    // Where no pipe is left, one that looks escaped ends the field.
    let end = plain.or_else(|| text.rfind('|'))?;
    Some((&text[..end], &text[end + 1..]))
}

/// A field of a header as it is meant.
pub(super) fn unescaped_header(text: &str) -> Cow<'_, str> {
    replaced(text, |c| matches!(c, '\\' | '|').then_some(c))
}

/// A value of an extension as it is meant.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    replaced(text, |c| match c {
        '\\' | '=' => Some(c),
        'n' => Some('\n'),
        'r' => Some('\r'),
        _ => None,
    })
}

/// The text with what stands for a backslash and each character behind it.
fn replaced(text: &str, meant: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let next = chars.clone().next();
        match next.filter(|_| c == '\\').and_then(&meant) {
            Some(meant) => {
                out.push(meant);
                chars.next();
            }
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The keys and values of all extensions.
pub(super) fn extensions(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = key(rest).ok_or_else(|| format!("`{rest}` has no key"))?;
        let (name, behind) = (&rest[..length], &rest[length + 1..]);
        let (value, next) = value(behind);
        found.push((name, value));
        rest = next;
    }
    Ok(found)
}

/// The length of a key that `=` follows.
fn key(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize, is_part: fn(u8) -> bool| bytes[from..].iter().take_while(|byte| is_part(**byte)).count();
    let mut end = run(0, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if end == 0 {
        return None;
    }
    while bytes.get(end) == Some(&b'.') {
        let part = run(end + 1, |byte| !is_blank(byte) && !b".=|\\[]".contains(&byte));
        if part == 0 {
            return None;
        }
        end += 1 + part;
    }
    if bytes.get(end) == Some(&b'[') {
        let digits = run(end + 1, |byte| byte.is_ascii_digit());
        if digits == 0 || bytes.get(end + 1 + digits) != Some(&b']') {
            return None;
        }
        end += digits + 2;
    }
    (bytes.get(end) == Some(&b'=')).then_some(end)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// A value, and what follows the blanks behind it.
fn value(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_blank(bytes[at]) {
            at += 1;
            continue;
        }
        let blanks = bytes[at..].iter().take_while(|byte| is_blank(**byte)).count();
        let rest = &text[at + blanks..];
        if rest.is_empty() || key(rest).is_some() {
            return (&text[..at], rest);
        }
        at += blanks;
    }
    (text, "")
}

/// The parts of the field that a key names.
pub(super) fn parts(key: &str) -> Vec<String> {
    match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
        Some((name, index)) => vec![name.to_owned(), index.to_owned()],
        None => vec![key.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_pipes_that_are_not_escaped() {
        let check = |text: &str, part: &str, rest: &str| {
            let (found, behind) = header(text).unwrap();
            assert_eq!((&*unescaped_header(found), behind), (part, rest), "{text}");
        };
        check("a|b", "a", "b");
        check("|b", "", "b");
        check(r"a\|b|c", "a|b", "c");
        check(r"a\\|b", r"a\", "b");
        check(r"a\\\|b|c", r"a\|b", "c");
        check(r"a\b|c", r"a\b", "c");
        check(r"a\|", r"a\", "");
        assert!(header("a").is_none());
    }

    #[test]
    fn values_end_before_the_next_key() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = extensions(text).unwrap();
            let found: Vec<_> = found.iter().map(|(key, value)| (*key, unescaped(value))).collect();
            let found: Vec<_> = found.iter().map(|(key, value)| (*key, &**value)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("a=1 b=2", &[("a", "1"), ("b", "2")]);
        check("a=x y  b=2", &[("a", "x y"), ("b", "2")]);
        check("a= b=2", &[("a", ""), ("b", "2")]);
        check(r"q=k1\=v1&k2\=v2 x.y&k3\=v4 z=done", &[("q", "k1=v1&k2=v2 x.y&k3=v4"), ("z", "done")]);
        check(r"a=this =has = equals\=", &[("a", "this =has = equals=")]);
        check("a='x; g:test=' b=2", &[("a", "'x; g:test='"), ("b", "2")]);
        check(r"a=one\ntwo\\n\|", &[("a", "one\ntwo\\n\\|")]);
        check("ad.Error_,Code=1 ad.f.g[0]=x", &[("ad.Error_,Code", "1"), ("ad.f.g[0]", "x")]);
        check("a=ü b=あ", &[("a", "ü"), ("b", "あ")]);
        check("", &[]);
        for bad in ["no key", "=x", "a.=x", "a[x]=1"] {
            assert!(extensions(bad).is_err(), "{bad}");
        }
        assert_eq!(parts("ad.f[0]"), ["ad.f", "0"]);
    }
}
