//! What the nom grammars of this crate share: the error type, and byte-wise steps over `&str`.
//!
//! [`Stop`] is what nom hands around while it tries alternatives: two words, no allocation, turned into a
//! [`ParseError`] with an offset only when a caller asks.

use crate::error::ParseError;
use nom::error::ErrorKind;
use nom::{Err, IResult};

/// Where a grammar stopped and what it wanted there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stop<'a> {
    rest: &'a str,
    expected: &'static str,
}

/// The result of one grammar step over text.
pub(crate) type Step<'a, T> = IResult<&'a str, T, Stop<'a>>;

impl<'a> nom::error::ParseError<&'a str> for Stop<'a> {
    fn from_error_kind(rest: &'a str, kind: ErrorKind) -> Stop<'a> {
        let expected = match kind {
            ErrorKind::Digit => "a number",
            ErrorKind::Space => "a space",
            _ => "other text",
        };
        Stop { rest, expected }
    }

    fn append(_: &'a str, _: ErrorKind, inner: Stop<'a>) -> Stop<'a> {
        inner
    }
}

/// A failing step.
pub(crate) fn stop<'a, T>(rest: &'a str, expected: &'static str) -> Step<'a, T> {
    Err(Err::Error(Stop { rest, expected }))
}

/// The value of a step that must have consumed all of `line`.
pub(crate) fn complete<'a, T>(line: &'a str, step: Step<'a, T>) -> Result<T, ParseError> {
    match step {
        Ok(("", value)) => Ok(value),
        Ok((rest, _)) => Err(ParseError::at(line, rest, "the end")),
        Err(error) => Err(located(line, &error)),
    }
}

/// The value of a step and what it left over.
pub(crate) fn prefix<'a, T>(line: &'a str, step: Step<'a, T>) -> Result<(&'a str, T), ParseError> {
    step.map_err(|error| located(line, &error))
}

fn located(line: &str, error: &Err<Stop<'_>>) -> ParseError {
    match error {
        Err::Error(at) | Err::Failure(at) => ParseError::at(line, at.rest, at.expected),
        Err::Incomplete(_) => ParseError::at(line, "", "more text"),
    }
}

/// One ASCII byte.
pub(crate) fn byte<'a>(wanted: u8, expected: &'static str) -> impl Fn(&'a str) -> Step<'a, ()> {
    move |input| match input.as_bytes().first() {
        Some(&found) if found == wanted => Ok((&input[1..], ())),
        _ => stop(input, expected),
    }
}

/// Exactly `N` digits.
pub(crate) fn digits<const N: usize>(input: &str) -> Step<'_, u32> {
    let Some(head) = input.as_bytes().first_chunk::<N>() else { return stop(input, "a digit") };
    let mut number = 0;
    for found in head {
        let digit = found.wrapping_sub(b'0');
        if digit > 9 {
            return stop(input, "a digit");
        }
        number = number * 10 + u32::from(digit);
    }
    Ok((&input[N..], number))
}

/// The bytes up to the first `end`, which is consumed and may not come first.
pub(crate) fn until<'a>(end: u8, expected: &'static str) -> impl Fn(&'a str) -> Step<'a, &'a str> {
    move |input| match memchr::memchr(end, input.as_bytes()) {
        Some(n) if n > 0 => Ok((&input[n + 1..], &input[..n])),
        _ => stop(input, expected),
    }
}
