//! What is written inside of something else: the message of a syslog line that is JSON or a web server's line, the JSON
//! behind a prefix.
//!
//! The outer line's fields stand; the inner ones are added where the outer has none of that name, but the inner message,
//! level and logger win, because whoever wrote the inner text knows them better. An inner stamp counts only where the
//! outer line has none.

use super::{Context, Format, clf, haproxy, json, logfmt, mongodb, nginx_error, postgresql_json};
use crate::fields::{Fields, Places, Value};

/// The fields in which the inner text is believed more than the line around it.
const INNER_WINS: [&str; 3] = ["message", "log.level", "log.logger"];

/// Puts a message that may be one of these into the fields: parsed if it is, else as text.
pub fn message<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) {
    match structured(text, context) {
        Some(inner) => merge(inner, fields),
        None if text.is_empty() => {}
        None => fields.push("message", Value::text(text)),
    }
}

/// What is looked for in a text: structured loggers, and servers that send their lines by syslog.
const INNER: [&Format; 7] = [
    &mongodb::FORMAT,
    &postgresql_json::FORMAT,
    &json::FORMAT,
    &logfmt::FORMAT,
    &haproxy::FORMAT,
    &clf::FORMAT,
    &nginx_error::FORMAT,
];

/// The fields of a text that is a JSON object, key-value pairs or a web server's line as a whole.
#[must_use]
pub fn structured<'a>(text: &'a str, context: &Context) -> Option<Fields<'a>> {
    // JSON that is indented is rather a part of something.
    if text.as_bytes().first()?.is_ascii_whitespace() {
        return None;
    }
    INNER.iter().find_map(|format| format.read(text, context).ok())
}

/// Adds what an inner text says to what the line around it says.
pub fn merge<'a>(inner: Fields<'a>, fields: &mut Fields<'a>) {
    fields.time = fields.time.or(inner.time);
    for tag in inner.tags {
        if !fields.tags.contains(&tag) {
            fields.tags.push(tag);
        }
    }
    let mut places = Places::default();
    for field in inner.items {
        match places.of(&field.name, fields) {
            None => fields.push(field.name, field.value),
            Some(at) if INNER_WINS.contains(&&*field.name) => fields.items[at].value = field.value,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, level: Option<&str>, said: Option<&str>) {
        let mut fields = Fields::default();
        fields.push("log.level", Value::text("info"));
        fields.push("host.name", Value::text("web-1"));
        message(text, &Context::default(), &mut fields);
        let text_of = |name: &str| fields.get(name).and_then(|value| value.as_str());
        assert_eq!((text_of("log.level"), text_of("message"), text_of("host.name")), (level, said, Some("web-1")));
    }

    #[test]
    fn what_is_structured_is_parsed_and_the_rest_is_text() {
        check(r#"{"level":"error","msg":"boom","host":"inner"}"#, Some("error"), Some("boom"));
        check(
            r#"{"t":{"$date":"2026-01-02T03:04:05.678Z"},"s":"E","c":"REPL","msg":"boom"}"#,
            Some("error"),
            Some("boom"),
        );
        check("level=warn msg=slow host=inner", Some("warn"), Some("slow"));
        check("{ not json", Some("info"), Some("{ not json"));
        check("a=b only prose", Some("info"), Some("a=b only prose"));
        check("", Some("info"), None);
        let line = r#"192.0.2.7 - - [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200 5"#;
        check(line, Some("info"), Some(line));
    }
}
