//! The search language, and the tokens that it shares with the index.

use logship_parsers::query::ast::{Query, Span};
use logship_parsers::query::tokens::{TOKEN_BYTES_MAX, tokens};
use logship_parsers::query::{RENDER_COLUMNS_MAX, parse, words};

/// A query that is understood is printed so that it is understood as the same; one that is not is explained at a place
/// inside of it.
pub fn query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(parsed) => {
            let printed = parsed.query.to_string();
            match parse(&printed) {
                Ok(again) => {
                    assert_eq!(again.query, parsed.query, "printed as {printed}");
                    assert_eq!(again.query.to_string(), printed, "printed in two ways");
                }
                Err(error) => panic!("printed as {printed}: {}", error.render(&printed)),
            }
            check_tree(&parsed.query);
            parsed.hints.iter().for_each(|hint| check_span(&text, hint.span));
            let words = words(&parsed.query);
            assert!(words.iter().enumerate().all(|(at, word)| !words[..at].contains(word)), "{words:?}");
        }
        Err(error) => {
            check_span(&text, error.span);
            let shown = error.render(&text);
            let line = shown.lines().nth(error.message.lines().count()).unwrap_or_default();
            let columns = line.chars().count();
            // Marks have no width.
            let marks = line.chars().filter(|c| !c.is_ascii()).count();
            assert!(columns <= RENDER_COLUMNS_MAX + marks + 32, "{columns} columns: {shown}");
            assert!(shown.contains('^'), "{shown}");
        }
    }
    check_tokens(&text);
}

fn check_span(text: &str, span: Span) {
    assert!(text.get(span.start..span.end).is_some(), "{span:?} is no part of {text:?}");
}

/// What the tree promises about itself.
fn check_tree(query: &Query) {
    match query {
        Query::And(all) => {
            assert!(all.len() > 1 && !all.iter().any(|inner| matches!(inner, Query::And(_))), "{query:?}");
            all.iter().for_each(check_tree);
        }
        Query::Or(any) => {
            assert!(any.len() > 1 && !any.iter().any(|inner| matches!(inner, Query::Or(_))), "{query:?}");
            any.iter().for_each(check_tree);
        }
        Query::Not(inner) => {
            assert!(!matches!(**inner, Query::Not(_)), "{query:?}");
            check_tree(inner);
        }
        Query::All | Query::Text(_) | Query::Field(_) | Query::Time(_) => {}
    }
}

/// Tokens are in order, not too long, and changed to lower case no further.
fn check_tokens(text: &str) {
    let mut cursor = tokens(text);
    let (mut position, mut start) = (0, 0);
    while let Some(token) = cursor.next() {
        let typed = text.get(token.start..token.end).unwrap_or_default();
        assert!(!token.text.is_empty() && token.text.len() <= TOKEN_BYTES_MAX, "{token:?}");
        assert!(typed.chars().all(char::is_alphanumeric) && !typed.is_empty(), "{token:?}");
        let lower: String = typed.chars().flat_map(char::to_lowercase).collect();
        assert!(if token.cut { lower.starts_with(token.text) } else { lower == token.text }, "{token:?}");
        assert!(token.position >= position && token.start >= start && token.position <= position + 1, "{token:?}");
        (position, start) = (token.position, token.start);
    }
}
