//! A pattern from sample lines.
//!
//! Lines are cut into pieces of known kinds ([`token`]), which are aligned, one line after the other ([`shape`]): what all lines
//! have is a literal, what is of one kind in all of them a field of that kind, what has no counterpart is any text. Lines that one
//! of the standard patterns for whole lines matches get that.
//!
//! Limits: [`SAMPLES_MAX`] lines of [`TOKENS_MAX`] pieces; what follows is any text.

mod names;
mod shape;
mod token;

use super::{Grok, Library, Options, Outcome, Scratch};
use shape::Shape;
pub use token::TOKENS_MAX;

/// Lines that a pattern is made from; it is tried on all.
pub const SAMPLES_MAX: usize = 1_000;
/// Standard patterns for whole lines, those that tell more first.
const WHOLE: &[&str] = &[
    "COMBINEDAPACHELOG",
    "COMMONAPACHELOG",
    "HTTPD_ERRORLOG",
    "HAPROXYHTTP",
    "HAPROXYTCP",
    "ELB_ACCESS_LOG",
    "S3_ACCESS_LOG",
    "CATALINALOG",
    "TOMCATLOG",
    "REDISLOG",
    "POSTGRESQL",
    "SYSLOG5424LINE",
];

/// A pattern that was made, and the lines that it does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The pattern.
    pub pattern: String,
    /// The numbers of lines that it does not match, from 0 on.
    pub unmatched: Vec<usize>,
}

/// Makes a pattern of lines, with names of the Elastic Common Schema where the library has them. None without lines.
#[must_use]
pub fn suggest(samples: &[&str], library: &Library, is_ecs: bool) -> Option<Suggestion> {
    let made = &samples[..samples.len().min(SAMPLES_MAX)];
    let lines: Vec<&str> = made.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.first()?;
    let whole = WHOLE
        .iter()
        .map(|name| format!("^%{{{name}}}\\s*$"))
        .find(|pattern| unmatched(pattern, library, &lines).is_some_and(|unmatched| unmatched.is_empty()));
    let pattern = match whole {
        Some(pattern) => pattern,
        None => {
            let tokens = token::Tokens::new();
            let mut shape = Shape::of(tokens.cut(first));
            lines.iter().skip(1).for_each(|line| shape = shape.merged(&tokens.cut(line)));
            shape.tidied().pattern(is_ecs)
        }
    };
    let unmatched = unmatched(&pattern, library, samples).unwrap_or_else(|| (0..samples.len()).collect());
    Some(Suggestion { pattern, unmatched })
}

/// The lines that a pattern does not match. None where it is no pattern.
fn unmatched(pattern: &str, library: &Library, lines: &[&str]) -> Option<Vec<usize>> {
    let grok = Grok::compile(&[pattern], library, Options::default()).ok()?;
    let mut scratch = Scratch::default();
    let mut matches = |line: &str| matches!(grok.matches(line, &mut scratch), Outcome::Match { .. });
    Some(lines.iter().enumerate().filter(|(_, line)| !matches(line)).map(|(n, _)| n).collect())
}

#[cfg(test)]
mod tests {
    use super::super::FieldNames;
    use super::*;
    use proptest::prelude::*;

    fn suggested(lines: &[&str], is_ecs: bool) -> Suggestion {
        let names = if is_ecs { FieldNames::Ecs } else { FieldNames::Legacy };
        suggest(lines, &Library::standard(names), is_ecs).unwrap()
    }

    fn check(lines: &[&str], expected: &str) {
        let found = suggested(lines, true);
        assert_eq!((found.pattern.as_str(), found.unmatched.as_slice()), (expected, &[][..]), "{lines:?}");
    }

    #[test]
    fn patterns_are_made() {
        check(
            &[
                "2026-01-02 03:04:05,678 INFO [main] started in 15ms",
                "2026-01-02 03:04:06,001 WARN [worker] started in 7ms",
            ],
            r"^%{TIMESTAMP_ISO8601:timestamp} %{LOGLEVEL:[log][level]} \[%{WORD:word}\] started in %{INT:duration_ms:int}ms$",
        );
        check(
            &["user=ann ip=10.0.0.1:80 took 1.5 s", "user=bob ip=10.0.0.2:8080 took 2 s"],
            r"^user=%{WORD:user} ip=%{IP:[source][ip]}:%{INT:[source][port]:int} took %{NUMBER:took:float} s$",
        );
        check(
            &[r#"a "x y" 0c7d9a6e-5f0e-4d7a-9c55-0242ac120002"#, r#"a "z" 0c7d9a6e-5f0e-4d7a-9c55-0242ac120003"#],
            r"^a %{QS:a} %{UUID:id}$",
        );
        check(&["x: one two three", "x: four five", "x: six"], r"^x: %{GREEDYDATA:message}$");
        check(&["(a) 1+1", "(a) 1+2"], r"^\(a\) 1\+%{INT:number:int}$");
        check(&["same", "same"], "^same$");
        check(&["größe 1", "große 1"], "^%{NOTSPACE:text} 1$");
        check(
            &[r#"10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8""#],
            r"^%{COMBINEDAPACHELOG}\s*$",
        );
    }

    #[test]
    fn old_names_are_flat() {
        let found = suggested(&["10.0.0.1 ERROR", "10.0.0.2 WARN"], false);
        assert_eq!(found.pattern, "^%{IP:ip} %{LOGLEVEL:level}$");
        assert!(suggest(&["", " "], &Library::standard(FieldNames::Ecs), true).is_none());
    }

    proptest! {
        // Each compiles the standard patterns.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_made_matches(lines in proptest::collection::vec(
            "(ERROR|info)? ?[a-z]{0,4}(=| |: |-)(10\\.0\\.0\\.[1-9]|[0-9]{1,3}|\"[a-z ]{0,5}\"|[a-z]{1,5})( [a-z0-9.,;/]{1,6}){0,4}", 1..6)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            if let Some(found) = suggest(&lines, &Library::standard(FieldNames::Ecs), true) {
                let filled = |n: &usize| !lines[*n].trim().is_empty();
                prop_assert!(!found.unmatched.iter().any(filled), "{:?} {:?}", found, lines);
            }
        }

        #[test]
        fn any_lines_are_taken(lines in proptest::collection::vec(".{0,60}", 0..4)) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            _ = suggest(&lines, &Library::standard(FieldNames::Ecs), true);
        }
    }
}
