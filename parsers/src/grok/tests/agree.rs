//! Both engines, and another that backtracks, on one pattern and one text.

use super::*;
use crate::grok::pattern::{Pattern, Scratch, Tried};
use crate::grok::syntax::Parser;
use proptest::prelude::*;

/// The span of the match and the captures; none without a match.
type Found = Option<((usize, usize), Vec<Capture>)>;

fn found(tried: Tried, scratch: &Scratch) -> Found {
    match tried {
        Tried::Match(span) => Some((span, scratch.captures().to_vec())),
        Tried::NoMatch => None,
        Tried::OutOfSteps => panic!("a short text took too many steps"),
    }
}

/// What the machine says, having asked the engine of linear time, too.
fn both(pattern: &str, text: &str) -> Found {
    let library = Library::standard(FieldNames::Ecs);
    let parsed = Parser::new(&library, true).parse(pattern).unwrap();
    let compiled = Pattern::new(parsed.node, &parsed.groups, 10_000_000).unwrap();
    let mut scratch = Scratch::default();
    let tried = compiled.machine_alone(text, &mut scratch);
    let machine = found(tried, &scratch);
    let linear = compiled.linear(text, &mut scratch);
    match linear {
        Some(Tried::NoMatch) => assert_eq!(machine, None, "{pattern} on {text:?}"),
        Some(tried) => assert_eq!(machine, found(tried, &scratch), "{pattern} on {text:?}"),
        None => {}
    }
    machine
}

/// None where that engine does not take the pattern: it repeats no assertions.
fn other(pattern: &str, text: &str) -> Option<Found> {
    let regex = fancy_regex::Regex::new(&format!("(?sm){pattern}")).ok()?;
    let Some(captures) = regex.captures(text).unwrap() else { return Some(None) };
    let whole = captures.get(0)?;
    let groups = (1..captures.len()).filter_map(|group| {
        let found = captures.get(group)?;
        Some(Capture { field: group - 1, start: found.start(), end: found.end() })
    });
    Some(Some(((whole.start(), whole.end()), groups.collect())))
}

/// Pieces of expressions that mean the same to all three.
fn piece() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[ab:. -]{1,3}".prop_map(|text| text.replace('.', "\\.")),
        prop::sample::select(vec![
            "[a-c]",
            "[^ ]",
            "[^:a]",
            ".",
            "[0-9]",
            "\\b",
            "^",
            "$",
            "[äb]",
            "[^ä]",
            "[a-z0-9]{2,3}",
            "[ab]{2}",
            "(?![0-9])",
            "(?<![0-9])",
            "(?=a)",
            "(?<!ab|c)",
            "(?>a+)",
            "(?>ab|a)",
            "\\.?",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let repeat = prop::sample::select(vec!["*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,2}?"]);
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            1 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("(?:{})", parts.join("|"))),
            1 => inner.clone().prop_map(|part| format!("(?:{part})?")),
            1 => inner.prop_map(|part| format!("(?>{part})")),
            2 => (prop::sample::select(vec!["[a-c]", "[^:]", ".", "[0-9]", "[^ä]", "a", "[bä]", "(?:ab|a)", "(?:a|bc)"]), repeat)
                .prop_map(|(class, repeat)| format!("{class}{repeat}")),
        ]
    })
}

/// Some pieces, some of them captured.
fn expression() -> impl Strategy<Value = String> {
    prop::collection::vec((piece(), any::<bool>()), 1..6).prop_map(|pieces| {
        let pieces = pieces.into_iter().enumerate().map(|(at, (piece, captured))| {
            if captured { format!("(?<f{at}>{piece})") } else { format!("(?:{piece})") }
        });
        pieces.collect()
    })
}

/// Runs and loops over so few characters that most texts match in several ways.
fn runs() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a*",
        "a+",
        "[ab]+?",
        ".*",
        ".*?",
        ".+?",
        "[^b]*?",
        "[^a]*",
        "a{1,2}",
        "[ab]{2,3}?",
        "b",
        "a",
        " ",
        "ä",
        "[äa]*",
        "[^ä]+",
        "(?:a|ab)",
        "(?:b|ab|a)*",
        "(?:ab?)+?",
        "(?:a|ab){1,2}",
        "(?:ab?){2}",
        "(?>a*)",
        "(?>a|ab)",
        "[ab]{0,2}",
        "b?",
        "b??",
        "(?:a(?:b|.)*?)?",
        "(?=b)",
        "(?!a)",
        "(?<=a)",
        "(?<!b)",
        "\\b",
        "(?<=a.|b)",
        "(?!a+b)",
    ]);
    prop::collection::vec((part, any::<bool>()), 1..7).prop_map(|parts| {
        let parts = parts.into_iter().enumerate();
        parts.map(|(at, (part, named))| if named { format!("(?<f{at}>{part})") } else { part.to_owned() }).collect()
    })
}

/// References with delimiters between, as people write them.
fn grok() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "WORD",
        "NOTSPACE",
        "DATA",
        "GREEDYDATA",
        "INT",
        "NUMBER",
        "IP",
        "IPV4",
        "IPV6",
        "HOSTNAME",
        "IPORHOST",
        "QS",
        "HTTPDATE",
        "TIMESTAMP_ISO8601",
        "SYSLOGTIMESTAMP",
        "TIME",
        "LOGLEVEL",
        "USER",
        "URIPATH",
        "SPACE",
        "MONTH",
        "YEAR",
        "HTTPDUSER",
        "UUID",
    ]);
    let delimiter = prop::sample::select(vec![
        " ", "", ":", "\\[", "\\] ", "=", "\"", "(?: |,)", "Z", "\\.", ",", "\\+", "0", "-?", " +", "/",
    ]);
    let part = (name, delimiter, any::<bool>(), any::<bool>());
    prop::collection::vec(part, 1..6).prop_map(|parts| {
        let parts = parts.into_iter().enumerate().map(|(at, (name, delimiter, named, optional))| {
            let piece = if named { format!("%{{{name}:f{at}}}") } else { format!("%{{{name}}}") };
            if optional { format!("(?:{piece}{delimiter})?") } else { format!("{piece}{delimiter}") }
        });
        parts.collect()
    })
}

/// The pattern with its references written out, in the words of the other engine.
fn spelled(pattern: &str) -> String {
    let library = Library::standard(FieldNames::Ecs);
    let mut text = pattern.to_owned();
    while let Some(start) = text.find("%{") {
        let end = start + text[start..].find('}').unwrap();
        let (name, field) = text[start + 2..end].split_once(':').unwrap_or((&text[start + 2..end], ""));
        let open = if field.is_empty() { "(?:".to_owned() } else { format!("(?<{field}>") };
        let definition = library.definition(name).unwrap();
        text = format!("{}{open}{definition}){}", &text[..start], &text[end + 1..]);
    }
    [("\\w", "[0-9A-Za-z_]"), ("\\d", "[0-9]"), ("\\s", "[\\t-\\r ]"), ("\\S", "[^\\t-\\r ]"), ("\\h", "[0-9A-Fa-f]")]
        .iter()
        .fold(text, |text, (class, spelled)| text.replace(class, spelled))
}

fn line() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "10.0.0.7",
        "1.2.3",
        "256.1.1.1",
        "::1",
        "fe80::1%eth0",
        "2001:db8::7",
        "web-1.example.com",
        "a.",
        "-",
        "\"-\"",
        "\"a b\"",
        "\"x\\\" y\"",
        "'q'",
        "\"",
        "\\\"",
        "17",
        "-3.5",
        "+1",
        ".5",
        "1.",
        "01/Jan/2026:00:00:00 +0000",
        "1/Jan/26:1:02:60 -7",
        "2026-01-02T03:04:05.678Z",
        "2026-01-02 03:04:05,6+01:00",
        "2026-1-2T3:04",
        "2026-01-02T03:04:05+1",
        "2026-01-02T03:04:05+100",
        "2026-01-02T03:04:05+2460",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05Z0",
        "a-label-of-more-than-sixty-three-characters-which-no-name-of-a-host-may-have-x.y",
        "Jan  2 03:04:05",
        "Jan 12 03:04:05.123",
        "May 31 23:59:60",
        "März 3 1:02:03",
        "INFO",
        "Warning",
        "error",
        "ä",
        "ö",
        "äb",
        "/a/b?c=d",
        "k=v",
        "ann",
        "Mar",
        "Maerz",
        "2026",
        "20",
        "03:04:05",
        "d9428888-122b-11e1-b85c-61cd3cbb3210",
        "\n",
        "x:y",
        "[",
        "]",
    ]);
    let joint = prop::sample::select(vec![" ", "", ":", "[", "] ", "=", "\"", ",", "-", "/", "  "]);
    prop::collection::vec((token, joint), 0..7)
        .prop_map(|parts| parts.into_iter().map(|(token, joint)| format!("{token}{joint}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn on_expressions(pattern in expression(), text in "[abc0:. ä\n-]{0,14}") {
        let machine = both(&pattern, &text);
        if let Some(other) = other(&pattern, &text) {
            prop_assert_eq!(machine, other, "{} on {:?}", pattern, text);
        }
    }

    #[test]
    fn on_runs(pattern in runs(), text in "[abä ]{0,10}") {
        let machine = both(&pattern, &text);
        if let Some(other) = other(&pattern, &text) {
            prop_assert_eq!(machine, other, "{} on {:?}", pattern, text);
        }
    }

    #[test]
    fn on_groks(pattern in grok(), text in line()) {
        let machine = both(&pattern, &text);
        // Fields are numbered by the groups that there are.
        let other = other(&spelled(&pattern), &text).unwrap();
        prop_assert_eq!(machine, other, "{} on {:?}", pattern, text);
    }

    /// The recognisers against the expressions they stand for.
    #[test]
    fn with_recognisers(pattern in grok(), text in line()) {
        let (known, mut spelled) = (Library::standard(FieldNames::Ecs), Library::standard(FieldNames::Ecs));
        for name in known.names() {
            spelled.define(name, known.definition(name).unwrap());
        }
        let run = |library: &Library| {
            let grok = Grok::compile(&[&pattern], library, Options::default()).unwrap();
            let mut scratch = Scratch::default();
            (grok.matches(&text, &mut scratch), scratch.captures().to_vec())
        };
        prop_assert_eq!(run(&known), run(&spelled), "{} on {:?}", pattern, text);
    }

    #[test]
    fn any_text_compiles_or_not(pattern in "(?:[a-c(){}|*+?.\\[\\]^$\\\\%<>:=!&1-9äÄ-]|%\\{WORD:a\\}|\\(\\?|%\\{IP=){0,24}", text in "[a-c1ä \n]{0,16}") {
        let library = Library::standard(FieldNames::Ecs);
        match Grok::compile(&[&pattern], &library, Options { steps_max: 100_000, ..Options::default() }) {
            Ok(grok) => {
                let mut scratch = Scratch::default();
                if let Outcome::Match { .. } = grok.matches(&text, &mut scratch) {
                    prop_assert!(scratch.captures().iter().all(|c| text.get(c.start..c.end).is_some()));
                }
                explain(&pattern, &library, Options::default(), &text).unwrap();
            }
            Err(error) => prop_assert!(pattern.get(error.span.clone()).is_some(), "{:?}", error),
        }
    }
}
