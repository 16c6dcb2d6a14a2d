//! The smallest pieces of a query: words, quotes, regular expressions, field heads.
//!
//! A backslash takes the meaning from the next character where that is whitespace or ASCII punctuation other than `_`;
//! before anything else it stands for itself, so that `C:\path` needs no care. Between quotes it only escapes quotes
//! and backslashes.

use super::ast::{Pattern, PatternPart, Regex};
use super::error::QueryErrorCode;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::{char, one_of, satisfy};
use nom::combinator::{not, peek, recognize, value};
use nom::error::ErrorKind;
use nom::multi::{many0_count, many1_count};
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};
use std::net::{Ipv6Addr, SocketAddr};

/// The longest regular expression between slashes.
pub const REGEX_BYTES_MAX: usize = 4 * 1024;

/// An address with its port, zone and what follows a slash is recognised by so many bytes.
const ADDRESS_BYTES_MAX: usize = 128;

/// What every parser here returns.
pub(super) type Read<'t, O> = IResult<&'t str, O, Fault>;

/// Why a parser did not take its input.
#[derive(Debug)]
pub(super) enum Fault {
    /// Not this; another alternative may fit.
    Mismatch,
    /// This, but wrong: nothing else can fit.
    Problem(Box<Problem>),
}

/// A [`super::error::QueryError`] in the making: places are counted in bytes that are left, as nom sees them.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) code: QueryErrorCode,
    pub(super) left_at_start: usize,
    pub(super) left_at_end: usize,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl nom::error::ParseError<&str> for Fault {
    fn from_error_kind(_: &str, _: ErrorKind) -> Fault {
        Fault::Mismatch
    }

    fn append(_: &str, _: ErrorKind, other: Fault) -> Fault {
        other
    }
}

/// Not this.
pub(super) fn mismatch<'t, O>() -> Read<'t, O> {
    Err(nom::Err::Error(Fault::Mismatch))
}

/// A problem with the first `len` bytes of `at`.
pub(super) fn fail<'t, O>(
    code: QueryErrorCode,
    at: &str,
    len: usize,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Read<'t, O> {
    let hint: String = hint.into();
    Err(nom::Err::Failure(Fault::Problem(Box::new(Problem {
        code,
        left_at_start: at.len(),
        left_at_end: at.len() - len,
        message: message.into(),
        hint: (!hint.is_empty()).then_some(hint),
    }))))
}

/// Where a bare word stands, which decides what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a query or behind `field:`: brackets and commas belong to the word.
    Free,
    /// In `[a, b]`, `[a TO b]` and `IN (a, b)`.
    List,
}

/// Whether a backslash takes the meaning from this character.
pub(super) fn escapable(c: char) -> bool {
    c != '_' && (c.is_ascii_punctuation() || c.is_whitespace())
}

fn ends_word(c: char, place: Place) -> bool {
    c.is_whitespace()
        || matches!(c, '(' | ')' | '"' | '|')
        || (place == Place::List && matches!(c, ',' | '[' | ']' | '{' | '}'))
}

fn escape(input: &str) -> Read<'_, char> {
    preceded(char('\\'), satisfy(escapable)).parse(input)
}

/// A bare word as typed, escapes and all.
pub(super) fn raw_word(input: &str, place: Place) -> Read<'_, &str> {
    let ordinary = preceded(not(tag("&&")), satisfy(|c| !ends_word(c, place)));
    recognize(many1_count(alt((escape, ordinary)))).parse(input)
}

/// One character of a word, once its escapes are read.
enum Piece {
    Plain(char),
    Escaped(char),
}

fn pieces(raw: &str) -> impl Iterator<Item = Piece> {
    let mut chars = raw.chars().peekable();
    std::iter::from_fn(move || {
        let c = chars.next()?;
        match chars.next_if(|next| c == '\\' && escapable(*next)) {
            Some(next) => Some(Piece::Escaped(next)),
            None => Some(Piece::Plain(c)),
        }
    })
}

/// The text of a raw word.
pub(super) fn unescape(raw: &str) -> String {
    pieces(raw).map(|(Piece::Plain(c) | Piece::Escaped(c))| c).collect()
}

/// The wildcard pattern that a raw word is, if it has an unescaped `*` or `?`.
pub(super) fn pattern(raw: &str) -> Option<Pattern> {
    let mut parts = Vec::new();
    let mut wild = false;
    for piece in pieces(raw) {
        match piece {
            Piece::Plain('*') => {
                wild = true;
                if parts.last() != Some(&PatternPart::AnyRun) {
                    parts.push(PatternPart::AnyRun);
                }
            }
            Piece::Plain('?') => {
                wild = true;
                parts.push(PatternPart::AnyOne);
            }
            Piece::Plain(c) | Piece::Escaped(c) => match parts.last_mut() {
                Some(PatternPart::Literal(text)) => text.push(c),
                _ => parts.push(PatternPart::Literal(c.to_string())),
            },
        }
    }
    wild.then_some(Pattern(parts))
}

/// The end of a clause: nothing more, whitespace, a parenthesis, a quote, a pipe, `&&`.
pub(super) fn edge(input: &str) -> Read<'_, ()> {
    match input.chars().next() {
        None => Ok((input, ())),
        Some(c) if ends_word(c, Place::Free) || input.starts_with("&&") => Ok((input, ())),
        Some(_) => mismatch(),
    }
}

/// `AND`, `OR`, `NOT`, `TO` in any case, as a whole word.
pub(super) fn keyword<'t>(input: &'t str, word: &'static str) -> Read<'t, ()> {
    value((), terminated(tag_no_case(word), peek(edge))).parse(input)
}

/// Text between double or single quotes. A lone `'` is a mismatch, since words begin with apostrophes; a lone `"` is a
/// problem.
pub(super) fn quoted(input: &str) -> Read<'_, String> {
    let (body, quote) = one_of("\"'").parse(input)?;
    let mut text = String::new();
    let mut chars = body.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Ok((&body[at + c.len_utf8()..], text));
        }
        let escaped = chars.next_if(|(_, next)| c == '\\' && matches!(next, '"' | '\'' | '\\'));
        text.push(escaped.map_or(c, |(_, next)| next));
    }
    if quote == '\'' {
        return mismatch();
    }
    fail(
        QueryErrorCode::UnclosedQuote,
        input,
        1,
        "this quote is never closed: expected another `\"`",
        "add `\"` at the end of the phrase, or write `\\\"` for a quote that is part of the text",
    )
}

/// `/re/` or `/re/i`, checked. Only where the closing slash ends the clause: `/var/log` is a word.
pub(super) fn regex(input: &str) -> Read<'_, Regex> {
    let (body, _) = char('/').parse(input)?;
    let Some(len) = regex_len(body, true).or_else(|| regex_len(body, false)) else {
        return mismatch();
    };
    let raw = &body[..len];
    let mut rest = &body[len + 1..];
    let ignore_case = rest.starts_with('i');
    if ignore_case {
        rest = &rest[1..];
    }
    if len > REGEX_BYTES_MAX {
        return regex_problem(body, len, &format!("it has {len} bytes, more than the {REGEX_BYTES_MAX} allowed"));
    }
    let pattern = unescape_slashes(raw);
    let wrong_at = check_regex(&pattern);
    match wrong_at {
        Ok(()) => Ok((rest, Regex { pattern, ignore_case })),
        Err((offset, len, what)) => {
            let start = raw_offset(raw, offset);
            let end = raw_offset(raw, offset + len).max(start);
            regex_problem(&body[start..], end - start, &what)
        }
    }
}

/// Reports a regular expression that does not hold.
pub(super) fn regex_problem<'t, O>(at: &str, len: usize, what: &str) -> Read<'t, O> {
    fail(
        QueryErrorCode::BadRegex,
        at,
        len,
        format!("this regular expression is not valid: {what}"),
        "escape special characters with a backslash; for plain text use quotes instead of slashes",
    )
}

/// Where and why an expression does not hold: byte offset, length, reason.
pub(super) fn check_regex(pattern: &str) -> Result<(), (usize, usize, String)> {
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(64).build();
    let (span, what) = match parser.parse(pattern) {
        Ok(_) => return Ok(()),
        Err(regex_syntax::Error::Parse(error)) => (*error.span(), error.kind().to_string()),
        Err(regex_syntax::Error::Translate(error)) => (*error.span(), error.kind().to_string()),
        Err(_) => return Err((0, pattern.len(), "it cannot be read".to_owned())),
    };
    Err((span.start.offset, span.end.offset - span.start.offset, what))
}

/// The length of a regular expression up to its closing slash. With `classes`, a slash in `[...]` does not close.
fn regex_len(body: &str, classes: bool) -> Option<usize> {
    let mut in_class = false;
    // Each slash looks for the end of its class: without a limit a query of such slashes would take quadratic time.
    let mut bytes = body.bytes().enumerate().take(if classes { REGEX_BYTES_MAX + 1 } else { usize::MAX });
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => _ = bytes.next(),
            b'[' if classes => in_class = true,
            b']' => in_class = false,
            b'/' if !in_class => {
                let rest = &body[at + 1..];
                let closed = edge(rest).is_ok() || rest.strip_prefix('i').is_some_and(|rest| edge(rest).is_ok());
                return (closed && at > 0).then_some(at);
            }
            _ => {}
        }
    }
    None
}

/// An expression without the backslashes that only guard slashes.
pub(super) fn unescape_slashes(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some('/') => text.push('/'),
                Some(next) => text.extend([c, next]),
                None => text.push(c),
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// The place in the raw expression of a place in the unescaped one.
fn raw_offset(raw: &str, offset: usize) -> usize {
    let mut plain = 0;
    let mut chars = raw.char_indices();
    while let Some((at, c)) = chars.next() {
        if plain >= offset {
            return at;
        }
        plain += c.len_utf8();
        if c == '\\'
            && let Some((_, next)) = chars.next()
        {
            plain += if next == '/' { 0 } else { next.len_utf8() };
        }
    }
    raw.len()
}

/// How a field and its value are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// `field:`
    Has,
    /// `field=`, `field==`, `field:=`
    Exact,
    /// `field!=`
    NotExact,
    /// Loki's `field=~"re"`
    Matches,
    /// Loki's `field!~"re"`
    NotMatches,
    /// `field IN (`
    In,
    /// `field>=5`: accepted with a hint; the comparison is still to be read.
    Compare,
}

/// A field name and what follows it.
#[derive(Debug)]
pub(super) struct Head<'t> {
    /// The name, unescaped, without quotes or a leading `@`.
    pub(super) name: String,
    /// The name as typed: a suffix of the query begins here.
    pub(super) at: &'t str,
    /// The length of the name as typed.
    pub(super) len: usize,
    /// Whether a leading `@` was dropped.
    pub(super) stripped: bool,
    /// What joins it to its value.
    pub(super) op: Op,
}

impl Head<'_> {
    /// Whether this is the event's own time.
    pub(super) fn is_time(&self) -> bool {
        matches!(self.name.as_str(), "_time" | "@timestamp")
    }
}

/// A field name with its operator; the rest begins at the value. Names that begin with a digit need quotes, so that
/// `10:30:15` and `10.0.0.1:80` are words; so are addresses, `a::b`, `http://x` and `C:\x`.
pub(super) fn head(input: &str) -> Read<'_, Head<'_>> {
    let (rest, (name, bare)) = alt((
        |input| quoted(input).map(|(rest, name)| (rest, (name, false))),
        value(("*".to_owned(), true), terminated(char('*'), peek(char(':')))),
        |input| bare_name(input).map(|(rest, raw)| (rest, (unescape(raw), true))),
    ))
    .parse(input)?;
    if name.is_empty() || (bare && is_address(input)) {
        return mismatch();
    }
    let len = input.len() - rest.len();
    let typed = &input[..len];
    let (rest, op) =
        alt((|rest| has(rest, typed, bare), equality, set, |rest| compare(rest, typed, bare))).parse(rest)?;
    let stripped = bare && name.len() > 1 && name.starts_with('@') && name != "@timestamp";
    let name = if stripped { name[1..].to_owned() } else { name };
    Ok((rest, Head { name, at: input, len, stripped, op }))
}

fn bare_name(input: &str) -> Read<'_, &str> {
    let first = satisfy(|c| c.is_alphabetic() || matches!(c, '_' | '@' | '$'));
    let next = satisfy(|c| c.is_alphanumeric() || matches!(c, '_' | '@' | '$' | '.' | '-' | '/'));
    recognize(pair(alt((escape, first)), many0_count(alt((escape, next))))).parse(input)
}

fn has<'t>(input: &'t str, typed: &str, bare: bool) -> Read<'t, Op> {
    let (rest, _) = char(':').parse(input)?;
    if let Some(exact) = rest.strip_prefix('=')
        && value_follows(exact)
    {
        return Ok((exact, Op::Exact));
    }
    if bare && (rest.starts_with(':') || rest.starts_with("//") || is_drive(typed, rest)) {
        return mismatch();
    }
    Ok((rest, Op::Has))
}

/// Whether `C` and what follows its colon are a Windows path.
fn is_drive(typed: &str, rest: &str) -> bool {
    let mut bytes = typed.bytes();
    let letter = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic()) && bytes.next().is_none();
    let folder = |rest: &str| {
        rest.chars().next().is_none_or(|c| c == '\\' || c == '_' || c.is_whitespace() || c.is_alphanumeric())
    };
    letter && (rest.strip_prefix('\\').is_some_and(folder) || (rest.starts_with('/') && regex(rest).is_err()))
}

fn equality(input: &str) -> Read<'_, Op> {
    let (rest, op) = alt((
        value(Op::Matches, terminated(tag("=~"), peek(one_of("\"'`")))),
        value(Op::NotMatches, terminated(tag("!~"), peek(one_of("\"'`")))),
        value(Op::NotExact, tag("!=")),
        value(Op::Exact, tag("==")),
        value(Op::Exact, tag("=")),
    ))
    .parse(input)?;
    if value_follows(rest) { Ok((rest, op)) } else { mismatch() }
}

/// Whether a value can begin here without a space: `abc==` and `a=>b` are words.
fn value_follows(rest: &str) -> bool {
    rest.chars().next().is_some_and(|c| !c.is_whitespace() && !matches!(c, ')' | '(' | '|' | '>' | '='))
}

fn set(input: &str) -> Read<'_, Op> {
    let rest = input.trim_start();
    if rest.len() == input.len() {
        return mismatch();
    }
    let (rest, ()) = keyword(rest, "in")?;
    let rest = rest.trim_start();
    if rest.starts_with('(') { Ok((rest, Op::In)) } else { mismatch() }
}

fn compare<'t>(input: &'t str, typed: &str, bare: bool) -> Read<'t, Op> {
    let number = input.trim_start_matches(['<', '>']).trim_start_matches('=');
    let number = number.strip_prefix('-').unwrap_or(number);
    let known = bare && !typed.ends_with('-') && input.starts_with(['<', '>']);
    if known && number.starts_with(|c: char| c.is_ascii_digit()) { Ok((input, Op::Compare)) } else { mismatch() }
}

/// Whether the word here is an IPv6, socket or hardware address, whose colons do not name a field.
fn is_address(input: &str) -> bool {
    let head = &input[..input.floor_char_boundary(ADDRESS_BYTES_MAX)];
    let word = head.split(|c: char| ends_word(c, Place::Free)).next().unwrap_or_default();
    let word = word.trim_end_matches([',', ';']);
    let host = word.split(['/', '%']).next().unwrap_or_default();
    let hardware = || {
        word.len() == 17
            && word.split(':').count() == 6
            && word.split(':').all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    host.len() <= 64
        && host.contains(':')
        && (host.parse::<Ipv6Addr>().is_ok() || word.parse::<SocketAddr>().is_ok() || hardware())
}
