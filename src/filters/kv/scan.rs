//! Finds the pairs of a text, from its beginning to its end, in time linear in it.

use crate::config::ruby_regex;
use regex::Regex;

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
    Pattern(Regex),
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
            Splitter::Set(set) => {
                let c = text[at..].chars().next()?;
                set.has(c).then(|| at + c.len_utf8())
            }
            Splitter::Pattern(regex) => {
                let is_stale = match (self.looked_from, self.found) {
                    (None, _) => true,
                    (Some(from), found) => from > at || found.is_some_and(|(start, _)| start < at),
                };
                if is_stale {
                    // A match of nothing splits nothing.
                    let found = regex.find_at(text, at).filter(|found| !found.is_empty());
                    self.found = found.map(|found| (found.start(), found.end()));
                    self.looked_from = Some(at);
                }
                self.found.filter(|(start, _)| *start == at).map(|(_, end)| end)
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) field: Splitter,
    pub(super) value: Splitter,
    pub(super) include_brackets: bool,
    /// Whether spaces may stand around what splits a value.
    pub(super) is_lenient: bool,
}

impl Scanner {
    /// Calls `take` with each key and its value.
    pub(super) fn each(&self, text: &str, take: &mut dyn FnMut(&str, &str)) {
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
        let mut at = from;
        while at < text.len() {
            if value.at(text, at).is_some() || field.at(text, at).is_some() {
                break;
            }
            at += piece(text, at);
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
        let behind_spaces = |at: usize| text.len() - text[at..].trim_start_matches(' ').len();
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
        let mut at = from;
        while at < text.len() && field.at(text, at).is_none() {
            at += piece(text, at);
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
