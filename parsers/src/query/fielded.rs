//! Conditions on fields: `field:value`, sets, ranges, comparisons, groups, `_time:`.

use super::ast::{Bound, FieldName, FieldTest, Literal, Meaning, Query, SpanIgnored, Test, Text, TimeRange};
use super::ast::{Pattern, PatternPart};
use super::error::QueryErrorCode;
use super::grammar::{Grammar, negate, slop_phrase, unclosed};
use super::lexical::{self, Head, Op, Place, Read, fail, keyword, mismatch};
use super::literal::{cidr, in_order, literal, time_text, unknown_unit};
use super::loki;
use crate::time::span;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::one_of;

impl<'t> Grammar<'t> {
    /// A field with its condition; a mismatch where no field begins here.
    pub(super) fn fielded(&mut self, input: &'t str) -> Read<'t, Query> {
        let (rest, head) = lexical::head(input)?;
        let typed = &input[..head.len];
        if head.stripped {
            self.hint(input, head.len, format!("fields have no `@` here: `{}`", head.name));
        }
        match head.op {
            Op::Has => self.has_value(rest, &head),
            Op::Exact | Op::NotExact => {
                let (after, literal) = literal_in(rest, Place::Free)?;
                if !literal.quoted && lexical::pattern(&rest[..rest.len() - after.len()]).is_some() {
                    let message = format!(
                        "`=` compares exactly, so `*` and `?` are characters; a wildcard is \
                                           `{typed}:{}`",
                        &rest[..rest.len() - after.len()]
                    );
                    self.hint(rest, rest.len() - after.len(), message);
                }
                let (after, query) = self.condition(&head, Test::Exact(literal), rest, after)?;
                Ok((after, if head.op == Op::NotExact { negate(query) } else { query }))
            }
            Op::Matches | Op::NotMatches => {
                let (after, text) = loki::string(rest)?;
                let len = rest.len() - after.len();
                let (_, regex) = loki::regex(rest, len, &text)?;
                let (after, query) = self.condition(&head, Test::Regex(regex), rest, after)?;
                let query = if head.op == Op::NotMatches { negate(query) } else { query };
                self.hint(input, input.len() - after.len(), format!("read as Loki's language; here it is `{query}`"));
                Ok((after, query))
            }
            Op::In => {
                let (after, literals) = self.list(rest, ")")?;
                self.condition(&head, Test::In(literals), rest, after)
            }
            Op::Compare => {
                let (after, query) = self.value(rest, &head)?;
                let message = format!("a comparison is written `{typed}:{}`", &rest[..rest.len() - after.len()]);
                self.hint(input, input.len() - after.len(), message);
                Ok((after, query))
            }
        }
    }

    fn has_value(&mut self, input: &'t str, head: &Head<'t>) -> Read<'t, Query> {
        let rest = input.trim_start();
        let typed = &head.at[..head.len];
        let operator = ["and", "or", "not"].iter().any(|word| keyword(rest, word).is_ok());
        let spaced = rest.len() < input.len();
        if rest.is_empty() || rest.starts_with([')', '|']) || rest.starts_with("&&") || (spaced && operator) {
            let len = head.len + 1;
            let quoted = typed.trim_matches('"');
            return fail(
                QueryErrorCode::MissingValue,
                head.at,
                len,
                format!("expected a value after `{typed}:`"),
                format!("`{typed}:*` finds all events with this field; for the text itself write \"{quoted}:\""),
            );
        }
        if rest.starts_with('(') { self.group(rest, Some(head)) } else { self.value(rest, head) }
    }

    /// One value of a field, as it stands behind the colon or in a group.
    pub(super) fn value(&mut self, input: &'t str, head: &Head<'t>) -> Read<'t, Query> {
        if let Some((rest, (low, high))) = optional(bracketed(input))? {
            return self.condition(head, Test::Range { low, high }, input, rest);
        }
        if input.starts_with('[') {
            let (rest, literals) = self.list(input, "]")?;
            return self.condition(head, Test::In(literals), input, rest);
        }
        if input.starts_with(['<', '>']) {
            let (rest, test) = comparison(input)?;
            return self.condition(head, test, input, rest);
        }
        if input.starts_with(['"', '\'']) {
            match slop_phrase(input) {
                Ok((rest, phrase)) => return self.phrase_value(input, rest, head, phrase),
                Err(nom::Err::Error(_)) => {}
                Err(failed) => return Err(failed),
            }
        }
        let (rest, test) = alt((expression, word)).parse(input).or_else(|fault| match fault {
            nom::Err::Error(_) => {
                let len = input.chars().next().map_or(0, char::len_utf8);
                let typed = &head.at[..head.len];
                let message = format!("expected a value of `{typed}`");
                fail(QueryErrorCode::MissingValue, input, len, message, "put text with special characters in quotes")
            }
            failed => Err(failed),
        })?;
        if self.in_group(head, input) && input[..input.len() - rest.len()].ends_with(',') && !rest.is_empty() {
            let len = input.len() - rest.len();
            let typed = &head.at[..head.len];
            let hint = format!("a list of values is `{typed}:[a, b]`, a group is `{typed}:(a OR b)`");
            return fail(QueryErrorCode::Syntax, &input[len - 1..], 1, "expected OR between the values", hint);
        }
        self.condition(head, test, input, rest)
    }

    fn in_group(&self, head: &Head<'t>, input: &'t str) -> bool {
        head.at[head.len..head.at.len() - input.len()].contains('(')
    }

    fn phrase_value(
        &mut self,
        input: &'t str,
        rest: &'t str,
        head: &Head<'t>,
        phrase: (String, u32, bool),
    ) -> Read<'t, Query> {
        let (text, slop, prefix) = phrase;
        if head.name == "message" && (slop > 0 || prefix) {
            self.clause(input, rest)?;
            return Ok((rest, Query::Text(Text::Phrase { text, slop, prefix })));
        }
        if slop > 0 {
            return fail(
                QueryErrorCode::Syntax,
                input,
                input.len() - rest.len(),
                format!("`~{slop}` works on the message only, not on `{}`", head.name),
                "leave the field name out, or write the value without `~`",
            );
        }
        let test = match (prefix, text.is_empty()) {
            (false, _) => Test::Equals(literal(text, true)),
            (true, true) => Test::Exists,
            (true, false) => Test::Wildcard(Pattern(vec![PatternPart::Literal(text), PatternPart::AnyRun])),
        };
        self.condition(head, test, input, rest)
    }

    /// The test on its field, or the range of time that it means. The value begins at `input` and ends at `rest`.
    fn condition(&mut self, head: &Head<'t>, test: Test, input: &'t str, rest: &'t str) -> Read<'t, Query> {
        if !matches!(test, Test::In(_)) {
            self.clause(input, rest)?;
        }
        let len = input.len() - rest.len();
        if head.is_time() {
            return match time_range(test) {
                Ok(query) => Ok((rest, query)),
                Err((code, message)) => fail(
                    code,
                    input,
                    len,
                    message,
                    "write `_time:15m`, `_time:2026-01-31`, `_time:>now-1h` or \
                     `_time:[2026-01-31T10:00 TO 2026-01-31T12:00]`",
                ),
            };
        }
        if let Test::Range { low, high } = &test {
            check_range(low, high, input, len)?;
        }
        if head.name == "*" && test == Test::Exists {
            return Ok((rest, Query::All));
        }
        let span = SpanIgnored(self.span(head.at, head.len));
        let field = FieldName { name: head.name.clone(), span };
        Ok((rest, Query::Field(FieldTest { field, test })))
    }

    /// `(a, b)` and `[a, b]`.
    fn list(&mut self, input: &'t str, close: &str) -> Read<'t, Vec<Literal>> {
        let mut rest = input[1..].trim_start();
        let mut literals = Vec::new();
        loop {
            if rest.is_empty() {
                return unclosed(input, 1, close);
            }
            let at = rest;
            let Some((after, literal)) = optional(literal_in(rest, Place::List))? else {
                let len = at.chars().next().map_or(0, char::len_utf8);
                let hint = "values stand between commas, text with special characters in quotes";
                return fail(QueryErrorCode::Syntax, at, len, "expected a value", hint);
            };
            self.clause(at, after)?;
            literals.push(literal);
            rest = after.trim_start();
            if let Some(after) = rest.strip_prefix(close) {
                return Ok((after, literals));
            }
            match rest.strip_prefix(',') {
                Some(after) => rest = after.trim_start(),
                None if rest.is_empty() => return unclosed(input, 1, close),
                None => {
                    let len = rest.chars().next().map_or(0, char::len_utf8);
                    let message = format!("expected `,`, `{close}` or, for a range, `TO`");
                    let hint = "a set is `[a, b]`, a range is `[a TO b]`; put text with spaces in quotes";
                    return fail(QueryErrorCode::Syntax, rest, len, message, hint);
                }
            }
        }
    }
}

/// `[a TO b]`, `{a TO b}` and mixtures; a mismatch where it is a set.
fn bracketed(input: &str) -> Read<'_, (Bound, Bound)> {
    let (rest, open) = one_of("[{").parse(input)?;
    let hint = "a range is `[a TO b]`, without its ends `{a TO b}`, open `[a TO *]`; a set is `[a, b]`";
    let first = rest.trim_start();
    let low = optional(literal_in(first, Place::List))?;
    let to = low.as_ref().map_or(first, |(rest, _)| rest.trim_start());
    if keyword(first, "to").is_ok() && !to.is_empty() && !to.starts_with([',', ']']) && keyword(to, "to").is_err() {
        return fail(QueryErrorCode::BadRange, first, 2, "expected the lower end of the range before `TO`", hint);
    }
    let (Some((_, low)), Ok((after, ()))) = (low, keyword(to, "to")) else {
        if open == '[' {
            return mismatch();
        }
        if to.is_empty() {
            return unclosed(input, 1, "}");
        }
        let len = to.chars().next().map_or(0, char::len_utf8);
        return fail(QueryErrorCode::BadRange, to, len, "expected `TO` and the upper end of the range", hint);
    };
    let second = after.trim_start();
    let Some((rest, high)) = optional(literal_in(second, Place::List))? else {
        return fail(QueryErrorCode::BadRange, second, 0, "expected the upper end of the range after `TO`", hint);
    };
    let low_raw = &first[..first.len() - to.len()];
    let high_raw = &second[..second.len() - rest.len()];
    let rest = rest.trim_start();
    let (rest, close) = match one_of::<_, _, lexical::Fault>("]}").parse(rest) {
        Ok(closed) => closed,
        Err(_) if rest.is_empty() => return unclosed(input, 1, if open == '[' { "]" } else { "}" }),
        Err(_) => {
            let len = rest.chars().next().map_or(0, char::len_utf8);
            return fail(QueryErrorCode::BadRange, rest, len, "expected `]` or `}` after the range", hint);
        }
    };
    Ok((rest, (bound(low_raw.trim_end(), low, open == '['), bound(high_raw, high, close == ']'))))
}

/// Keeps failures, makes a mismatch nothing.
fn optional<'t, O>(read: Read<'t, O>) -> Result<Option<(&'t str, O)>, nom::Err<lexical::Fault>> {
    match read {
        Ok(done) => Ok(Some(done)),
        Err(nom::Err::Error(_)) => Ok(None),
        Err(failed) => Err(failed),
    }
}

fn bound(raw: &str, literal: Literal, included: bool) -> Bound {
    match (raw, included) {
        ("*", _) => Bound::Open,
        (_, true) => Bound::Included(literal),
        (_, false) => Bound::Excluded(literal),
    }
}

fn literal_in(input: &str, place: Place) -> Read<'_, Literal> {
    alt((
        |input| lexical::quoted(input).map(|(rest, text)| (rest, literal(text, true))),
        |input| lexical::raw_word(input, place).map(|(rest, raw)| (rest, literal(lexical::unescape(raw), false))),
    ))
    .parse(input)
}

fn comparison(input: &str) -> Read<'_, Test> {
    let (rest, op) = alt((tag(">="), tag("<="), tag(">"), tag("<"))).parse(input)?;
    let at = rest.trim_start();
    let (rest, literal) = literal_in(at, Place::Free).or_else(|fault| match fault {
        nom::Err::Error(_) => fail(
            QueryErrorCode::MissingValue,
            input,
            op.len(),
            format!("expected a value after `{op}`"),
            "write a number, a duration, a size, a level or a time, as in `duration:>250ms`",
        ),
        failed => Err(failed),
    })?;
    let (low, high) = match op {
        ">=" => (Bound::Included(literal), Bound::Open),
        ">" => (Bound::Excluded(literal), Bound::Open),
        "<=" => (Bound::Open, Bound::Included(literal)),
        _ => (Bound::Open, Bound::Excluded(literal)),
    };
    Ok((rest, Test::Range { low, high }))
}

fn expression(input: &str) -> Read<'_, Test> {
    lexical::regex(input).map(|(rest, regex)| (rest, Test::Regex(regex)))
}

fn word(input: &str) -> Read<'_, Test> {
    let (rest, raw) = lexical::raw_word(input, Place::Free)?;
    if let Some(pattern) = lexical::pattern(raw) {
        let exists = pattern.0 == [PatternPart::AnyRun];
        return Ok((rest, if exists { Test::Exists } else { Test::Wildcard(pattern) }));
    }
    match cidr(raw) {
        None => Ok((rest, Test::Equals(literal(lexical::unescape(raw), false)))),
        Some(Ok((network, bits))) => Ok((rest, Test::Cidr { network, bits })),
        Some(Err(what)) => fail(
            QueryErrorCode::BadCidr,
            input,
            raw.len(),
            format!("`{raw}` is no network: {what}"),
            "a network is `10.0.0.0/8` or `fd00::/8`; put text that only looks like one in quotes",
        ),
    }
}

fn check_range<'t>(low: &Bound, high: &Bound, at: &'t str, len: usize) -> Read<'t, ()> {
    for end in [low, high] {
        let (Bound::Included(literal) | Bound::Excluded(literal)) = end else { continue };
        if let Some((unit, alias)) = unknown_unit(literal) {
            let message = format!("unknown unit `{unit}` in `{}`", literal.text);
            let units = "durations take ns us ms s m h d w, sizes B KB KiB MB MiB GB GiB TB TiB; put text in quotes";
            let number = literal.text.strip_suffix(unit).unwrap_or_default();
            let hint = match alias {
                Some(alias) => format!("did you mean `{number}{alias}`? {units}"),
                None => units.to_owned(),
            };
            return fail(QueryErrorCode::BadUnit, at, len, message, hint);
        }
    }
    if in_order(low, high) {
        return Ok((at, ()));
    }
    let message = "this range holds nothing: its lower end is above its upper end";
    fail(QueryErrorCode::BadRange, at, len, message, "swap the two ends")
}

/// The range of time that a test on `_time` means; all of it for `_time:*`.
fn time_range(test: Test) -> Result<Query, (QueryErrorCode, &'static str)> {
    let (low, high) = match test {
        Test::Exists => return Ok(Query::All),
        Test::Equals(literal) | Test::Exact(literal) => match literal.meaning {
            Meaning::Duration(ns) => {
                let text = format!("now-{}", literal.text.trim_start_matches('-'));
                let meaning = Meaning::Relative(-ns.abs());
                (Bound::Included(Literal { text, quoted: false, meaning }), Bound::Open)
            }
            _ => moment(&literal)?,
        },
        Test::Range { low, high } => (time_bound(low)?, time_bound(high)?),
        _ => return Err((QueryErrorCode::BadTime, "expected a duration, a time or a range of times")),
    };
    if !in_order(&low, &high) {
        return Err((QueryErrorCode::BadRange, "this range of time holds nothing: it ends before it begins"));
    }
    Ok(Query::Time(TimeRange { low, high }))
}

/// All of the day, minute or second that was written.
fn moment(literal: &Literal) -> Result<(Bound, Bound), (QueryErrorCode, &'static str)> {
    let wrong = (QueryErrorCode::BadTime, "expected a duration or a time");
    if matches!(literal.meaning, Meaning::Relative(_)) {
        return Ok((Bound::Included(literal.clone()), Bound::Included(literal.clone())));
    }
    let (start, covers) = span(&literal.text).ok_or(wrong)?;
    let end = start.checked_add(covers).ok_or(wrong)?;
    let low = Literal { text: literal.text.clone(), quoted: false, meaning: Meaning::Time(start) };
    let high = Literal { text: time_text(end), quoted: false, meaning: Meaning::Time(end) };
    Ok((Bound::Included(low), Bound::Excluded(high)))
}

fn time_bound(bound: Bound) -> Result<Bound, (QueryErrorCode, &'static str)> {
    // Quotes only guard the space in `2026-01-31 10:00` here: nothing else than a time fits.
    let read = |literal: Literal| match literal.meaning {
        Meaning::Time(_) | Meaning::Relative(_) => Ok(literal),
        Meaning::Duration(_) => {
            Err((QueryErrorCode::BadTime, "expected a time, not a duration: `15m` ago is `now-15m`"))
        }
        _ => match span(&literal.text) {
            Some((at, _)) => Ok(Literal { text: literal.text, quoted: false, meaning: Meaning::Time(at) }),
            None => Err((QueryErrorCode::BadTime, "expected a time, such as `2026-01-31T10:00Z` or `now-1h`")),
        },
    };
    Ok(match bound {
        Bound::Open => Bound::Open,
        Bound::Included(literal) => Bound::Included(read(literal)?),
        Bound::Excluded(literal) => Bound::Excluded(read(literal)?),
    })
}
