//! Field references: `name`, `[a][b]`, `[[a][b]][c]`, `[tags][-1]`, `[@metadata][x]`.
//!
//! ```text
//! reference = name | { "[" part "]" }+      part = text | { "[" part "]" }+
//! ```
//!
//! Anything that mixes both, such as `a[b]`, is an error rather than a field with brackets in its name. Whether a part that is a
//! number is an index is known only beside the value: in a list it is, in a map it is a key.

use std::fmt;

/// The map that no output writes.
pub const METADATA: &str = "@metadata";

/// A path to a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldRef {
    /// The names from the outside in; at least one.
    pub parts: Vec<String>,
}

/// Why a text is no field reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRefError {
    /// The byte where it stops making sense.
    pub offset: usize,
    /// What is wrong there.
    pub message: &'static str,
    /// What the text is likely to mean.
    pub help: Option<String>,
}

impl fmt::Display for FieldRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for FieldRefError {}

impl FieldRef {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<FieldRef, FieldRefError> {
        let wrong = |offset, message| Err(FieldRefError { offset, message, help: repaired(text) });
        if text.is_empty() {
            return wrong(0, "a field needs a name");
        }
        let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
        let mut previous = None;
        for (at, c) in text.char_indices() {
            match c {
                '[' if start != at => return wrong(at, "`[` stands behind a name that is not in brackets"),
                '[' => {
                    depth += 1;
                    start = at + 1;
                }
                ']' if depth == 0 => return wrong(at, "this `]` closes nothing"),
                ']' => {
                    if start == at && previous != Some(']') {
                        return wrong(at, "there is no name in these brackets");
                    }
                    if start < at {
                        parts.push(text[start..at].to_owned());
                    }
                    depth -= 1;
                    start = at + 1;
                }
                _ if previous == Some(']') => return wrong(at, "a name that follows `]` needs brackets, too"),
                _ => {}
            }
            previous = Some(c);
        }
        if depth > 0 {
            return wrong(text.len(), "a `[` is never closed");
        }
        if parts.is_empty() {
            parts.push(text.to_owned());
        }
        Ok(FieldRef { parts })
    }

    /// Whether it is `@metadata` or something in it.
    #[must_use]
    pub fn is_metadata(&self) -> bool {
        self.parts.first().is_some_and(|first| first == METADATA)
    }

    /// The element of a list of `len` elements that a part names, counted from the end where it is negative.
    #[must_use]
    pub fn index(part: &str, len: usize) -> Option<usize> {
        let index: i64 = part.parse().ok()?;
        let index = if index < 0 { index.checked_add(i64::try_from(len).ok()?)? } else { index };
        usize::try_from(index).ok().filter(|index| *index < len)
    }
}

/// `a[b].c` as `[a][b][c]`, where its pieces make names.
fn repaired(text: &str) -> Option<String> {
    let names: Vec<&str> = text.split(['[', ']']).filter(|name| !name.is_empty()).collect();
    let plain = !names.is_empty() && names.iter().all(|name| !name.contains(char::is_whitespace));
    plain.then(|| names.iter().map(|name| format!("[{name}]")).collect())
}

/// All parts in brackets.
impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| write!(f, "[{part}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[&str]) {
        let parts = FieldRef::parse(text).unwrap().parts;
        assert_eq!(parts, expected, "{text}");
    }

    fn check_error(text: &str, offset: usize, help: Option<&str>) {
        let error = FieldRef::parse(text).unwrap_err();
        assert_eq!((error.offset, error.help.as_deref()), (offset, help), "{text}");
    }

    #[test]
    fn references_are_paths() {
        check("message", &["message"]);
        check("a.b c,d", &["a.b c,d"]);
        check("[a]", &["a"]);
        check("[a][b][0][-1]", &["a", "b", "0", "-1"]);
        check("[[a][b]][c]", &["a", "b", "c"]);
        check("[[a]]", &["a"]);
        check("[@metadata][x]", &["@metadata", "x"]);
        check("[ä ö]", &["ä ö"]);
        assert!(FieldRef::parse("[@metadata][x]").unwrap().is_metadata());
        assert!(!FieldRef::parse("[a][@metadata]").unwrap().is_metadata());
    }

    #[test]
    fn mixtures_are_errors() {
        check_error("", 0, None);
        check_error("a[b]", 1, Some("[a][b]"));
        check_error("[a]b", 3, Some("[a][b]"));
        check_error("[a", 2, Some("[a]"));
        check_error("a]", 1, Some("[a]"));
        check_error("[]", 1, None);
        check_error("[a][]", 4, Some("[a]"));
        check_error("[a[b]]", 2, Some("[a][b]"));
        check_error("[a] [b]", 3, None);
    }

    #[test]
    fn indices_may_count_from_the_end() {
        let check = |part, len, expected| assert_eq!(FieldRef::index(part, len), expected, "{part} of {len}");
        check("0", 2, Some(0));
        check("-1", 2, Some(1));
        check("-2", 2, Some(0));
        check("-3", 2, None);
        check("2", 2, None);
        check("x", 2, None);
        check("-9223372036854775808", 1, None);
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same(text in "[a\\[\\]é0-]{0,12}") {
            if let Ok(field) = FieldRef::parse(&text) {
                prop_assert_eq!(FieldRef::parse(&field.to_string()), Ok(field));
            }
        }
    }
}
