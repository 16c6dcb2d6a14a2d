//! A line in pieces: those of known kinds, words, and single characters between them.

use super::super::{Grok, Library, Options, Outcome, Scratch};
use std::cell::RefCell;

/// Pieces of a line that are told apart.
pub const TOKENS_MAX: usize = 200;

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A character between others.
    Separator,
    Timestamp(&'static str),
    Uuid,
    Email,
    Uri,
    Mac,
    Ip,
    Quoted,
    Path,
    Level,
    Method,
    Int,
    Number,
    /// Letters, digits and underscores.
    Word,
    /// Anything without a blank.
    Text,
    /// Anything.
    Any,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
}

/// Kinds that standard patterns recognise, in the order in which they are tried.
const KINDS: &[(&str, Kind)] = &[
    ("TIMESTAMP_ISO8601", Kind::Timestamp("TIMESTAMP_ISO8601")),
    ("HTTPDATE", Kind::Timestamp("HTTPDATE")),
    ("DATESTAMP_RFC2822", Kind::Timestamp("DATESTAMP_RFC2822")),
    ("DATESTAMP_OTHER", Kind::Timestamp("DATESTAMP_OTHER")),
    ("SYSLOGTIMESTAMP", Kind::Timestamp("SYSLOGTIMESTAMP")),
    ("DATESTAMP", Kind::Timestamp("DATESTAMP")),
    ("UUID", Kind::Uuid),
    ("EMAILADDRESS", Kind::Email),
    ("URI", Kind::Uri),
    ("MAC", Kind::Mac),
    ("IP", Kind::Ip),
    ("TIME", Kind::Timestamp("TIME")),
    ("QUOTEDSTRING", Kind::Quoted),
    ("URIPATHPARAM", Kind::Path),
];
const LEVELS: [&str; 17] = [
    "alert",
    "trace",
    "debug",
    "notice",
    "info",
    "information",
    "warn",
    "warning",
    "err",
    "error",
    "crit",
    "critical",
    "fatal",
    "severe",
    "emerg",
    "emergency",
    "inf",
];
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
/// What may follow a number at once.
const UNITS: [&str; 14] = ["ns", "us", "µs", "ms", "s", "m", "h", "b", "kb", "mb", "gb", "kib", "mib", "gib"];

/// The patterns of known kinds, compiled.
pub(super) struct Tokens {
    kinds: Vec<(Grok, Kind)>,
    scratch: RefCell<Scratch>,
}

impl Tokens {
    pub(super) fn new() -> Tokens {
        let library = Library::standard(super::super::FieldNames::Ecs);
        let compiled = |(name, kind): &(&str, Kind)| {
            let grok = Grok::compile(&[format!("\\A%{{{name}:t}}")], &library, Options::default());
            grok.ok().map(|grok| (grok, *kind))
        };
        Tokens { kinds: KINDS.iter().filter_map(compiled).collect(), scratch: RefCell::default() }
    }

    /// The pieces of a line.
    pub(super) fn cut<'t>(&self, line: &'t str) -> Vec<Token<'t>> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(first) = line[at..].chars().next() {
            if tokens.len() == TOKENS_MAX {
                tokens.push(Token { kind: Kind::Any, text: &line[at..] });
                break;
            }
            let before = line[..at].chars().next_back();
            let (kind, length) = self.piece(&line[at..], first, before);
            tokens.push(Token { kind, text: &line[at..at + length] });
            at += length;
        }
        tokens
    }

    fn piece(&self, rest: &str, first: char, before: Option<char>) -> (Kind, usize) {
        let begins = !before.is_some_and(is_inner);
        if let Some(found) = begins.then(|| self.known(rest, before)).flatten() {
            return found;
        }
        if let Some(found) = number(rest, before) {
            return found;
        }
        let length = rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
        if length == 0 {
            return (Kind::Separator, first.len_utf8());
        }
        let word = &rest[..length];
        let kind = match word {
            _ if !word.is_ascii() => Kind::Text,
            _ if METHODS.contains(&word) => Kind::Method,
            _ if LEVELS.contains(&word.to_ascii_lowercase().as_str()) && is_one_case(word) => Kind::Level,
            _ => Kind::Word,
        };
        (kind, length)
    }

    fn known(&self, rest: &str, before: Option<char>) -> Option<(Kind, usize)> {
        let mut scratch = self.scratch.borrow_mut();
        self.kinds.iter().find_map(|(grok, kind)| {
            let Outcome::Match { .. } = grok.matches(rest, &mut scratch) else { return None };
            let end = scratch.captures().first()?.end;
            let next = rest[end..].chars().next();
            let is_good = match kind {
                Kind::Path => {
                    let opens = before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '=' | '(' | '[' | ':'));
                    opens && end > 1 && next.is_none_or(|c| !is_inner(c))
                }
                // Behind a word it is an apostrophe.
                Kind::Quoted => true,
                // A timestamp of no more than a time is none where more digits are around it.
                _ => next.is_none_or(|c| !is_inner(c)) && !matches!(before, Some('.')),
            };
            (end > 0 && is_good).then_some((*kind, end))
        })
    }
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `info`, `Info` or `INFO`, as the pattern for levels has them.
fn is_one_case(word: &str) -> bool {
    let rest = &word[1..];
    rest.bytes().all(|b| b.is_ascii_lowercase()) || word.bytes().all(|b| b.is_ascii_uppercase())
}

/// A number that is no part of a word.
fn number(rest: &str, before: Option<char>) -> Option<(Kind, usize)> {
    if before.is_some_and(is_inner) {
        return None;
    }
    let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(rest.starts_with('-') && before.is_none_or(|c| c.is_whitespace() || "=:([,\"".contains(c)));
    let whole = digits(sign);
    if whole == 0 {
        return None;
    }
    let mut end = sign + whole;
    let mut kind = Kind::Int;
    // The pattern looks at what stands before it.
    let is_free = before.is_none_or(|c| !matches!(c, '0'..='9' | '.' | '+' | '-'));
    if is_free && rest[end..].starts_with('.') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
        kind = Kind::Number;
    }
    if kind == Kind::Number && rest[end..].starts_with('.') {
        return Some((Kind::Int, sign + whole));
    }
    let unit: String = rest[end..].chars().take_while(|c| is_inner(*c)).collect();
    (unit.is_empty() || UNITS.contains(&unit.to_lowercase().as_str())).then_some((kind, end))
}
