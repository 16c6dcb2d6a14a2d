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
