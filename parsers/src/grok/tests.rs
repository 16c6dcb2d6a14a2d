//! Tests of patterns as a whole.

mod agree;

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
fn reads_expressions_as_ruby_does() {
    check("(?<a>\\w+)", "häuser", "a=h");
    check("(?u)(?<a>\\w+)", "häuser", "a=häuser");
    check("(?<a>[[:alpha:]]+)", "häuser", "a=häuser");
    check("(?<a>[a-z&&[^aeiou]]+)", "aebcd", "a=bcd");
    check("(?<a>\\h+)", "xyz12ef", "a=12ef");
    check("(?<a>.+)", "a\nb", "a=a\nb");
    check("(?-m)(?<a>.+)", "a\nb", "a=a");
    check("(?x) (?<a> a b ) # c", "ab", "a=ab");
    check("x(?i)a|(?<b>b)", "xB", "b=B");
    check("x(?i:a|(?<b>b))", "xB", "b=B");
    check("(?<a>a++)b", "aab", "a=aa");
    check("(?<a>a++)a", "aaa", "NoMatch");
    check("(?<a>(?:ab){2}?)c", "ababc", "a=abab");
    check("(?<a>x{,2})y", "xxxy", "a=xx");
    check("(?<a>a{b})", "a{b}", "a=a{b}");
    check("(?<q>['\"])(?<a>.*?)\\k<q>", "say 'x\"y'", "q=' a=x\"y");
    check("(.)(?<a>b)\\1", "abcbc cbc", "a=b");
    check("(?<=k=)(?<a>\\d+)(?!\\d|x)", "k=12x k=345", "a=345");
    check("(?<=ab|c)(?<a>d)", "abd", "a=d");
    check("(?<a>\\R)x", "\r\nx", "a=\r\n");
    check("(?<a>a)\\Z", "a\n", "a=a");
    check("(?<a>\\p{Greek}+)", "abc αβγ", "a=αβγ");
    check("%{} %{WORD:a}", "%{} b", "a=b");
    check("(?<NUMBER:n:int>\\d+)", "17", "n=17");
    check("(?#comment)%{WORD:a}", "b", "a=b");
    check("(?<a>[\\]x]+)", "]x]", "a=]x]");
    check("(?<a>[]x]+)", "]x]", "a=]x]");
    check("(?<a>\\u00e4\\x41)", "äA", "a=äA");
}

#[test]
fn unnamed_captures_are_fields_when_wanted() {
    let options = Options { named_captures_only: false, ..Options::default() };
    let grok = Grok::compile(&["%{URIHOST} %{WORD:w}"], &Library::standard(FieldNames::Ecs), options).unwrap();
    let names: Vec<_> = grok.fields().iter().map(|field| field.name.as_ref()).collect();
    assert!(
        names.starts_with(&["URIHOST", "IPORHOST", "IP", "IPV6"]) && names.ends_with(&["HOSTNAME", "POSINT", "w"]),
        "{names:?}"
    );
    let (mut scratch, text) = (Scratch::default(), "a.b:80 c");
    assert_eq!(grok.matches(text, &mut scratch), Outcome::Match { pattern: 0 });
    let found: Vec<_> = scratch.captures().iter().map(|c| (grok.fields()[c.field].name.as_ref(), c.of(text))).collect();
    assert_eq!(found, [("URIHOST", "a.b:80"), ("IPORHOST", "a.b"), ("HOSTNAME", "a.b"), ("POSINT", "80"), ("w", "c")]);
}

#[test]
fn several_patterns_are_tried_in_order() {
    let patterns = ["%{INT:n:int} ms", "%{WORD:w}", "%{INT:n:int}"];
    let grok = Grok::compile(&patterns, &Library::standard(FieldNames::Ecs), Options::default()).unwrap();
    let mut scratch = Scratch::default();
    assert_eq!(grok.matches("17 ms", &mut scratch), Outcome::Match { pattern: 0 });
    assert_eq!(grok.matches("17 s", &mut scratch), Outcome::Match { pattern: 1 });
    assert_eq!(grok.matches("-", &mut scratch), Outcome::NoMatch);
    assert_eq!(grok.fields().len(), 2);
    assert_eq!(grok.required_literals(0), [" ms"]);
    let (prefilter, mut candidates) = (Prefilter::of(&grok), Candidates::default());
    prefilter.candidates("17 ms", &mut candidates);
    assert_eq!(candidates.iter().collect::<Vec<_>>(), [0, 1, 2]);
    prefilter.candidates("17 s", &mut candidates);
    assert_eq!(candidates.iter().collect::<Vec<_>>(), [1, 2]);
    assert!(!candidates.contains(0) && !candidates.contains(64));
}

proptest::proptest! {
    #[test]
    fn many_patterns_match_as_each_alone_would(
        patterns in proptest::collection::vec(proptest::sample::select(vec![
            "^one-%{WORD:a} two", "two %{NUMBER:n}", "(?i)ONE", "%{WORD:a}: three", "[ot]ne (two|three)", "three$",
            "(two )+three", "^$", "x?one", "o", "%{DATA:a}-%{DATA:n} three", "é %{GREEDYDATA:a}",
        ]), PATTERNS_MIN..70),
        words in proptest::collection::vec(
            proptest::sample::select(vec!["one", "-", "two", ": ", " ", " three", "7", "ONE", "é", "t"]), 0..9),
    ) {
        let text = words.concat();
        let grok = Grok::compile(&patterns, &Library::standard(FieldNames::Ecs), Options::default()).unwrap();
        let (mut many, mut each) = (Scratch::default(), Scratch::default());
        let expected = grok.first_of(0..grok.len(), &text, &mut each);
        proptest::prop_assert_eq!(grok.matches(&text, &mut many), expected);
        proptest::prop_assert_eq!(many.captures(), each.captures());
    }
}

#[test]
fn errors_say_what_and_where() {
    let check = |pattern: &str, span: std::ops::Range<usize>, expected: &str| {
        let mut library = Library::standard(FieldNames::Ecs);
        for (name, definition) in [("LOOP", "%{LOOP2}"), ("LOOP2", "a|%{LOOP}"), ("BAD", "a(b"), ("OUTER", "x%{BAD}")] {
            library.define(name, definition);
        }
        let error = Grok::compile(&["%{WORD}", pattern], &library, Options::default()).unwrap_err();
        assert_eq!((error.pattern, error.span.clone(), error.to_string()), (1, span, expected.to_owned()), "{pattern}");
    };
    check("a %{WORRD:x}", 2..12, "no pattern is named WORRD; did you mean WORD?");
    check("%{QQQQQ}", 0..8, "no pattern is named QQQQQ");
    check("%{LOOP}", 0..7, "a pattern refers to itself: LOOP > LOOP2 > LOOP, at byte 2 of pattern LOOP2");
    check("a %{OUTER}", 2..10, "a ( without its ), at byte 1 of pattern BAD");
    check("ab)", 2..3, "a ) without its (");
    check("a(b", 1..2, "a ( without its )");
    check("[a", 0..2, "a [ without its ]");
    check("*a", 0..1, "a * with nothing before it to repeat");
    check("a{3,2}", 1..6, "a repetition whose most is less than its least");
    check("[b-a]", 1..4, "a range in brackets whose end comes before its beginning");
    check("\\p{Foo}", 0..7, "an unknown character property");
    check("(?<a>b)\\k<c>", 7..12, "\\k<c> without a group of that name before it");
    check(
        "(?<=a+)b",
        0..8,
        "looking behind for a text of varying length is not supported: give each length its own branch",
    );
    check("(?s)a", 0..3, "the flag s is unknown: there are i, m, x and u");
    check("a\\Gb", 1..3, "\\G is not supported in patterns");
    check("(?:(?:a{1000}b){1000}c){1000}", 0..29, "the pattern has more than 100000 instructions: repeat less");
}

/// Texts on which backtracking alone would take for ever.
#[test]
fn hostile_patterns_end() {
    let check = |pattern: &str, expected: Outcome| {
        let grok = Grok::compile(
            &[pattern],
            &Library::standard(FieldNames::Ecs),
            Options { steps_max: 200_000, ..Options::default() },
        );
        let text = "a".repeat(5_000);
        assert_eq!(grok.unwrap().matches(&text, &mut Scratch::default()), expected, "{pattern}");
    };
    check("^(?<x>(?:a+)+)$b", Outcome::NoMatch);
    check("(?:a|aa)+b", Outcome::NoMatch);
    check("(?<x>(?:a|a)*)$", Outcome::Match { pattern: 0 });
    check("(?:a?){100}a{100}b", Outcome::NoMatch);
    check("(a|aa)+\\1b", Outcome::NoMatch);
    check("(?:a|aa)+(?<!a)", Outcome::Timeout { pattern: 0 });
    check("%{DATA:a}%{DATA:b}%{DATA:c}%{DATA:d}x%{DATA:e}y", Outcome::NoMatch);
    check("%{HOSTNAME}!", Outcome::NoMatch);
}

#[test]
fn explains_how_far_a_pattern_gets() {
    let library = Library::standard(FieldNames::Ecs);
    let pattern = "%{WORD:a} took %{NUMBER:ms} ms";
    let found = explain(pattern, &library, Options::default(), "job: GET took long").unwrap();
    assert_eq!((found.matched, found.failed, found.text), (0..15, Some(15..27), 5..14));
    assert_eq!(found.captures, [Capture { field: 0, start: 5, end: 8 }]);
    let found = explain(pattern, &library, Options::default(), "GET took 5 ms").unwrap();
    assert_eq!((found.matched, found.failed, found.text), (0..pattern.len(), None, 0..13));
    let found = explain(pattern, &library, Options::default(), "--").unwrap();
    assert_eq!((found.matched, found.failed, found.text), (0..0, Some(0..9), 0..0));
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
