//! The words that a query asks for, to be highlighted in what it found.

use super::ast::{FieldTest, Literal, Pattern, PatternPart, Query, Test, Text};
use super::tokens::Tokens;
use std::collections::HashSet;

/// The positive words over the text of the event, in lower case, in order, each once. What stands under `NOT` and what
/// is asked of fields other than `message` and `*` is left out; a wildcard gives its literal pieces.
#[must_use]
pub fn words(query: &Query) -> Vec<String> {
    let mut found = Found::default();
    found.collect(query);
    found.words
}

/// The words so far, in order, and as a set.
#[derive(Default)]
struct Found {
    words: Vec<String>,
    known: HashSet<String>,
}

impl Found {
    fn collect(&mut self, query: &Query) {
        match query {
            Query::All | Query::Not(_) | Query::Time(_) => {}
            Query::And(queries) | Query::Or(queries) => queries.iter().for_each(|query| self.collect(query)),
            Query::Text(Text::Word(text) | Text::Phrase { text, .. }) => self.add(text),
            Query::Text(Text::Wildcard(pattern)) => self.add_pattern(pattern),
            Query::Text(Text::Regex(_)) => {}
            Query::Field(FieldTest { field, test }) if matches!(field.name.as_str(), "message" | "*") => match test {
                Test::Equals(Literal { text, .. }) | Test::Exact(Literal { text, .. }) => self.add(text),
                Test::In(literals) => literals.iter().for_each(|literal| self.add(&literal.text)),
                Test::Wildcard(pattern) => self.add_pattern(pattern),
                Test::Regex(_) | Test::Exists | Test::Range { .. } | Test::Cidr { .. } => {}
            },
            Query::Field(_) => {}
        }
    }

    fn add_pattern(&mut self, pattern: &Pattern) {
        for part in &pattern.0 {
            if let PatternPart::Literal(text) = part {
                self.add(text);
            }
        }
    }

    fn add(&mut self, text: &str) {
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            if !token.part && !self.known.contains(token.text) {
                self.known.insert(token.text.to_owned());
                self.words.push(token.text.to_owned());
            }
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
