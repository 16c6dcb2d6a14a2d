//! Numbers of payment cards: 13 to 19 digits as one group, or as groups that single spaces or single dashes separate, the
//! first of four digits and none of more than six.
//!
//! One number in ten has Luhn's check digit by chance, and logs are full of stamps and ids. So it must begin as cards do
//! (milliseconds and nanoseconds since 1970 do not), and be no part of a word or of a number with a fraction.

use super::{Hit, Rule, escape};
use std::ops::Range;

const DIGITS_MIN: usize = 13;
const DIGITS_MAX: usize = 19;
/// The first group has so many digits where there are several; one alone has more.
const GROUP_DIGITS: usize = 4;
const GROUP_DIGITS_MAX: usize = 6;

/// Finds them.
pub(super) fn find(text: &[u8], hits: &mut Vec<Hit>) {
    // Every fourth byte is looked at: one of them is in any group of four digits.
    let mut at = GROUP_DIGITS - 1;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += GROUP_DIGITS;
            continue;
        }
        let before = text[..at].iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let end = at + text[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let card = (end - (at - before) >= GROUP_DIGITS).then(|| card(text, at - before, end)).flatten();
        at = card.as_ref().map_or(end + 1, |card| card.end) + GROUP_DIGITS - 1;
        hits.extend(card.map(|card| Hit::new(card, Rule::Card)));
    }
}

/// The card whose first group these digits are.
fn card(text: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let first = escape::behind_escape(text, start)..end;
    let is_group = first.len() == GROUP_DIGITS || (DIGITS_MIN..=DIGITS_MAX).contains(&first.len());
    if !is_group || !begins(text, first.start) {
        return None;
    }
    let separator = text.get(first.end).copied().filter(|b| first.len() == GROUP_DIGITS && matches!(b, b' ' | b'-'));
    let (mut end, mut digits, mut found) = (first.end, first.len(), None);
    loop {
        let whole = first.start..end;
        if digits >= DIGITS_MIN && ends_there(text, end) && is_card(&text[whole.clone()]) {
            found = Some(whole);
        }
        let more = text[end..].iter().skip(1).take(GROUP_DIGITS_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
        digits += more;
        let goes_on = separator.is_some() && text.get(end).copied() == separator;
        if !goes_on || !(1..=GROUP_DIGITS_MAX).contains(&more) || digits > DIGITS_MAX {
            return found;
        }
        end += 1 + more;
    }
}

fn begins(text: &[u8], at: usize) -> bool {
    let fraction = at >= 2 && text[at - 1] == b'.' && text[at - 2].is_ascii_digit();
    !fraction && escape::begins_word(text, at)
}

fn ends_there(text: &[u8], at: usize) -> bool {
    let fraction = text.get(at) == Some(&b'.') && text.get(at + 1).is_some_and(u8::is_ascii_digit);
    !fraction && !text.get(at).copied().is_some_and(escape::is_word)
}

fn is_card(text: &[u8]) -> bool {
    let digits = || text.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'));
    let count = digits().count();
    let lead = digits().take(4).fold(0, |lead, digit| lead * 10 + digit);
    let issued = match lead / 1_000 {
        2 => matches!(lead, 2_200..=2_204 | 2_221..=2_720) && count >= 16,
        3 => count >= 14,
        4 => matches!(count, 13 | 16 | 19),
        5 | 6 => true,
        8 => matches!(lead / 100, 81 | 82) && count == 16,
        _ => false,
    };
    issued && (DIGITS_MIN..=DIGITS_MAX).contains(&count) && has_check_digit(digits().rev())
}

/// Luhn's: every second digit from the end counts twice.
fn has_check_digit(from_the_end: impl Iterator<Item = u32>) -> bool {
    let weighed = from_the_end.enumerate().map(|(at, digit)| match (at % 2, digit) {
        (0, digit) => digit,
        (_, digit @ 0..5) => digit * 2,
        (_, digit) => digit * 2 - 9,
    });
    weighed.sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_found() {
        let check = |text: &str, expected: &[&str]| {
            let mut hits = Vec::new();
            find(text.as_bytes(), &mut hits);
            let found: Vec<_> = hits.iter().map(|hit| &text[hit.range.clone()]).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("4111111111111111", &["4111111111111111"]);
        check("a 4111 1111 1111 1111, 5555-5555-5555-4444.", &["4111 1111 1111 1111", "5555-5555-5555-4444"]);
        check("amex 3782 822463 10005 or 378282246310005", &["3782 822463 10005", "378282246310005"]);
        check("4222222222222 x", &["4222222222222"]);
        check("12 4111111111111111 99", &["4111111111111111"]);
        check("2026 4111 1111 1111 1111 7", &["4111 1111 1111 1111"]);
        check("cc=4111111111111111&x=1", &["4111111111111111"]);
        check(r#"{"a":"\n4111111111111111"}"#, &["4111111111111111"]);
        check(r#"{"a":"\u00e94111111111111111"}"#, &["4111111111111111"]);
        check("4111111111111111 4111111111111111", &["4111111111111111", "4111111111111111"]);
        for none in [
            "4111111111111112",
            "41111111111111110000",
            "1767225600123 1767225600123456789",
            "0.4111111111111111 4111111111111111.5",
            "a4111111111111111 4111111111111111b 4111111111111111_",
            "4111  1111 1111 1111",
            "4111 1111-1111 1111",
            "550e8400-e29b-41d4-a716-446655440000",
            "2026-01-02 03:04:05.678 12 34 56",
            "",
            "411",
        ] {
            check(none, &[]);
        }
    }
}
