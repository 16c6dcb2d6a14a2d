//! The language of pipelines.

use logship_parsers::config::{ERRORS_MAX, Options, Parsed, Source, Template, WARNINGS_MAX, parse, typed};
use std::time::Duration;

/// A config that is understood is printed so that it is understood as the same; what is said about one that is not stands at
/// places inside of it.
pub fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for support_escapes in [false, true] {
        let parsed = read(&text, support_escapes);
        assert!(parsed.diagnostics.len() <= ERRORS_MAX + 1 + WARNINGS_MAX, "{} diagnostics", parsed.diagnostics.len());
        let sources = [Source::new("input", text.as_ref())];
        for diagnostic in &parsed.diagnostics {
            let spans = diagnostic.notes.iter().filter_map(|note| note.span).chain([diagnostic.span]);
            spans.for_each(|span| assert!(text.get(span.range()).is_some(), "{diagnostic:?}"));
            assert!(diagnostic.render(&sources).contains('^'), "{diagnostic:?}");
        }
        let printed = parsed.config.to_string();
        if parsed.is_valid() {
            let again = read(&printed, support_escapes);
            assert!(again.is_valid(), "printed as {printed}: {:?}", again.diagnostics);
            assert_eq!(again.config, parsed.config, "printed as {printed}");
            assert_eq!(again.config.to_string(), printed, "printed in two ways");
        }
    }
    if let Ok(template) = Template::parse(&text) {
        assert_eq!(template.to_string(), text);
    }
    check_options(&text);
}

fn read(text: &str, support_escapes: bool) -> Parsed {
    let variables = |name: &str| match name {
        "A" => Some("[1, \"b\", { c => 'd\n' }]".to_owned()),
        "B" => Some("'x\" [".to_owned()),
        _ => None,
    };
    parse(&[Source::new("input", text)], &Options { support_escapes, variables: &variables })
}

/// Options are merged and read as anything without a panic.
fn check_options(text: &str) {
    use logship_parsers::config::ast::Statement;
    let config = read(&format!("filter {{ a {{ {text} }} }}"), false).config;
    let Some(Statement::Plugin(plugin)) = config.filters.first() else { return };
    for option in plugin.options() {
        let value = &option.value;
        _ = (typed::bytes(value), typed::duration(value, Duration::from_secs(1)), typed::boolean(value));
        _ = (typed::integer(value), typed::number(value), typed::field(value), typed::template(value));
        _ = (typed::text(value), typed::hash(value), typed::list(value), typed::choice(value, &["abc"]));
    }
}
