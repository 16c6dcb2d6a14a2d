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
        f.write_str(if index == 0 { "" } else { " " })?;
        if !matches!(query, Query::Or(_)) {
            write!(f, "{query}")?;
            continue;
        }
        // `a in (b OR c)` would be a set.
        let before = index.checked_sub(1).map(|before| &all[before]);
        let behind_in = matches!(before, Some(Query::Text(Text::Word(word))) if word.eq_ignore_ascii_case("in"));
        write!(f, "{}({query})", if behind_in { "AND " } else { "" })?;
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
    // `/a` alone is a word, but would be an expression before some other word that ends with a slash.
    let slash = if plain.get(1..3) == Some(":/") { 2 } else { 0 };
    let word = plain.get(slash..).is_some_and(|rest| !rest.starts_with('/') || is_path(rest));
    if first && word && !plain.contains('\\') && same() { plain.to_owned() } else { escaped() }
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
        let leads = first && at == 0;
        let leading = leads && (matches!(c, '\'' | '<' | '>' | '=' | '!' | '~' | ':') || (c == '/' && !is_path(text)));
        let special = c.is_whitespace()
            || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | '|' | '\\' | '*' | '?' | '&' | ',' | '`');
        if leading || special || (network && c == '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether a text that begins with a slash cannot be read as a regular expression, since its second slash does not end
/// it: `/var/log`.
fn is_path(text: &str) -> bool {
    let second = text.get(1..).and_then(|rest| rest.split_once('/'));
    second
        .is_some_and(|(name, rest)| !name.is_empty() && !name.contains(['\\', '[']) && !rest.is_empty() && rest != "i")
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

#[cfg(test)]
mod tests {
    use super::super::ast::{Meaning, SpanIgnored};
    use super::super::grammar::{and, negate, or};
    use super::super::lexical::check_regex;
    use super::super::literal::{in_order, literal, unknown_unit};
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            2 => "[a-z]{1,6}",
            2 => "[a-z0-9 .:=/_@\\\\\"'(){}\\[\\]*?|&,!~+<>-]{1,8}",
            1 => "(in|IN|to|TO|and|AND|now|true|/a|/a/|/a/b|-|--|!=|=|:|C:|C:/|::1|a:b|[|]|\\\\|a\\\\|10.0.0.0/8|fe80::/10|\\|=|&&|x,)",
            1 => any::<String>().prop_filter("not empty", |text| !text.is_empty()),
            1 => "(-?[0-9]{1,3}(\\.5)?(ms|s|h|KiB|MB)?|2026-01-0[1-9](T10:00:00Z)?|now-[1-9]h)",
        ]
    }

    fn literals() -> impl Strategy<Value = Literal> {
        prop_oneof![
            text().prop_map(|text| literal(text, false)),
            prop_oneof![text(), Just(String::new())].prop_map(|text| literal(text, true)),
        ]
    }

    fn patterns() -> impl Strategy<Value = Pattern> {
        let part =
            prop_oneof![text().prop_map(PatternPart::Literal), Just(PatternPart::AnyRun), Just(PatternPart::AnyOne)];
        prop::collection::vec(part, 1..5).prop_filter_map("a pattern", |parts| {
            let literal = |part: &PatternPart| matches!(part, PatternPart::Literal(_));
            let run = |part: &PatternPart| *part == PatternPart::AnyRun;
            let joined = parts.windows(2).any(|two| two.iter().all(literal) || two.iter().all(run));
            let wild = !parts.iter().all(literal) && !parts.iter().all(run);
            (wild && !joined).then_some(Pattern(parts))
        })
    }

    fn regexes() -> impl Strategy<Value = Regex> {
        let pattern = prop_oneof!["[a-z/ .)\"|\\[\\]^-]{1,8}", "(a|b)+(\\\\d|/|\\[\\^/\\]| )?c*", any::<String>()];
        (pattern, any::<bool>()).prop_filter_map("a regular expression", |(pattern, ignore_case)| {
            let plain = super::super::lexical::unescape_slashes(&pattern) == pattern;
            (plain && !pattern.is_empty() && check_regex(&pattern).is_ok()).then_some(Regex { pattern, ignore_case })
        })
    }

    fn ends(of: impl Strategy<Value = Literal> + Clone) -> impl Strategy<Value = (Bound, Bound)> {
        let end = || {
            prop_oneof![Just(Bound::Open), of.clone().prop_map(Bound::Included), of.clone().prop_map(Bound::Excluded)]
        };
        (end(), end()).prop_filter("a range that holds something", |(low, high)| in_order(low, high))
    }

    fn tests() -> impl Strategy<Value = Test> {
        let quantity = literals().prop_filter("a known unit", |literal| unknown_unit(literal).is_none()).boxed();
        let network = prop_oneof![
            (any::<[u8; 4]>(), 0..=32u8).prop_map(|(address, bits)| (IpAddr::from(address), bits)),
            (any::<[u8; 16]>(), 0..=128u8).prop_map(|(address, bits)| (IpAddr::from(address), bits)),
        ];
        prop_oneof![
            3 => literals().prop_map(Test::Equals),
            2 => literals().prop_map(Test::Exact),
            1 => prop::collection::vec(literals(), 1..4).prop_map(Test::In),
            2 => patterns().prop_map(Test::Wildcard),
            1 => regexes().prop_map(Test::Regex),
            1 => Just(Test::Exists),
            2 => ends(quantity).prop_map(|(low, high)| Test::Range { low, high }),
            1 => network.prop_map(|(network, bits)| Test::Cidr { network, bits }),
        ]
    }

    fn fields() -> impl Strategy<Value = Query> {
        let name = prop_oneof![4 => "[a-z_]{1,5}(\\.[a-z]{1,3})?", 1 => text(), 1 => Just("*".to_owned())];
        (name, tests()).prop_filter_map("a condition", |(name, test)| {
            let everything = name == "*" && test == Test::Exists;
            let time = name == "_time" || name == "@timestamp";
            let field = FieldName { name, span: SpanIgnored::default() };
            (!everything && !time).then_some(Query::Field(FieldTest { field, test }))
        })
    }

    fn leaves() -> impl Strategy<Value = Query> {
        let word = text().prop_filter("not a keyword", |text| {
            !["and", "or", "not"].iter().any(|keyword| text.eq_ignore_ascii_case(keyword))
        });
        let phrase =
            (text(), 0..5u32, any::<bool>()).prop_map(|(text, slop, prefix)| Text::Phrase { text, slop, prefix });
        let moment = prop_oneof!["now(-[1-9]h)?", "2026-0[1-9]-1[0-9]( 10:0[0-9])?"]
            .prop_map(|text| literal(text, false))
            .prop_filter("a time", |literal| literal.meaning != Meaning::Text)
            .boxed();
        prop_oneof![
            1 => Just(Query::All),
            4 => word.prop_map(|word| Query::Text(Text::Word(word))),
            2 => phrase.prop_map(Query::Text),
            2 => patterns().prop_map(|pattern| Query::Text(Text::Wildcard(pattern))),
            1 => regexes().prop_map(|regex| Query::Text(Text::Regex(regex))),
            6 => fields(),
            1 => ends(moment).prop_map(|(low, high)| Query::Time(TimeRange { low, high })),
        ]
    }

    fn queries() -> impl Strategy<Value = Query> {
        leaves().prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(and),
                prop::collection::vec(inner.clone(), 2..4).prop_map(or),
                inner.prop_map(negate),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_printed_parses_to_the_same(query in queries()) {
            let printed = query.to_string();
            match parse(&printed) {
                Ok(parsed) => prop_assert_eq!(parsed.query, query, "{}", printed),
                Err(error) => prop_assert!(false, "{}", error.render(&printed)),
            }
        }
    }
}
