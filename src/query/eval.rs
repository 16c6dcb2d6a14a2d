//! The one evaluator of queries over events: the live tail and streaming ask it, and the index must agree with it.
//!
//! | query | matches where |
//! |---|---|
//! | `word`, `host-1` | its words follow each other in the message, or in one other value of the event |
//! | a word and a unique id | a value that is a UUID or 16 and more hex digits matches as a whole only |
//! | `"phrase"`, `~n`, `"pre"*` | the message alone; `~n`: places less word numbers lie within n; `*`: the last word begins so |
//! | `tim*` | one word of the message or of another value (not of a unique id) |
//! | `web-*/x` | the message, across words, ignoring case; its ends are ends of words |
//! | `/re/` | the message, unanchored |
//! | text without letter or digit | the message holds it, ignoring case |
//! | `message:x` | the same, for the message alone; `=` and `IN` compare the whole message |
//! | `field:x` | any value of the field, or of one it is short for, is equal ignoring case; lists: any element |
//! | numbers | by value: `503` is 503, 503.0 and "503"; text with a fraction is a number in ranges only |
//! | `level:` | also by severity: `warning` is `warn`; ranges by severity where the limit has one |
//! | `250ms` | nanoseconds; numbers of fields that end in `_ms`, `_us`, `_s`, `_seconds` in that unit; text with a unit |
//! | `10KiB` | bytes; text with a unit |
//! | ranges of text | by code point; a number is no text unless the limit is quoted |
//! | `field:/re/`, `field:a*` | the whole value as text, the wildcard ignoring case |
//! | `field:*` | a value that is not null is there or in the object there |
//! | `*:x` | any value, and the message as text |
//! | times of events | in whole milliseconds, rounded down, on both sides |

use super::{
    QueryFailure,
    field_test::{ValueTest, names},
    leaf::{Leaf, any_at, any_leaf, equal_folded},
    text::{Sequence, TextTest, any_word},
};
use crate::{
    event::{Event, Timestamp, Value},
    store::{is_unique_id, leaf_text},
};
use logship_parsers::query::ast::{Bound, FieldTest, Literal, Meaning, Query, Test, Text, TimeRange};

/// A query ready to be asked of events.
#[derive(Clone, Debug)]
pub struct Matcher {
    pub(super) node: Node,
}

/// A part of a query, compiled. What the index plans from, too.
#[derive(Clone, Debug)]
pub(super) enum Node {
    All,
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Text(TextTest),
    Field(FieldNode),
    /// Milliseconds: from, and up to but not including.
    Time {
        from: i64,
        to: i64,
    },
}

/// A condition on a field.
#[derive(Clone, Debug)]
pub(super) struct FieldNode {
    /// As typed.
    pub(super) name: String,
    /// The fields that it means, each with the test for its values.
    pub(super) tests: Vec<(String, ValueTest)>,
    /// What the message must hold, for the fields `message` and `*`.
    pub(super) message: Option<MessageTest>,
}

/// What a condition on a field means for the message.
#[derive(Clone, Debug)]
pub(super) enum MessageTest {
    /// Its words.
    Text(TextTest),
    /// All of it as one value.
    Value(ValueTest),
}

impl FieldNode {
    /// Whether every field is meant.
    pub(super) fn any_field(&self) -> bool {
        self.name == "*"
    }

    /// Whether the event's own time is meant.
    pub(super) fn own_time(&self) -> bool {
        matches!(self.name.as_str(), "@timestamp" | "_time")
    }
}

impl Matcher {
    /// Compiles a query; `now` is what `now` in it means.
    ///
    /// # Errors
    /// A regular expression or wildcard is larger than the limit.
    pub fn new(query: &Query, now: Timestamp) -> Result<Matcher, QueryFailure> {
        Ok(Matcher { node: node(query, now)? })
    }

    /// Whether the event matches.
    ///
    /// ```
    /// use logship::{event::{Event, Timestamp}, query::Matcher};
    /// let now = Timestamp::from_nanos(0);
    /// let query = logship_parsers::query::parse("refused -debug").unwrap().query;
    /// let matcher = Matcher::new(&query, now).unwrap();
    /// assert!(matcher.matches(&Event::from_line(now, "Connection refused".into())));
    /// ```
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        matches(&self.node, event)
    }
}

fn node(query: &Query, now: Timestamp) -> Result<Node, QueryFailure> {
    let all = |queries: &[Query]| queries.iter().map(|query| node(query, now)).collect::<Result<Vec<_>, _>>();
    Ok(match query {
        Query::All => Node::All,
        Query::And(queries) => Node::And(all(queries)?),
        Query::Or(queries) => Node::Or(all(queries)?),
        Query::Not(query) => Node::Not(Box::new(node(query, now)?)),
        Query::Text(text) => Node::Text(TextTest::new(text)?),
        Query::Field(test) => Node::Field(field_node(test, now)?),
        Query::Time(range) => time_node(range, now),
    })
}

fn time_node(range: &TimeRange, now: Timestamp) -> Node {
    let millis = |literal: &Literal| match literal.meaning {
        Meaning::Time(nanos) => Timestamp::from_nanos(nanos).as_millis(),
        Meaning::Relative(nanos) => Timestamp::from_nanos(now.as_nanos().saturating_add(nanos)).as_millis(),
        _ => now.as_millis(),
    };
    let from = match &range.low {
        Bound::Open => i64::MIN,
        Bound::Included(literal) => millis(literal),
        Bound::Excluded(literal) => millis(literal).saturating_add(1),
    };
    let to = match &range.high {
        Bound::Open => i64::MAX,
        Bound::Included(literal) => millis(literal).saturating_add(1),
        Bound::Excluded(literal) => millis(literal),
    };
    Node::Time { from, to }
}

fn field_node(test: &FieldTest, now: Timestamp) -> Result<FieldNode, QueryFailure> {
    let name = test.field.name.clone();
    let tests = names(test).map(|name| Ok((name.to_owned(), ValueTest::new(name, &test.test, now)?)));
    let tests = tests.collect::<Result<_, QueryFailure>>()?;
    let message = match name.as_str() {
        "message" | "*" => Some(message_test(&test.test, now)?),
        _ => None,
    };
    Ok(FieldNode { name, tests, message })
}

fn message_test(test: &Test, now: Timestamp) -> Result<MessageTest, QueryFailure> {
    Ok(MessageTest::Text(match test {
        Test::Equals(literal) => TextTest::Phrase(Sequence::new(&literal.text, 0, false)),
        Test::Wildcard(pattern) => TextTest::new(&Text::Wildcard(pattern.clone()))?,
        Test::Regex(regex) => TextTest::new(&Text::Regex(regex.clone()))?,
        other => return Ok(MessageTest::Value(ValueTest::new("message", other, now)?)),
    }))
}

fn matches(node: &Node, event: &Event) -> bool {
    match node {
        Node::All => true,
        Node::And(nodes) => nodes.iter().all(|node| matches(node, event)),
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, event)),
        Node::Not(node) => !matches(node, event),
        Node::Text(test) => text_matches(test, event),
        Node::Field(field) => field_matches(field, event),
        Node::Time { from, to } => (*from..*to).contains(&event.time.as_millis()),
    }
}

/// Gives the text of each leaf but the message to `test` until one passes.
fn any_other_text(event: &Event, mut test: impl FnMut(&str) -> bool) -> bool {
    others(event).any(|value| any_text(value, &mut test))
}

fn any_text(value: &Value, test: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::List(items) => items.iter().any(|item| any_text(item, test)),
        Value::Map(map) => map.iter().any(|(_, value)| any_text(value, test)),
        leaf => leaf_text(leaf).is_some_and(|text| test(&text)),
    }
}

/// The fields that are not the message.
fn others(event: &Event) -> impl Iterator<Item = &Value> {
    let is_message = |key: &str, value: &Value| key == "message" && value.as_str().is_some();
    event.fields.iter().filter(move |(key, value)| !is_message(key.as_str(), value)).map(|(_, value)| value)
}

fn text_matches(test: &TextTest, event: &Event) -> bool {
    if event.message().is_some_and(|message| message_has(test, message)) {
        return true;
    }
    match test {
        TextTest::Word(words) if !words.words.is_empty() => any_other_text(event, |text| {
            if is_unique_id(text) { equal_folded(text, &words.lower) } else { words.found_in(text) }
        }),
        TextTest::OneWord { regex, .. } => {
            any_other_text(event, |text| !is_unique_id(text) && any_word(text, |word| regex.is_match(word)))
        }
        _ => false,
    }
}

fn message_has(test: &TextTest, message: &str) -> bool {
    match test {
        TextTest::Word(words) | TextTest::Phrase(words) => words.found_in(message),
        TextTest::OneWord { regex, .. } => any_word(message, |word| regex.is_match(word)),
        TextTest::Across { regex, .. } | TextTest::Regex(regex) => regex.is_match(message),
    }
}

fn field_matches(field: &FieldNode, event: &Event) -> bool {
    if field.own_time() {
        let time = Leaf::Time(event.time.as_nanos());
        return field.tests.iter().any(|(_, test)| test.matches(time));
    }
    if let (Some(test), Some(message)) = (&field.message, event.message()) {
        let passes = match test {
            MessageTest::Text(test) => message_has(test, message),
            MessageTest::Value(test) => test.matches(Leaf::of_text(message)),
        };
        if passes {
            return true;
        }
    }
    field.tests.iter().any(|(name, test)| {
        let inside = field.any_field() || matches!(test, ValueTest::Exists);
        let passes = |value: &Value| any_leaf(value, inside, &mut |leaf| test.matches(leaf));
        if field.any_field() {
            return others(event).any(passes);
        }
        let message = event.fields.get("message").filter(|value| value.as_str().is_some());
        any_at(&event.fields, name, &mut |value| {
            !message.is_some_and(|message| std::ptr::eq(message, value)) && passes(value)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Key, Map};
    use logship_parsers::query::parse;

    fn value(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(truth) => Value::Bool(*truth),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap()), Value::Int)
            }
            serde_json::Value::String(text) => Value::from(text.as_str()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(value).collect()),
            serde_json::Value::Object(map) => Value::Map(fields(map)),
        }
    }

    fn fields(map: &serde_json::Map<String, serde_json::Value>) -> Map {
        map.iter().map(|(key, json)| (Key::from(key.as_str()), value(json))).collect()
    }

    /// 2026-01-02T03:04:05.500Z.
    const NOW_MS: i64 = 1_767_323_045_500;

    fn check(query: &str, event: &str, expected: bool) {
        let json: serde_json::Value = serde_json::from_str(event).unwrap();
        let mut event = Event::new(Timestamp::from_millis(NOW_MS - 60_000));
        event.fields = fields(json.as_object().unwrap());
        let parsed = parse(query).unwrap_or_else(|why| panic!("{query}: {why:?}"));
        let matcher = Matcher::new(&parsed.query, Timestamp::from_millis(NOW_MS)).unwrap();
        assert_eq!(matcher.matches(&event), expected, "{query} on {json}");
    }

    #[test]
    fn the_examples_of_the_reference() {
        let rows: &[(&str, &str, bool)] = &[
            ("error", r#"{"message":"an ERROR here"}"#, true),
            ("error", r#"{"message":"errors here"}"#, false),
            ("connection refused", r#"{"message":"refused: connection"}"#, true),
            (r#""connection refused""#, r#"{"message":"Connection (refused)"}"#, true),
            (r#""connection refused""#, r#"{"message":"refused connection"}"#, false),
            (r#""failed password"~3"#, r#"{"message":"failed for root: password"}"#, true),
            (r#""failed password"~1"#, r#"{"message":"failed for root: password"}"#, false),
            ("timeout*", r#"{"message":"Timeouts"}"#, true),
            ("timeout*", r#"{"message":"ConnectTimeoutException"}"#, true),
            ("timeout*", r#"{"message":"notimeout"}"#, false),
            ("*Exception", r#"{"message":"a.b.IOException: x"}"#, true),
            ("level:error", r#"{"log":{"level":"ERROR"}}"#, true),
            ("level:>=warn", r#"{"level":"critical"}"#, true),
            ("level:>=warn", r#"{"level":"info"}"#, false),
            ("level:(error OR fatal) -healthcheck", r#"{"message":"GET /healthcheck","level":"error"}"#, false),
            ("-level:info", r#"{"message":"x"}"#, true),
            ("service:api http.status:>=500", r#"{"service":{"name":"api"},"http":{"status":503}}"#, true),
            ("http.status:[400 TO 499]", r#"{"http.status":499}"#, true),
            ("http.status:{400 TO 500}", r#"{"http":{"status":400}}"#, false),
            ("duration:>250ms", r#"{"event":{"duration":250000001}}"#, true),
            ("duration:>250ms", r#"{"event":{"duration":250000000}}"#, false),
            ("size:>10KiB", r#"{"size":10241}"#, true),
            ("client.ip:10.0.0.0/8", r#"{"client":{"ip":"10.255.0.1"}}"#, true),
            ("client.ip:10.0.0.0/8", r#"{"client":{"ip":"11.0.0.1"}}"#, false),
            ("user_id:*", r#"{"user_id":0}"#, true),
            ("-user_id:*", r#"{"user_id":null}"#, true),
            (r#"host IN (web-1, web-2, "web 3")"#, r#"{"host":{"name":"web 3"}}"#, true),
            (r#"host IN (web-1, web-2, "web 3")"#, r#"{"host":{"name":"WEB-1"}}"#, false),
            (r"path:/\/api\/v[12]\/.*/", r#"{"url":{"path":"/api/v2/users"}}"#, true),
            (r"path:/\/api\/v[12]/", r#"{"url":{"path":"/api/v2/users"}}"#, false),
            (
                "trace_id:4bf92f3577b34da6a3ce929d0e0e4736",
                r#"{"trace":{"id":"4BF92F3577B34DA6A3CE929D0E0E4736"}}"#,
                true,
            ),
            ("*:4242", r#"{"process":{"pid":4242}}"#, true),
            ("*:4242", r#"{"message":"pid 4242 died"}"#, true),
            ("*:4242", r#"{"message":"pid 42420 died"}"#, false),
            ("_time:15m error", r#"{"message":"error"}"#, true),
            ("_time:30s error", r#"{"message":"error"}"#, false),
        ];
        for (query, event, expected) in rows {
            check(query, event, *expected);
        }
    }

    #[test]
    fn words_and_patterns() {
        let rows: &[(&str, &str, bool)] = &[
            ("10.1.2.3", r#"{"source":{"ip":"10.1.2.3"}}"#, true),
            ("10.1.2.3", r#"{"a":"10.1","b":"2.3"}"#, false),
            ("host-1", r#"{"message":"at HOST 1 now"}"#, true),
            (r#""web""#, r#"{"host":"web"}"#, false),
            ("web", r#"{"host":["db",{"x":"web"}]}"#, true),
            ("true", r#"{"flag":true}"#, true),
            ("4bf92f35", r#"{"trace":"4bf92f35-0000-0000-0000-000000000000"}"#, false),
            ("4BF92F35-0000-0000-0000-000000000000", r#"{"trace":"4bf92f35-0000-0000-0000-000000000000"}"#, true),
            ("4bf92f35", r#"{"message":"trace 4bf92f35-0000-0000-0000-000000000000"}"#, true),
            ("web-*", r#"{"message":"on web-12 now"}"#, true),
            ("web-*", r#"{"message":"on cobweb-12"}"#, false),
            ("GET?/api/*/users", r#"{"message":"get /api/v1/users HTTP"}"#, true),
            ("/refused$/", r#"{"message":"connection refused"}"#, true),
            ("/REFUSED$/", r#"{"message":"connection refused"}"#, false),
            (r#""conn refu"*"#, r#"{"message":"conn refused"}"#, true),
            ("中", r#"{"message":"日本中国"}"#, true),
            (r#""中国""#, r#"{"message":"日本中国"}"#, true),
            ("ärger", r#"{"message":"ÄRGER"}"#, true),
            ("message:refused", r#"{"x":"refused"}"#, false),
            ("message=Boom", r#"{"message":"boom"}"#, false),
            ("message=Boom", r#"{"message":"Boom"}"#, true),
            ("message:5", r#"{"message":5}"#, true),
            ("->", r#"{"message":"a -> b"}"#, true),
        ];
        for (query, event, expected) in rows {
            check(query, event, *expected);
        }
    }

    #[test]
    fn values_of_fields() {
        let rows: &[(&str, &str, bool)] = &[
            ("status:503", r#"{"status":503.0}"#, true),
            ("status:503", r#"{"status":"503"}"#, true),
            ("status:503.0", r#"{"status":503}"#, true),
            (r#"status:"503""#, r#"{"status":503}"#, true),
            ("status:503", r#"{"status":"503.0"}"#, false),
            ("status:5*", r#"{"status":503}"#, true),
            ("ratio:>1", r#"{"ratio":"1.5"}"#, true),
            ("level:warn", r#"{"level":"WARNING"}"#, true),
            ("level=warn", r#"{"level":"warning"}"#, false),
            ("level:custom", r#"{"level":"Custom"}"#, true),
            ("tags:b", r#"{"tags":["a","B"]}"#, true),
            ("items.id:7", r#"{"items":[{"id":5},{"id":7}]}"#, true),
            ("http:*", r#"{"http":{"status":1}}"#, true),
            ("http:*", r#"{"http":{"status":null}}"#, false),
            ("name:äpfel", r#"{"name":"ÄPFEL"}"#, true),
            ("name=äpfel", r#"{"name":"ÄPFEL"}"#, false),
            ("name!=x", r#"{"name":"y"}"#, true),
            ("took:>=1s", r#"{"took":"1500ms"}"#, true),
            ("took_ms:>1s", r#"{"took_ms":1001}"#, true),
            ("took_s:<1s", r#"{"took_s":0.5}"#, true),
            ("size:>1MB", r#"{"size":"2MB"}"#, true),
            ("name:>=m", r#"{"name":"n"}"#, true),
            ("name:>=m", r#"{"name":5}"#, false),
            ("flag:TRUE", r#"{"flag":true}"#, true),
            ("at:>2026-01-01", r#"{"at":"2026-01-01T00:00:01Z"}"#, true),
            ("ip:fe80::/10", r#"{"ip":"fe80::1"}"#, true),
            (r"path:*.html", r#"{"url":{"original":"/a/b.HTML"}}"#, true),
        ];
        for (query, event, expected) in rows {
            check(query, event, *expected);
        }
    }
}
