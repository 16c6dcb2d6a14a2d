//! The words that a query asks for, to be highlighted in what it found.

use super::ast::{FieldTest, Literal, Pattern, PatternPart, Query, Test, Text};
use super::tokens::Tokens;

/// The positive words over the text of the event, in lower case, in order, each once. What stands under `NOT` and what
/// is asked of fields other than `message` and `*` is left out; a wildcard gives its literal pieces.
#[must_use]
pub fn words(query: &Query) -> Vec<String> {
    let mut out = Vec::new();
    collect(query, &mut out);
    out
}

fn collect(query: &Query, out: &mut Vec<String>) {
    match query {
        Query::All | Query::Not(_) | Query::Time(_) => {}
        Query::And(queries) | Query::Or(queries) => queries.iter().for_each(|query| collect(query, out)),
        Query::Text(Text::Word(text) | Text::Phrase { text, .. }) => add(text, out),
        Query::Text(Text::Wildcard(pattern)) => add_pattern(pattern, out),
        Query::Text(Text::Regex(_)) => {}
        Query::Field(FieldTest { field, test }) if matches!(field.name.as_str(), "message" | "*") => match test {
            Test::Equals(Literal { text, .. }) | Test::Exact(Literal { text, .. }) => add(text, out),
            Test::In(literals) => literals.iter().for_each(|literal| add(&literal.text, out)),
            Test::Wildcard(pattern) => add_pattern(pattern, out),
            Test::Regex(_) | Test::Exists | Test::Range { .. } | Test::Cidr { .. } => {}
        },
        Query::Field(_) => {}
    }
}

fn add_pattern(pattern: &Pattern, out: &mut Vec<String>) {
    for part in &pattern.0 {
        if let PatternPart::Literal(text) = part {
            add(text, out);
        }
    }
}

fn add(text: &str, out: &mut Vec<String>) {
    let mut tokens = Tokens::new(text);
    while let Some(token) = tokens.next() {
        if !token.part && !out.iter().any(|word| word == token.text) {
            out.push(token.text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    fn check(query: &str, expected: &[&str]) {
        assert_eq!(words(&parse(query).unwrap().query), expected, "{query}");
    }

    #[test]
    fn positive_words_are_found() {
        check("Error -debug \"Connection refused\"", &["error", "connection", "refused"]);
        check("a OR (b NOT (c d)) a", &["a", "b"]);
        check("time* level:warn message:Disk", &["time", "disk"]);
        check("ConnectTimeoutException _time:5m", &["connecttimeoutexception"]);
        check("-error", &[]);
    }
}
