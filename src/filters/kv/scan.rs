//! Finds the pairs of a text, from its beginning to its end, in time linear in it, unless an expression that splits looks around.
//!
//! Most bytes are looked up in a table of 256 and passed; only where something may end is a character looked at.

use crate::config::{Expression, ruby_regex};
use regex::Regex;
use std::fmt;

/// The text between which and the same character behind a value may stand; the last three are brackets.
const QUOTES: [(u8, u8); 5] = [(b'"', b'"'), (b'\'', b'\''), (b'(', b')'), (b'[', b']'), (b'<', b'>')];

/// Characters as a class of an expression writes them: `&?`, `\t`, `a-z`.
#[derive(Debug)]
pub(super) struct CharSet {
    ascii: [bool; 128],
    others: Regex,
}

impl CharSet {
    pub(super) fn new(class: &str) -> Result<CharSet, String> {
        let others = ruby_regex(&format!("[{class}]"))?;
        let mut ascii = [false; 128];
        for (has, c) in ascii.iter_mut().zip('\0'..) {
            *has = others.is_match(c.encode_utf8(&mut [0; 4]));
        }
        Ok(CharSet { ascii, others })
    }

    pub(super) fn has(&self, c: char) -> bool {
        match self.ascii.get(c as usize) {
            Some(has) => *has,
            None => self.others.is_match(c.encode_utf8(&mut [0; 4])),
        }
    }
}

/// What stands between fields, or between a key and its value.
#[derive(Debug)]
pub(super) enum Splitter {
    Set(CharSet),
    Pattern(Expression),
}

/// Where an expression matches first at this place or behind it. A match of nothing splits nothing.
fn find_at(pattern: &Expression, text: &str, at: usize) -> Option<(usize, usize)> {
    let found = match pattern {
        Expression::Linear(regex) => regex.find_at(text, at).map(|found| (found.start(), found.end())),
        Expression::Backtracking(both) => {
            let found = both.0.find_from_pos(text, at).ok().flatten();
            found.map(|found| (found.start(), found.end()))
        }
    };
    found.filter(|(start, end)| start < end)
}

/// The next place of a splitter, looked for only when the last one lies behind.
struct Next<'s> {
    splitter: &'s Splitter,
    found: Option<(usize, usize)>,
    looked_from: Option<usize>,
}

impl<'s> Next<'s> {
    fn new(splitter: &'s Splitter) -> Next<'s> {
        Next { splitter, found: None, looked_from: None }
    }

    /// Where it ends, if it is at this place.
    fn at(&mut self, text: &str, at: usize) -> Option<usize> {
        match self.splitter {
            Splitter::Set(set) => match set.ascii.get(usize::from(*text.as_bytes().get(at)?)) {
                Some(has) => has.then_some(at + 1),
                None => {
                    let c = text[at..].chars().next()?;
                    set.has(c).then(|| at + c.len_utf8())
                }
            },
            Splitter::Pattern(pattern) => {
                let is_stale = match (self.looked_from, self.found) {
                    (None, _) => true,
                    (Some(from), found) => from > at || found.is_some_and(|(start, _)| start < at),
                };
                if is_stale {
                    self.found = find_at(pattern, text, at);
                    self.looked_from = Some(at);
                }
                self.found.filter(|(start, _)| *start == at).map(|(_, end)| end)
            }
        }
    }
}

/// The bytes at which a look at the character is due; no other byte begins what splits, or escapes.
struct Stops {
    table: [bool; 256],
    /// Those that are ASCII, where they are so few; some more than once.
    few: Option<[u8; FEW]>,
}

/// As many bytes as eight at a time are compared with.
const FEW: usize = 4;

impl Stops {
    fn new(splitters: &[&Splitter]) -> Stops {
        let mut table = [false; 256];
        for (is_stop, byte) in table.iter_mut().zip(0..=u8::MAX) {
            let may_begin = |splitter: &&Splitter| match splitter {
                Splitter::Set(set) => set.ascii.get(usize::from(byte)).is_none_or(|has| *has),
                Splitter::Pattern(_) => true,
            };
            *is_stop = byte == b'\\' || splitters.iter().any(may_begin);
        }
        let ascii: Vec<u8> = (0..0x80).filter(|byte| table[usize::from(*byte)]).collect();
        let few = (ascii.len() <= FEW).then(|| std::array::from_fn(|n| *ascii.get(n).unwrap_or(&b'\\')));
        Stops { table, few }
    }

    /// The first of them at this place or behind it, or the end.
    fn next(&self, text: &str, from: usize) -> usize {
        let rest = text.as_bytes().get(from..).unwrap_or_default();
        let mut passed = 0;
        if let Some(few) = &self.few {
            // Most names and values are short: one step, where a loop over bytes would end in another place each time.
            for word in rest.as_chunks::<8>().0 {
                if let Some(at) = first_of(few, *word) {
                    return from + passed + at;
                }
                passed += 8;
            }
        }
        let is_stop = |byte: &u8| self.table[usize::from(*byte)];
        rest[passed..].iter().position(is_stop).map_or(text.len(), |behind| from + passed + behind)
    }
}

/// The first byte of eight that is one of these or no ASCII.
fn first_of(few: &[u8; FEW], word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(word);
    // A subtraction borrows from the byte above only behind a byte that is found, so the lowest one found is right.
    let is = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES) & !(word ^ (ONES * u64::from(byte)));
    let found = few.iter().fold(word, |found, byte| found | is(*byte)) & (ONES << 7);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

impl fmt::Debug for Stops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stops").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Scanner {
    field: Splitter,
    value: Splitter,
    include_brackets: bool,
    /// Whether spaces may stand around what splits a value.
    is_lenient: bool,
    key_stops: Stops,
    value_stops: Stops,
}

impl Scanner {
    pub(super) fn new(field: Splitter, value: Splitter, include_brackets: bool, is_lenient: bool) -> Scanner {
        let (key_stops, value_stops) = (Stops::new(&[&field, &value]), Stops::new(&[&field]));
        Scanner { field, value, include_brackets, is_lenient, key_stops, value_stops }
    }

    /// Calls `take` with each key and its value, both slices of `text`.
    pub(super) fn each(&self, text: &str, mut take: impl FnMut(&str, &str)) {
        let (mut field, mut value) = (Next::new(&self.field), Next::new(&self.value));
        let mut at = 0;
        while at < text.len() {
            let key_end = self.key_end(text, at, &mut field, &mut value);
            if key_end == at {
                at += width(text, at);
                continue;
            }
            let Some(from) = self.behind_split(text, key_end, &mut value) else {
                at = key_end;
                continue;
            };
            let (found, end) = self.value_at(text, from, &mut field);
            take(&text[at..key_end], found);
            at = field.at(text, end).unwrap_or(end);
        }
    }

    /// Where the key ends that begins here.
    fn key_end(&self, text: &str, from: usize, field: &mut Next<'_>, value: &mut Next<'_>) -> usize {
        let mut at = self.key_stops.next(text, from);
        while at < text.len() {
            if value.at(text, at).is_some() || field.at(text, at).is_some() {
                break;
            }
            at = self.key_stops.next(text, at + piece(text, at));
        }
        // Spaces before what splits the value are no part of the key, where a pattern splits fields.
        match self.is_lenient && value.at(text, at.min(text.len())).is_some() {
            true => from + text[from..at].trim_end_matches(' ').len(),
            false => at,
        }
    }

    /// Where the value begins whose key ends here.
    fn behind_split(&self, text: &str, key_end: usize, value: &mut Next<'_>) -> Option<usize> {
        if !self.is_lenient {
            return value.at(text, key_end);
        }
        let behind_spaces = |at: usize| {
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            at + rest.iter().take_while(|byte| **byte == b' ').count()
        };
        let end = value.at(text, behind_spaces(key_end)).or_else(|| value.at(text, key_end))?;
        Some(behind_spaces(end))
    }

    /// The value that begins here, without its quotes, and where it ends.
    fn value_at<'t>(&self, text: &'t str, from: usize, field: &mut Next<'_>) -> (&'t str, usize) {
        let quotes = if self.include_brackets { &QUOTES[..] } else { &QUOTES[..2] };
        let open = text.as_bytes().get(from);
        if let Some((_, close)) = quotes.iter().find(|(known, _)| Some(known) == open)
            && let Some(end) = closing(text, from + 1, *close)
        {
            let behind = end + 1;
            if behind == text.len() || text[behind..].starts_with('\n') || field.at(text, behind).is_some() {
                return (&text[from + 1..end], behind);
            }
        }
        let mut at = self.value_stops.next(text, from);
        while at < text.len() && field.at(text, at).is_none() {
            at = self.value_stops.next(text, at + piece(text, at));
        }
        (&text[from..at], at)
    }
}

fn width(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// A character, or a backslash with what it escapes.
fn piece(text: &str, at: usize) -> usize {
    match text[at..].strip_prefix('\\').and_then(|behind| behind.chars().next()) {
        Some(escaped) => 1 + escaped.len_utf8(),
        None => width(text, at),
    }
}

/// Where the closing quote is.
fn closing(text: &str, from: usize, close: u8) -> Option<usize> {
    let mut at = from;
    while at < text.len() {
        if text.as_bytes()[at] == close {
            return Some(at);
        }
        at += piece(text, at);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, one character after the other: what it was before there were tables.
    fn simple(scanner: &Scanner, text: &str) -> Vec<(String, String)> {
        let at_set = |splitter: &Splitter, at: usize| match splitter {
            Splitter::Set(set) => text[at..].chars().next().filter(|c| set.has(*c)).map(|c| at + c.len_utf8()),
            Splitter::Pattern(pattern) => {
                find_at(pattern, text, at).filter(|(start, _)| *start == at).map(|(_, end)| end)
            }
        };
        let field = |at: usize| at_set(&scanner.field, at);
        let value = |at: usize| at_set(&scanner.value, at);
        let spaces = |at: usize| text.len() - text[at..].trim_start_matches(' ').len();
        let mut out = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let mut end = at;
            while end < text.len() && value(end).is_none() && field(end).is_none() {
                end += piece(text, end);
            }
            if scanner.is_lenient && value(end).is_some() {
                end = at + text[at..end].trim_end_matches(' ').len();
            }
            if end == at {
                at += width(text, at);
                continue;
            }
            let split = match scanner.is_lenient {
                true => value(spaces(end)).or_else(|| value(end)).map(spaces),
                false => value(end),
            };
            let Some(from) = split else {
                at = end;
                continue;
            };
            let quotes = if scanner.include_brackets { &QUOTES[..] } else { &QUOTES[..2] };
            let quoted =
                quotes.iter().find(|(open, _)| text.as_bytes().get(from) == Some(open)).and_then(|(_, close)| {
                    let end = closing(text, from + 1, *close)?;
                    let ends = end + 1 == text.len() || text[end + 1..].starts_with('\n') || field(end + 1).is_some();
                    ends.then(|| (&text[from + 1..end], end + 1))
                });
            let (found, behind) = quoted.unwrap_or_else(|| {
                let mut to = from;
                while to < text.len() && field(to).is_none() {
                    to += piece(text, to);
                }
                (&text[from..to], to)
            });
            out.push((text[at..end].to_owned(), found.to_owned()));
            at = field(behind).unwrap_or(behind);
        }
        out
    }

    fn splitter() -> impl Strategy<Value = Splitter> {
        let set = |class: &str| Splitter::Set(CharSet::new(class).unwrap());
        let pattern = |text: &str| Splitter::Pattern(Expression::new(text).unwrap());
        (0..10_usize).prop_map(move |n| match n {
            0 | 1 => set(" "),
            2 | 3 => set("="),
            4 => set("&;=:"),
            5 => set("^a-zA-Z\u{e4}"),
            6 => set("\u{e4}\\\\|"),
            7 => pattern(r"\s+|, "),
            8 => pattern("=>|:="),
            _ => pattern(r"\b"),
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn tables_change_nothing(
            text in "([a-c=:&;|, \"'()<>\\[\\]\\\\\n\u{e4}\u{20ac}]|a=b |=\"|\" | = |=>){0,40}",
            field in splitter(),
            value in splitter(),
            include_brackets: bool,
            is_lenient: bool,
        ) {
            let scanner = Scanner::new(field, value, include_brackets, is_lenient);
            let mut seen = Vec::new();
            scanner.each(&text, |key, value| seen.push((key.to_owned(), value.to_owned())));
            prop_assert_eq!(seen, simple(&scanner, &text));
        }
    }
}
