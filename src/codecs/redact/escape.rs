//! Escapes in the strings of JSON: `\n`, `\"`, `\u00e9`. What is cut out of a line must not begin inside of one.

/// Whether the byte at `at` is taken literally by a backslash before it.
pub(super) fn is_escaped(text: &[u8], at: usize) -> bool {
    backslashes_before(text, at) % 2 == 1
}

/// How many backslashes end at `at`.
pub(super) fn backslashes_before(text: &[u8], at: usize) -> usize {
    text[..at].iter().rev().take_while(|b| **b == b'\\').count()
}

/// `at`, or where the escape ends that it is inside of.
pub(super) fn behind_escape(text: &[u8], at: usize) -> usize {
    for back in 1..=5.min(at) {
        let start = at - back;
        if text[start] == b'\\' {
            let whole = !is_escaped(text, start);
            return if whole { at.max(start + length(&text[start..])).min(text.len()) } else { at };
        }
    }
    at
}

/// Whether no word goes on from before `at`: an escape there is no part of one.
pub(super) fn begins_word(text: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    let ends_escape = |bytes: usize| {
        let start = at.checked_sub(bytes).filter(|start| text[*start] == b'\\' && !is_escaped(text, *start));
        start.is_some_and(|start| length(&text[start..]) == bytes)
    };
    !is_word(text[before]) || ends_escape(2) || ends_escape(6)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The length of the escape that the text begins with. A backslash before anything else is text.
fn length(text: &[u8]) -> usize {
    match text.get(1) {
        Some(b'u') if text.len() >= 6 && text[2..6].iter().all(u8::is_ascii_hexdigit) => 6,
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_have_ends() {
        let check = |text: &[u8], at, expected| assert_eq!(behind_escape(text, at), expected, "{at}");
        check(br"ab", 1, 1);
        check(br"\nb", 1, 2);
        check(br"\nb", 2, 2);
        check(br"\\nb", 2, 2);
        check(br"\gb", 1, 1);
        check(br"\u00e9b", 1, 6);
        check(br"\u00e9b", 5, 6);
        check(br"\u00e9b", 6, 6);
        check(br"\u00e", 4, 4);
        for (text, at, expected) in [
            (&br"nb"[..], 1, false),
            (br"\nb", 2, true),
            (br"\\nb", 3, false),
            (br"\u00e9b", 6, true),
            (b"a b", 2, true),
        ] {
            assert_eq!(begins_word(text, at), expected, "{at}");
        }
    }
}
