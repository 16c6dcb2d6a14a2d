//! The smallest pieces of a config: blanks, comments, names, numbers, strings, selectors, regular expressions.
//!
//! These only say what they take. What is wrong where they take nothing is for the grammar to say, which knows what it wanted.

use memchr::memchr;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::{anychar, char, digit0, digit1};
use nom::combinator::{not, opt, peek, recognize, value, verify};
use nom::multi::many1_count;
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{IResult, Parser};

/// What every parser here returns.
pub(super) type Read<'t, O> = IResult<&'t str, O, ()>;

/// Whether the character can be in the name of a plugin or an option.
pub(super) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn is_bareword(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Blanks that Logstash takes, too.
pub(super) fn blanks(input: &str) -> Read<'_, &str> {
    take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n')).parse(input)
}

/// From `#` to the end of the line.
pub(super) fn comment(input: &str) -> Read<'_, &str> {
    recognize(pair(char('#'), take_till(|c| c == '\n'))).parse(input)
}

/// The name of a plugin or an option.
pub(super) fn name(input: &str) -> Read<'_, &str> {
    take_while1(is_name).parse(input)
}

/// `json`, `true`; one character is enough here.
pub(super) fn bareword(input: &str) -> Read<'_, &str> {
    verify(take_while1(is_bareword), |word: &str| !word.starts_with(|c: char| c.is_ascii_digit())).parse(input)
}

/// `5`, `-1.5`, `3.`
pub(super) fn number(input: &str) -> Read<'_, &str> {
    recognize((opt(char('-')), digit1, opt(pair(char('.'), digit0)))).parse(input)
}

/// A word and nothing that goes on with it.
pub(super) fn keyword<'t>(word: &'static str) -> impl Parser<&'t str, Output = &'t str, Error = ()> {
    terminated(tag(word), peek(not(take_while1(is_name))))
}

/// Where the string that begins with the quote here is closed: what stands between the quotes, and the rest. A backslash
/// only keeps the quote behind it from closing, also where another backslash stands before it.
pub(super) fn quoted(input: &str) -> Read<'_, &str> {
    let (body, quote) = alt((char('"'), char('\''))).parse(input)?;
    let bytes = body.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr(quote as u8, &bytes[at..]) {
        let close = at + found;
        if close == 0 || bytes[close - 1] != b'\\' {
            return Ok((&body[close + 1..], &body[..close]));
        }
        at = close + 1;
    }
    Err(nom::Err::Error(()))
}

/// `/re/`: what stands between the slashes.
pub(super) fn regex(input: &str) -> Read<'_, &str> {
    let (body, _) = char('/').parse(input)?;
    let bytes = body.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr(b'/', &bytes[at..]) {
        let close = at + found;
        if close == 0 || bytes[close - 1] != b'\\' {
            return Ok((&body[close + 1..], &body[..close]));
        }
        at = close + 1;
    }
    Err(nom::Err::Error(()))
}

/// `[a][b]`, on one line.
pub(super) fn selector(input: &str) -> Read<'_, &str> {
    let part = take_while1(|c| !matches!(c, '[' | ']' | ',' | '\n' | '\r'));
    recognize(many1_count(delimited(char('['), part, char(']')))).parse(input)
}

/// What joins an option to its value, and what people write in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrow {
    /// `=>`
    Right,
    /// `=`, `:`, `->`, `==`, `:=`, `= >`
    Wrong,
}

/// An arrow or what stands for one.
pub(super) fn arrow(input: &str) -> Read<'_, Arrow> {
    let wrong = alt((tag("= >"), tag("=="), tag("->"), tag("~>"), tag(":="), tag("=:"), tag("="), tag(":")));
    alt((value(Arrow::Right, tag("=>")), value(Arrow::Wrong, wrong))).parse(input)
}

/// Text that lacks quotes: up to a blank or what ends a value. Braces of `%{a}` and `${b}` belong to it.
pub(super) fn unquoted(input: &str) -> Read<'_, &str> {
    let variable = recognize((alt((tag("%{"), tag("${"))), take_till(|c| matches!(c, '}' | '\n')), char('}')));
    let stop = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | ']' | '}' | '{' | '"' | '\'' | '#');
    let ordinary = preceded(not(tag("=>")), verify(anychar, move |c| !stop(*c)));
    recognize(many1_count(alt((variable, recognize(ordinary))))).parse(input)
}

/// What may be meant for a field or a text in a condition.
pub(super) fn bare_operand(input: &str) -> Read<'_, &str> {
    take_while1(|c| is_name(c) || matches!(c, '@' | '.' | '%' | '{' | '}' | ':' | '/')).parse(input)
}

/// The closing partner of a quote that text editors make.
pub(super) fn smart_quote(c: char) -> Option<&'static [char]> {
    match c {
        '“' | '”' | '„' | '‟' | '«' | '»' => Some(&['“', '”', '„', '‟', '«', '»', '"']),
        '‘' | '’' | '‚' | '‛' | '‹' | '›' => Some(&['‘', '’', '‚', '‛', '‹', '›', '\'']),
        '`' | '´' => Some(&['`', '´', '\'']),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_a_quote_without_a_backslash() {
        let check = |text, expected| assert_eq!(quoted(text).ok().map(|(_, body)| body), expected, "{text}");
        check(r#""a" x"#, Some("a"));
        check(r#""""#, Some(""));
        check(r#""a\"b""#, Some(r#"a\"b"#));
        check(r#""C:\\" x"#, None);
        check(r#"'it"s'"#, Some("it\"s"));
        check("\"a\nb\"", Some("a\nb"));
        check("\"a", None);
    }

    #[test]
    fn pieces_take_what_is_theirs() {
        let check =
            |read: Read<'_, &str>, expected: Option<&str>| assert_eq!(read.ok().map(|(_, piece)| piece), expected);
        check(number("-1.5x"), Some("-1.5"));
        check(number("3."), Some("3."));
        check(number("-"), None);
        check(bareword("a"), Some("a"));
        check(bareword("9a"), None);
        check(selector("[a][b] ="), Some("[a][b]"));
        check(selector("[\"a\", 1]"), None);
        check(regex(r"/a\/b/ {"), Some(r"a\/b"));
        check(unquoted("%{a} b"), Some("%{a}"));
        check(unquoted("/var/log/*.log }"), Some("/var/log/*.log"));
        check(unquoted("a=>b"), Some("a"));
        check(keyword("if").parse("if[a]"), Some("if"));
        check(keyword("if").parse("iffy"), None);
    }
}
