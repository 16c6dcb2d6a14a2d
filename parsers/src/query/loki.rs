//! Pieces of Loki's language that people paste: `{app="x"}`, `|= "text"`, `|~ "re"`, `!= "text"`, `!~ "re"`.

use super::ast::{FieldName, FieldTest, Query, Regex, SpanIgnored, Test, Text};
use super::grammar::{and, negate};
use super::lexical::{Fault, Op, Read, check_regex, mismatch, quoted, regex_problem, unescape_slashes};
use super::literal::literal;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, multispace0};
use nom::combinator::value;
use nom::multi::separated_list1;
use nom::sequence::{delimited, terminated};

/// `{app="x", env!="y", pod=~"a.*"}`.
pub(super) fn selector(input: &str) -> Read<'_, Query> {
    let comma = delimited(multispace0::<&str, Fault>, char(','), multispace0);
    let list = separated_list1(comma, matcher);
    let (rest, all) = delimited(terminated(char('{'), multispace0), list, (multispace0, char('}'))).parse(input)?;
    Ok((rest, and(all)))
}

fn matcher(input: &str) -> Read<'_, Query> {
    let (rest, name) = take_while1(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.')).parse(input)?;
    let (rest, op) = alt((
        value(Op::Matches, tag("=~")),
        value(Op::NotMatches, tag("!~")),
        value(Op::NotExact, tag("!=")),
        value(Op::Exact, tag("=")),
    ))
    .parse(rest)?;
    let at = rest;
    let (rest, text) = string(rest)?;
    let test = match op {
        Op::Matches | Op::NotMatches => Test::Regex(regex(at, at.len() - rest.len(), text)?.1),
        _ => Test::Exact(literal(text, true)),
    };
    let name = FieldName { name: name.to_owned(), span: SpanIgnored::default() };
    let query = Query::Field(FieldTest { field: name, test });
    let negated = matches!(op, Op::NotExact | Op::NotMatches);
    Ok((rest, if negated { negate(query) } else { query }))
}

/// `|= "text"` and its kin.
pub(super) fn line_filter(input: &str) -> Read<'_, Query> {
    let (rest, (expression, negated)) = alt((
        value((false, false), tag("|=")),
        value((true, false), tag("|~")),
        value((false, true), tag("!=")),
        value((true, true), tag("!~")),
    ))
    .parse(input)?;
    let at = rest.trim_start();
    let (rest, text) = string(at)?;
    let text = if expression {
        Text::Regex(regex(at, at.len() - rest.len(), text)?.1)
    } else {
        Text::Phrase { text, slop: 0, prefix: false }
    };
    let query = Query::Text(text);
    Ok((rest, if negated { negate(query) } else { query }))
}

/// A string in any of Loki's quotes.
pub(super) fn string(input: &str) -> Read<'_, String> {
    alt((quoted, backquoted)).parse(input)
}

fn backquoted(input: &str) -> Read<'_, String> {
    let (body, _) = char('`').parse(input)?;
    body.split_once('`').map_or_else(mismatch, |(text, rest)| Ok((rest, text.to_owned())))
}

/// The expression of a string of `len` bytes at `at`, checked.
pub(super) fn regex(at: &str, len: usize, text: String) -> Read<'_, Regex> {
    // As everywhere in the tree, `\/` is written `/`, and an empty expression is one that fits everything.
    let pattern = if text.is_empty() { "(?:)".to_owned() } else { unescape_slashes(&text) };
    match check_regex(&pattern) {
        Ok(()) => Ok((at, Regex { pattern, ignore_case: false })),
        Err((_, _, what)) => regex_problem(at, len, &what),
    }
}
