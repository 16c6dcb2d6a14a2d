//! Tests of patterns as a whole.

use super::*;

/// The captures of a text as `field=text` pieces, or what came instead.
fn captures(pattern: &str, names: FieldNames, text: &str) -> String {
    let grok = Grok::compile(&[pattern], &Library::standard(names), Options::default()).unwrap();
    let mut scratch = Scratch::default();
    match grok.matches(text, &mut scratch) {
        Outcome::Match { .. } => {
            let found = scratch.captures().iter();
            let found: Vec<_> = found.map(|c| format!("{}={}", grok.fields()[c.field].name, c.of(text))).collect();
            found.join(" ")
        }
        outcome => format!("{outcome:?}"),
    }
}

fn check(pattern: &str, text: &str, expected: &str) {
    assert_eq!(captures(pattern, FieldNames::Ecs, text), expected, "{pattern} on {text}");
}

#[test]
fn captures_fields() {
    check("%{WORD:a}", "hello world", "a=hello");
    check("%{WORD:a} %{WORD:b}", "hello world", "a=hello b=world");
    check("%{WORD:a} %{WORD:[b][c]}", "hello world", "a=hello [b][c]=world");
    check("%{DATA:a}: %{GREEDYDATA:b}", "x: y: z\nmore", "a=x b=y: z\nmore");
    check("%{NUMBER:n:int} %{NUMBER:m:float}", "took 17 1.5", "n=17 m=1.5");
    check("(?<q>[A-Z]+)-(?<[d][e]>\\d+)-(?P<r>.)", "x AB-12-z", "q=AB [d][e]=12 r=z");
    check("%{WORD:a} is text - %{WORD more text}", "b is text - c", "a=b");
    check("%{THREE:a=\\d{3}}", "12 345", "a=345");
    check("%{WORD:a}", "???", "NoMatch");
    check("%{IP:a} %{IP:a}", "10.0.0.1 ::1", "a=10.0.0.1 a=::1");
    check("(?i)%{LOGLEVEL:l}", "x WaRnInG", "l=WaRnInG");
    check("^%{WORD:a}$", "one two\nthree", "a=three");
    check("(?<a>x*)y", "y", "a=");
}

#[test]
fn reads_access_logs() {
    let line = "203.0.113.7 - ann [10/Oct/2025:13:55:36 -0700] \"GET /a?b=c HTTP/1.1\" 200 2326 \"-\" \"curl/8\"";
    check(
        "%{COMBINEDAPACHELOG}",
        line,
        "[source][address]=203.0.113.7 [user][name]=ann timestamp=10/Oct/2025:13:55:36 -0700 [http][request][method]=GET \
         [url][original]=/a?b=c [http][version]=1.1 [http][response][status_code]=200 [http][response][body][bytes]=2326 \
         [user_agent][original]=curl/8",
    );
    assert_eq!(
        captures("%{COMBINEDAPACHELOG}", FieldNames::Legacy, line),
        "clientip=203.0.113.7 ident=- auth=ann timestamp=10/Oct/2025:13:55:36 -0700 verb=GET request=/a?b=c httpversion=1.1 \
         response=200 bytes=2326 referrer=\"-\" agent=\"curl/8\""
    );
}
/// Both engines, and another that backtracks, on one pattern and one text.
mod agree {
    use super::super::pattern::{Pattern, Scratch, Tried};
    use super::super::syntax::Parser;
    use super::*;
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
                "[a-c]", "[^ ]", "[^:a]", ".", "[0-9]", "\\b", "^", "$", "[äb]", "[^ä]", "[a-z0-9]{2,3}", "[ab]{2}", "(?![0-9])",
                "(?<![0-9])", "(?=a)", "(?<!ab|c)", "(?>a+)", "(?>ab|a)", "\\.?",
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

    /// References with delimiters between, as people write them.
    fn grok() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "WORD", "NOTSPACE", "DATA", "GREEDYDATA", "INT", "NUMBER", "IP", "IPV4", "IPV6", "HOSTNAME", "IPORHOST", "QS", "HTTPDATE",
            "TIMESTAMP_ISO8601", "SYSLOGTIMESTAMP", "TIME", "LOGLEVEL", "USER", "URIPATH", "SPACE", "MONTH", "YEAR", "HTTPDUSER", "UUID",
        ]);
        let delimiter = prop::sample::select(vec![" ", "", ":", "\\[", "\\] ", "=", "\"", "(?: |,)", "-?", " +", "/"]);
        let part = (name, delimiter, any::<bool>(), any::<bool>());
        prop::collection::vec(part, 1..6).prop_map(|parts| {
            let parts = parts.into_iter().enumerate().map(|(at, (name, delimiter, named, optional))| {
                let piece = if named { format!("%{{{name}:f{at}}}") } else { format!("%{{{name}}}") };
                if optional { format!("(?:{piece}{delimiter})?") } else { format!("{piece}{delimiter}") }
            });
            parts.collect()
        })
    }

    fn line() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "10.0.0.7", "1.2.3", "256.1.1.1", "::1", "fe80::1%eth0", "2001:db8::7", "web-1.example.com", "a.", "-", "\"-\"", "\"a b\"",
            "\"x\\\" y\"", "'q'", "\"", "\\\"", "17", "-3.5", "+1", ".5", "1.", "01/Jan/2026:00:00:00 +0000", "1/Jan/26:1:02:60 -7",
            "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05,6+01:00", "2026-1-2T3:04", "2026-01-02T03:04:05+1", "Jan  2 03:04:05",
            "Jan 12 03:04:05.123", "May 31 23:59:60", "März 3 1:02:03", "INFO", "Warning", "error", "ä", "ö", "äb", "/a/b?c=d", "k=v",
            "ann", "Mar", "Maerz", "2026", "20", "03:04:05", "d9428888-122b-11e1-b85c-61cd3cbb3210", "\n", "x:y", "[", "]",
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
        fn on_groks(pattern in grok(), text in line()) {
            both(&pattern, &text);
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
}

#[test]
fn all_standard_patterns_compile() {
    for names in [FieldNames::Legacy, FieldNames::Ecs] {
        let library = Library::standard(names);
        for name in library.names() {
            let pattern = format!("%{{{name}}}");
            let compiled = Grok::compile(&[&pattern], &library, Options::default());
            assert!(compiled.is_ok(), "{name} of {names:?}: {:?}", compiled.err());
        }
    }
}

/// Lines and what the pattern that their file is named after takes from them; `UPDATE_EXPECT=1` writes it.
#[test]
#[allow(clippy::disallowed_methods, reason = "fixtures are files")]
fn fixtures_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/grok");
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // A line end in a text is written as its sign.
        let rows = text.lines().map(|line| line.replace('⏎', "\n")).map(|line| {
            let legacy = fields(&name, FieldNames::Legacy, &line);
            let ecs = fields(&name, FieldNames::Ecs, &line);
            if legacy == ecs {
                serde_json::json!({ "line": line, "both": ecs })
            } else {
                serde_json::json!({ "line": line, "legacy": legacy, "ecs": ecs })
            }
        });
        let rows: Vec<_> = rows.map(|row| serde_json::to_string_pretty(&row).unwrap()).collect();
        let found = format!("[\n{}\n]\n", rows.join(",\n"));
        expect_test::expect_file![path.with_extension("json")].assert_eq(&found);
    }
}

/// The fields of a line; a pattern of single piece is given a field of its own.
fn fields(name: &str, names: FieldNames, line: &str) -> serde_json::Value {
    let library = Library::standard(names);
    if library.definition(name).is_none() {
        return serde_json::json!("no such pattern");
    }
    let mut grok = Grok::compile(&[format!("%{{{name}}}")], &library, Options::default()).unwrap();
    if grok.fields().is_empty() {
        grok = Grok::compile(&[format!("%{{{name}:it}}")], &library, Options::default()).unwrap();
    }
    let mut scratch = Scratch::default();
    match grok.matches(line, &mut scratch) {
        Outcome::Match { .. } => {}
        outcome => return serde_json::json!(format!("{outcome:?}")),
    }
    let mut found = serde_json::Map::new();
    for capture in scratch.captures() {
        let field = &grok.fields()[capture.field];
        let text = capture.of(line);
        let value = match field.kind {
            Kind::Text => serde_json::json!(text),
            Kind::Int => serde_json::json!(text.parse::<i64>().unwrap_or(0)),
            Kind::Float => serde_json::json!(text.parse::<f64>().unwrap_or(0.0)),
        };
        match found.get_mut(field.name.as_ref()) {
            None => {
                found.insert(field.name.to_string(), value);
            }
            Some(serde_json::Value::Array(values)) => values.push(value),
            Some(first) => *first = serde_json::json!([first.clone(), value]),
        }
    }
    found.into()
}
