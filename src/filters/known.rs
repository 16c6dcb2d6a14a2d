//! Names of filters that Logstash has and we have not, so that errors can say more than `unknown`.

use super::FILTERS;
use logship_parsers::config::{Diagnostic, ast::Name, suggest};

/// Filters of Logstash that are not here, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("age", "compare `@timestamp` where the events are searched"),
    (
        "aggregate",
        "it needs an expression language, which is not there yet; `throttle` and `elapsed` see events together",
    ),
    ("cipher", "`fingerprint` hides values for good"),
    ("collate", "events are kept in their order"),
    ("elastic_integration", "send to Elasticsearch, which runs the integration's pipeline"),
    ("elasticsearch", "`translate` looks values up in a file"),
    ("http", "`translate` looks values up in a file"),
    ("i18n", "`mutate { gsub => ... }` replaces characters"),
    ("jdbc_static", "`translate` looks values up in a file"),
    ("jdbc_streaming", "`translate` looks values up in a file"),
    ("memcached", "`translate` looks values up in a file"),
    ("metricize", "`split` makes several events of one"),
    (
        "ruby",
        "it needs an expression language, which is not there yet; see whether `mutate`, `grok`, `dissect` or `translate` do",
    ),
    ("tld", "`grok` and `dissect` take names apart"),
    ("wurfl_device_detection", "`useragent` reads the same header"),
];

/// What to say of a filter that is not in [`FILTERS`].
#[must_use]
pub fn unknown(name: &Name) -> Diagnostic {
    let (text, place) = (name.text.as_str(), name.span.0);
    if let Some((_, instead)) = UNSUPPORTED.iter().find(|(known, _)| *known == text) {
        return Diagnostic::error(place, format!("the filter `{text}` of Logstash is not supported")).help(*instead);
    }
    let error = Diagnostic::error(place, format!("there is no filter `{text}`"));
    let known = FILTERS.iter().map(|kind| kind.name);
    match suggest(text, known.clone()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("filters are {}", known.collect::<Vec<_>>().join(", "))),
    }
}
