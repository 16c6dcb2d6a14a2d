//! The canonical form of a query: what `Display` prints parses to the same tree.
//!
//! Text stays bare where the grammar reads it back as it is; otherwise every character that could mean something is
//! escaped.

use super::ast::{Bound, FieldName, FieldTest, Literal, Pattern, PatternPart, Query, Regex, Test, Text, TimeRange};
use super::grammar::parse;
use super::lexical::{escapable, head};
use std::fmt::{self, Display, Formatter, Write};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Query::All => f.write_str("*"),
            Query::And(all) => and(all, f),
            Query::Or(any) => {
                for (index, query) in any.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { " OR " })?;
                    write!(f, "{query}")?;
                }
                Ok(())
            }
            Query::Not(inner) => not(inner, f),
            Query::Text(text) => write!(f, "{text}"),
            Query::Field(test) => write!(f, "{test}"),
            Query::Time(range) => write!(f, "{range}"),
        }
    }
}

fn and(all: &[Query], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, query) in all.iter().enumerate() {
        let printed = match query {
            Query::Or(_) => format!("({query})"),
            _ => query.to_string(),
        };
        // `a in (b OR c)` would be a set.
        let after_in = index > 0 && all[index - 1].to_string().eq_ignore_ascii_case("in");
        let space = if index == 0 { "" } else { " " };
        let operator = if after_in && printed.starts_with('(') { "AND " } else { "" };
        write!(f, "{space}{operator}{printed}")?;
    }
    Ok(())
}

fn not(inner: &Query, f: &mut Formatter<'_>) -> fmt::Result {
    match inner {
        Query::And(_) | Query::Or(_) => write!(f, "-({inner})"),
        Query::Field(FieldTest { field, test: Test::Exact(literal) }) => fielded(f, field, "!=", &literal.to_string()),
        _ => {
            let printed = inner.to_string();
            let close = printed.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '"' | '*' | '_'));
            write!(f, "{}{printed}", if close { "-" } else { "NOT " })
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Text::Word(word) => f.write_str(&plain_or(word, self, || escaped(word))),
            Text::Phrase { text, slop, prefix } => {
                quoted(f, text)?;
                if *slop > 0 {
                    write!(f, "~{slop}")?;
                }
                f.write_str(if *prefix { "*" } else { "" })
            }
            Text::Wildcard(pattern) => {
                let plain = pattern_text(pattern, str::to_owned);
                f.write_str(&plain_or(&plain, self, || pattern_text(pattern, escaped)))
            }
            Text::Regex(regex) => write!(f, "{regex}"),
        }
    }
}

/// The text as it is if it cannot be taken for anything else, else its escaped form.
fn plain_or(plain: &str, text: &Text, escaped: impl Fn() -> String) -> String {
    let first = plain.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '.' | '*' | '?'));
    let same = || parse(plain).is_ok_and(|parsed| matches!(&parsed.query, Query::Text(read) if read == text));
    if first && !plain.contains('\\') && same() { plain.to_owned() } else { escaped() }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for (at, c) in text.char_indices() {
        if escapable(c) && c != '.' && (c != '-' || at == 0) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn pattern_text(pattern: &Pattern, literal: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for part in &pattern.0 {
        match part {
            PatternPart::Literal(text) => out.push_str(&literal(text)),
            PatternPart::AnyRun => out.push('*'),
            PatternPart::AnyOne => out.push('?'),
        }
    }
    out
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

impl Display for Regex {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('/')?;
        let mut chars = self.pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                '/' => f.write_str("\\/")?,
                '\\' => {
                    f.write_char(c)?;
                    chars.next().map_or(Ok(()), |next| f.write_char(next))?;
                }
                c => f.write_char(c)?,
            }
        }
        f.write_str(if self.ignore_case { "/i" } else { "/" })
    }
}

impl Display for FieldTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (operator, value) = match &self.test {
            Test::Equals(literal) => (":", literal.to_string()),
            Test::Exact(literal) => ("=", literal.to_string()),
            Test::In(literals) => {
                let list: Vec<String> = literals.iter().map(Literal::to_string).collect();
                (":", format!("[{}]", list.join(", ")))
            }
            Test::Wildcard(pattern) => (":", wildcard(pattern)),
            Test::Regex(regex) => (":", regex.to_string()),
            Test::Exists => (":", "*".to_owned()),
            Test::Range { low, high } => (":", range(low, high)),
            Test::Cidr { network, bits } => (":", format!("{network}/{bits}")),
        };
        fielded(f, &self.field, operator, &value)
    }
}

fn fielded(f: &mut Formatter<'_>, field: &FieldName, operator: &str, value: &str) -> fmt::Result {
    let bare = format!("{}{operator}{value}", field.name);
    let same = head(&bare).is_ok_and(|(rest, head)| rest == value && head.name == field.name && !head.stripped);
    if same && !field.name.starts_with(['"', '\'']) {
        return f.write_str(&bare);
    }
    quoted(f, &field.name)?;
    write!(f, "{operator}{value}")
}

impl Display for TimeRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "_time:{}", range(&self.low, &self.high))
    }
}

fn range(low: &Bound, high: &Bound) -> String {
    match (low, high) {
        (Bound::Included(low), Bound::Open) => format!(">={low}"),
        (Bound::Excluded(low), Bound::Open) => format!(">{low}"),
        (Bound::Open, Bound::Included(high)) => format!("<={high}"),
        (Bound::Open, Bound::Excluded(high)) => format!("<{high}"),
        (low, high) => {
            let open = if matches!(low, Bound::Excluded(_)) { '{' } else { '[' };
            let close = if matches!(high, Bound::Excluded(_)) { '}' } else { ']' };
            format!("{open}{} TO {}{close}", end(low), end(high))
        }
    }
}

fn end(bound: &Bound) -> String {
    match bound {
        Bound::Open => "*".to_owned(),
        Bound::Included(literal) | Bound::Excluded(literal) => literal.to_string(),
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.quoted {
            return quoted(f, &self.text);
        }
        f.write_str(&value_text(&self.text, true))
    }
}

/// An unquoted value, escaped where it could be taken for more than text.
fn value_text(text: &str, first: bool) -> String {
    let network = super::literal::cidr(text).is_some();
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let leads = first && at == 0 && matches!(c, '\'' | '/' | '<' | '>' | '=' | '!' | '~' | ':' | '+');
        let special = c.is_whitespace()
            || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | '|' | '\\' | '*' | '?' | '&' | ',' | '`');
        if leads || special || (network && c == '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn wildcard(pattern: &Pattern) -> String {
    let mut out = String::new();
    for part in &pattern.0 {
        match part {
            PatternPart::Literal(text) => out.push_str(&value_text(text, out.is_empty())),
            PatternPart::AnyRun => out.push('*'),
            PatternPart::AnyOne => out.push('?'),
        }
    }
    out
}
