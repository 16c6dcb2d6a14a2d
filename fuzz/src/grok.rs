//! Patterns of grok.

use logship_parsers::grok::{FieldNames, Grok, Library, Options, Outcome, Scratch};
use std::cell::OnceCell;

/// What a text may cost: little, so that many texts are tried.
const STEPS_MAX: u64 = 200_000;

thread_local! {
    static LIBRARY: OnceCell<Library> = const { OnceCell::new() };
}

/// The first line is a pattern, the rest a text. What is said of a wrong pattern stands at a place inside of it; what a good one takes
/// are parts of the text, the same each time, and the text has the literals that every match must have.
pub fn grok(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (pattern, text) = input.split_once('\n').unwrap_or((&input, ""));
    LIBRARY.with(|library| check(library.get_or_init(|| Library::standard(FieldNames::Ecs)), pattern, text));
}

fn check(library: &Library, pattern: &str, text: &str) {
    let options = Options { steps_max: STEPS_MAX, ..Options::default() };
    let grok = match Grok::compile(&[pattern], library, options) {
        Ok(grok) => grok,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{pattern} is wrong, and nothing is said");
            return;
        }
    };
    let mut scratch = Scratch::default();
    let outcome = grok.matches(text, &mut scratch);
    let captures = scratch.captures().to_vec();
    if let Outcome::Match { .. } = outcome {
        for capture in &captures {
            assert!(text.get(capture.start..capture.end).is_some(), "{pattern}: {capture:?} is no part of {text:?}");
            assert!(capture.field < grok.fields().len(), "{pattern}: {capture:?} fills no field");
        }
        let mut rest = text;
        for literal in grok.required_literals(0) {
            let Some((_, behind)) = rest.split_once(literal) else {
                panic!("{pattern} matches {text:?} without {literal:?}")
            };
            rest = behind;
        }
    }
    let again = grok.matches(text, &mut scratch);
    assert_eq!(again, outcome, "{pattern} matches {text:?} otherwise the second time");
    if let Outcome::Match { .. } = outcome {
        assert_eq!(scratch.captures(), captures, "{pattern} takes otherwise from {text:?} the second time");
    }
}
