//! Classes of characters and escapes, by the rules of Ruby's regular expressions: `\d \h \s \w` are ASCII, the names
//! in `[[:alpha:]]` are Unicode's, classes nest and intersect (`[a-z&&[^x]]`).

use super::error::{GrokError, GrokErrorCode::*};
use super::node::{Assertion, any};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

/// Brackets inside each other.
const NESTED_MAX: usize = 32;

/// A text that is read from its beginning to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'s> {
    pub text: &'s str,
    pub at: usize,
}

impl<'s> Source<'s> {
    pub(super) fn new(text: &'s str) -> Source<'s> {
        Source { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(super) fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// Leading characters of a kind.
    pub(super) fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn error(&self, from: usize, message: impl Into<String>) -> GrokError {
        GrokError::new(Syntax, from..self.at.max(from), message)
    }

    pub(super) fn unsupported(&self, from: usize, what: &str) -> GrokError {
        GrokError::new(Unsupported, from..self.at.max(from), format!("{what} is not supported in patterns"))
    }
}

/// What a backslash and what follows it stand for.
#[derive(Clone, Debug)]
pub(super) enum Escape {
    Char(char),
    Class(ClassUnicode),
    Assert(Assertion),
    /// `\R`
    LineBreak,
    /// `\1`
    Number(usize),
    /// `\k<name>`
    Name(String),
}

fn ranges(pairs: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(pairs.iter().map(|(start, end)| ClassUnicodeRange::new(*start, *end)))
}

fn negated(mut class: ClassUnicode) -> ClassUnicode {
    class.negate();
    class
}

pub(super) fn one(c: char) -> ClassUnicode {
    ranges(&[(c, c)])
}

fn digits() -> ClassUnicode {
    ranges(&[('0', '9')])
}

fn hex_digits() -> ClassUnicode {
    ranges(&[('0', '9'), ('A', 'F'), ('a', 'f')])
}

fn word() -> ClassUnicode {
    ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')])
}

fn space() -> ClassUnicode {
    ranges(&[('\t', '\r'), (' ', ' ')])
}

/// A class by the name of a Unicode property.
fn property(expression: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(expression).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        HirKind::Class(Class::Bytes(class)) => class.to_unicode_class(),
        _ => None,
    }
}

/// `[:name:]`
fn posix(name: &str) -> Option<ClassUnicode> {
    match name {
        "alnum" => property(r"[\p{Alphabetic}\p{M}\p{Nd}]"),
        "alpha" => property(r"[\p{Alphabetic}\p{M}]"),
        "ascii" => Some(ranges(&[('\0', '\x7f')])),
        "blank" => property(r"[\p{Zs}\t]"),
        "cntrl" => property(r"\p{Cc}"),
        "digit" => property(r"\p{Nd}"),
        "graph" => property(r"[^\p{White_Space}\p{Cc}\p{Cn}\p{Cs}]"),
        "lower" => property(r"\p{Lowercase}"),
        "print" => property(r"[[^\p{White_Space}\p{Cc}\p{Cn}\p{Cs}]\p{Zs}]"),
        "punct" => property(r"[\p{P}$+<=>^`|~]"),
        "space" => property(r"\p{White_Space}"),
        "upper" => property(r"\p{Uppercase}"),
        "word" => property(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]"),
        "xdigit" => Some(hex_digits()),
        _ => None,
    }
}

/// `\d \s \w` under `(?u)`.
fn unicode_class(c: char) -> Option<ClassUnicode> {
    let name = match c.to_ascii_lowercase() {
        'd' => "digit",
        's' => "space",
        'w' => "word",
        _ => return None,
    };
    posix(name).map(|class| if c.is_ascii_uppercase() { negated(class) } else { class })
}

/// What follows a backslash that has been read at `from`.
pub(super) fn escape(
    source: &mut Source<'_>,
    from: usize,
    bracketed: bool,
    unicode: bool,
) -> Result<Escape, GrokError> {
    let Some(c) = source.next() else {
        return Err(source.error(from, "a backslash at the end of the pattern: write \\\\ for one"));
    };
    if unicode && let Some(class) = unicode_class(c) {
        return Ok(Escape::Class(class));
    }
    Ok(match c {
        'd' => Escape::Class(digits()),
        'D' => Escape::Class(negated(digits())),
        'h' => Escape::Class(hex_digits()),
        'H' => Escape::Class(negated(hex_digits())),
        's' => Escape::Class(space()),
        'S' => Escape::Class(negated(space())),
        'w' => Escape::Class(word()),
        'W' => Escape::Class(negated(word())),
        'p' | 'P' => Escape::Class(named_property(source, from, c == 'P')?),
        't' => Escape::Char('\t'),
        'n' => Escape::Char('\n'),
        'r' => Escape::Char('\r'),
        'f' => Escape::Char('\x0c'),
        'v' => Escape::Char('\x0b'),
        'a' => Escape::Char('\x07'),
        'e' => Escape::Char('\x1b'),
        'b' if bracketed => Escape::Char('\x08'),
        'x' | 'u' => Escape::Char(hexadecimal(source, from, c)?),
        '0' => Escape::Char(octal(source)),
        'c' | 'C' | 'M' if matches!((c, source.peek()), ('c', Some(_)) | (_, Some('-'))) => {
            return Err(source.unsupported(from, "a control escape"));
        }
        _ if bracketed => Escape::Char(c),
        'A' => Escape::Assert(Assertion::TextStart),
        'z' => Escape::Assert(Assertion::TextEnd),
        'Z' => Escape::Assert(Assertion::LastLineEnd),
        'b' => Escape::Assert(Assertion::Boundary),
        'B' => Escape::Assert(Assertion::NoBoundary),
        'R' => Escape::LineBreak,
        'X' | 'G' | 'K' | 'g' => return Err(source.unsupported(from, &format!("\\{c}"))),
        'k' => {
            if !source.eat("<") {
                return Err(source.error(from, "\\k without <name>"));
            }
            let name = source.take_while(|c| c != '>').to_owned();
            if !source.eat(">") {
                return Err(source.error(from, "\\k<name without >"));
            }
            name.parse().map_or(Escape::Name(name), Escape::Number)
        }
        '1'..='9' => Escape::Number(c.to_digit(10).map_or(0, |digit| digit as usize)),
        _ => Escape::Char(c),
    })
}

/// `{Greek}`, `{^Greek}`.
fn named_property(source: &mut Source<'_>, from: usize, negate: bool) -> Result<ClassUnicode, GrokError> {
    if !source.eat("{") {
        return Err(source.error(from, "\\p without {property}"));
    }
    let negate = negate ^ source.eat("^");
    let name = source.take_while(|c| c != '}');
    let class = (source.eat("}") && name.chars().all(|c| c.is_ascii_alphanumeric() || "_ -".contains(c)))
        .then(|| posix(&name.to_ascii_lowercase()).or_else(|| property(&format!("\\p{{{name}}}"))))
        .flatten();
    match class {
        Some(class) => Ok(if negate { negated(class) } else { class }),
        None => Err(source.error(from, "an unknown character property")),
    }
}

/// `\x41`, `\x{1F600}`, `\u00e9`.
fn hexadecimal(source: &mut Source<'_>, from: usize, kind: char) -> Result<char, GrokError> {
    let rest = source.rest();
    let (digits, length) = match rest.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}').unwrap_or(0);
            (&inner[..end], end + 2)
        }
        None => {
            let most = if kind == 'x' { 2 } else { 4 };
            let length = rest.bytes().take(most).take_while(u8::is_ascii_hexdigit).count();
            (&rest[..length], length)
        }
    };
    let c = u32::from_str_radix(digits.trim(), 16).ok().and_then(char::from_u32);
    // Bytes beyond ASCII are no characters, and text is.
    let c = c.filter(|c| kind == 'u' || rest.starts_with('{') || c.is_ascii());
    match c {
        Some(c) => {
            source.at += length;
            Ok(c)
        }
        None => Err(source.error(from, format!("\\{kind} without a character's number: write \\x41, \\u00e9"))),
    }
}

/// What follows `\0`.
fn octal(source: &mut Source<'_>) -> char {
    let rest = source.rest();
    let length = rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    source.at += length;
    u32::from_str_radix(&rest[..length], 8).ok().and_then(char::from_u32).unwrap_or('\0')
}

/// What follows `[`, up to the bracket that closes it.
pub(super) fn bracketed(
    source: &mut Source<'_>,
    fold: bool,
    unicode: bool,
    depth: usize,
) -> Result<ClassUnicode, GrokError> {
    let from = source.at.saturating_sub(1);
    if depth > NESTED_MAX {
        return Err(GrokError::new(
            TooLarge,
            from..source.at,
            format!("more than {NESTED_MAX} brackets inside each other"),
        ));
    }
    let negate = source.eat("^");
    let mut left: Option<ClassUnicode> = None;
    let mut class = ClassUnicode::empty();
    // A bracket that comes first is a character where another closes the class.
    let mut first = true;
    loop {
        let at = source.at;
        if source.eat("&&") {
            left = Some(intersection(left, std::mem::replace(&mut class, ClassUnicode::empty())));
            first = false;
            continue;
        }
        let item = match source.next() {
            None => return Err(source.error(from, "a [ without its ]")),
            Some(']') if !first || !source.rest().contains(']') => break,
            Some('[') => match posix_name(source) {
                Some((length, named)) => {
                    let Some(named) = named else {
                        return Err(source.error(at, "an unknown name in [: :]"));
                    };
                    source.at += length;
                    class.union(&named);
                    first = false;
                    continue;
                }
                None => Escape::Class(bracketed(source, false, unicode, depth + 1)?),
            },
            Some('\\') => escape(source, at, true, unicode)?,
            Some(c) => Escape::Char(c),
        };
        first = false;
        match item {
            Escape::Char(start) => class.push(range(source, at, start)?),
            Escape::Class(inner) => class.union(&inner),
            _ => return Err(source.error(at, "this cannot stand in brackets")),
        }
    }
    let mut class = if left.is_some() { intersection(left, class) } else { class };
    if fold {
        fold_case(&mut class);
    }
    Ok(if negate { negated(class) } else { class })
}

fn intersection(left: Option<ClassUnicode>, right: ClassUnicode) -> ClassUnicode {
    let mut left = left.unwrap_or_else(any);
    left.intersect(&right);
    left
}

/// The length of `:name:]` and its class, behind a bracket.
fn posix_name(source: &Source<'_>) -> Option<(usize, Option<ClassUnicode>)> {
    let inner = source.rest().strip_prefix(':')?;
    let end = inner.find(":]")?;
    let (negate, name) = inner[..end].strip_prefix('^').map_or((false, &inner[..end]), |name| (true, name));
    if !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    Some((end + 3, posix(name).map(|class| if negate { negated(class) } else { class })))
}

/// A range where `-` and a character follow, else the character alone.
fn range(source: &mut Source<'_>, from: usize, start: char) -> Result<ClassUnicodeRange, GrokError> {
    let mut ahead = *source;
    if ahead.next() != Some('-') {
        return Ok(ClassUnicodeRange::new(start, start));
    }
    let at = ahead.at;
    let end = match ahead.next() {
        None | Some(']' | '[') => return Ok(ClassUnicodeRange::new(start, start)),
        Some('\\') => match escape(&mut ahead, at, true, false)? {
            Escape::Char(end) => end,
            // `[a-\d]`: the dash is a character.
            _ => return Ok(ClassUnicodeRange::new(start, start)),
        },
        Some(end) => end,
    };
    *source = ahead;
    if end < start {
        return Err(source.error(from, "a range in brackets whose end comes before its beginning"));
    }
    Ok(ClassUnicodeRange::new(start, end))
}

/// Adds the other cases of the characters.
pub(super) fn fold_case(class: &mut ClassUnicode) {
    // Fails only where Unicode's tables were left out of the build: then ASCII remains as it is.
    let _ = class.try_case_fold_simple();
}
