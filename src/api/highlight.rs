//! The words that a reader of results looks for: what the page marks in messages.

use logship_parsers::query::ast::{Pattern, PatternPart, Query, Test, Text};

/// Most words that are listed.
const WORDS_MAX: usize = 100;

/// Lower-case words of the query's text conditions, in order, each once; what is negated is not looked for.
#[must_use]
pub fn words(query: &Query) -> Vec<String> {
    let mut words = Vec::new();
    collect(query, &mut words);
    words
}

fn collect(query: &Query, words: &mut Vec<String>) {
    match query {
        Query::And(all) | Query::Or(all) => all.iter().for_each(|inner| collect(inner, words)),
        Query::Text(Text::Word(text) | Text::Phrase { text, .. }) => split(text, words),
        Query::Text(Text::Wildcard(pattern)) => literals(pattern, words),
        Query::Field(condition) if condition.field.name == "message" => match &condition.test {
            Test::Equals(literal) | Test::Exact(literal) => split(&literal.text, words),
            Test::Wildcard(pattern) => literals(pattern, words),
            Test::In(literals) => literals.iter().for_each(|literal| split(&literal.text, words)),
            Test::Regex(_) | Test::Exists | Test::Range { .. } | Test::Cidr { .. } => {}
        },
        Query::All | Query::Not(_) | Query::Text(Text::Regex(_)) | Query::Field(_) | Query::Time(_) => {}
    }
}

fn literals(pattern: &Pattern, words: &mut Vec<String>) {
    for part in &pattern.0 {
        if let PatternPart::Literal(text) = part {
            split(text, words);
        }
    }
}

fn split(text: &str, words: &mut Vec<String>) {
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if words.len() < WORDS_MAX && !words.contains(&word) {
            words.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_text_conditions_only() {
        let word = |text: &str| Query::Text(Text::Word(text.to_owned()));
        let pattern = Pattern(vec![PatternPart::Literal("Time".to_owned()), PatternPart::AnyRun]);
        for (query, expected) in [
            (Query::All, vec![]),
            (word("host-1"), vec!["host", "1"]),
            (Query::Not(Box::new(word("quiet"))), vec![]),
            (Query::And(vec![word("Boom"), word("boom"), Query::Or(vec![word("ÄRGER")])]), vec!["boom", "ärger"]),
            (Query::Text(Text::Wildcard(pattern)), vec!["time"]),
            (
                Query::Text(Text::Phrase { text: "connection refused".to_owned(), slop: 0, prefix: false }),
                vec!["connection", "refused"],
            ),
        ] {
            assert_eq!(words(&query), expected, "{query:?}");
        }
    }
}
