//! Random events and queries.

use super::{DAY_MS, HEX, UUID};
use crate::event::{Event, Key, Timestamp, Value};
use bytestring::ByteString;
use logship_parsers::query::{
    ast::{
        Bound, FieldName, FieldTest, Literal, Meaning, Pattern, PatternPart, Query, Regex, SpanIgnored, Test, Text,
        TimeRange,
    },
    literal::literal,
};
use proptest::{collection::vec, prelude::*, sample::select};

fn words() -> impl Strategy<Value = String> {
    let plain = select(vec![
        "web",
        "Web-1",
        "web 1",
        "error",
        "ERROR",
        "ConnectTimeoutException",
        "connection refused",
        "refused",
        "日本",
        "本日中",
        "Ärger",
        "ÄRGER",
        "ärger",
        "10.1.2.3",
        "10.1.2.9",
        "503",
        "-5",
        "007",
        "1.5",
        "250ms",
        "2KiB",
        "true",
        "a.b",
        "x",
        "us-east",
        "u\u{17f}-Ea\u{17f}t",
        "\u{212a}ey/web-1",
        UUID,
        HEX,
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "",
        "->",
        "2026-01-01T00:00:00.010Z",
        "K",
        "\u{212a}",
        "Warning",
        "warn",
        "info",
        "fe80::1",
    ]);
    let long = select(vec![format!("{}tail", "y".repeat(300)), format!("{}end", "longer-word ".repeat(700))]);
    prop_oneof![40 => plain.prop_map(str::to_owned), 1 => long]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => words().prop_map(Value::from),
        2 => select(vec![0i64, 5, -5, 503, 250, 250_000_000, 2048, 9_007_199_254_740_993]).prop_map(Value::Int),
        1 => select(vec![0.5, 503.0, 1.5, -0.0, 1e300]).prop_map(Value::Float),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => (0i64..30).prop_map(|ms| Value::Time(Timestamp::from_millis(DAY_MS + ms))),
        1 => Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let object = |inner: BoxedStrategy<Value>| {
        vec((select(vec!["id", "c", "level"]), inner), 0..3)
            .prop_map(|fields| Value::Map(fields.into_iter().map(|(key, value)| (Key::from(key), value)).collect()))
    };
    prop_oneof![
        8 => scalar(),
        1 => vec(scalar(), 0..3).prop_map(Value::List),
        1 => object(scalar().boxed()),
        1 => vec(object(scalar().boxed()), 0..3).prop_map(Value::List),
    ]
}

const NAMES: [&str; 13] = [
    "a",
    "b",
    "b.c",
    "level",
    "log",
    "log.level",
    "status",
    "took_ms",
    "event.duration",
    "tags",
    "trace.id",
    "host.name",
    "ip",
];

/// An event: its time in milliseconds, a message of words, fields, and whether one is a slice of the message.
pub(super) fn event() -> impl Strategy<Value = Event> {
    let message = prop_oneof![4 => vec(words(), 0..5).prop_map(Some), 1 => Just(None)];
    (0i64..40, 0i64..3, message, vec((select(NAMES.to_vec()), value()), 0..5), any::<Option<(u8, u8)>>()).prop_map(
        |(ms, ns, message, fields, slice)| {
            let mut event = Event::new(Timestamp::from_nanos((DAY_MS + ms) * 1_000_000 + ns));
            event.fields = fields.into_iter().map(|(key, value)| (Key::from(key), value)).collect();
            if let Some(words) = message {
                let text = ByteString::from(words.join(" "));
                if let Some((from, len)) = slice {
                    let from = text.floor_char_boundary(usize::from(from) % (text.len() + 1));
                    let end = text.floor_char_boundary((from + usize::from(len) % 12).min(text.len()));
                    let part = Value::Str(text.slice_ref(&text[from..end.max(from)]));
                    event.fields.insert(Key::from("part"), part);
                }
                event.fields.insert(Key::from("message"), Value::Str(text));
            }
            event
        },
    )
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let part = prop_oneof![
        select(vec![
            "web", "con", "Time", "-1", "1", "5", " ", "refused", "ä", "4bf92f", "k", "y", "us", "s-", "ast", "/w"
        ])
        .prop_map(|text| PatternPart::Literal(text.to_owned())),
        Just(PatternPart::AnyRun),
        Just(PatternPart::AnyOne),
    ];
    vec(part, 1..4).prop_map(|parts| {
        let mut kept: Vec<PatternPart> = Vec::new();
        for part in parts {
            match (kept.last_mut(), part) {
                (Some(PatternPart::Literal(text)), PatternPart::Literal(more)) => text.push_str(&more),
                (Some(PatternPart::AnyRun), PatternPart::AnyRun) => {}
                (_, part) => kept.push(part),
            }
        }
        Pattern(kept)
    })
}

fn regex() -> impl Strategy<Value = Regex> {
    (select(vec!["web.*", "5", "[0-9]+", "refused", "w?e?b?", ".*", "ÄRGER"]), any::<bool>())
        .prop_map(|(pattern, ignore_case)| Regex { pattern: pattern.to_owned(), ignore_case })
}

fn wanted() -> impl Strategy<Value = Literal> {
    let numbers = select(vec!["5", "0", "503", "503.0", "1.5", "250ms", "1s", "2KiB", "9007199254740993", "now-10ms"]);
    prop_oneof![
        (words(), any::<bool>()).prop_map(|(text, quoted)| literal(text, quoted)),
        numbers.prop_map(|text| literal(text, false)),
    ]
}

fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![Just(Bound::Open), wanted().prop_map(Bound::Included), wanted().prop_map(Bound::Excluded),]
}

fn test() -> impl Strategy<Value = Test> {
    let network = select(vec![("10.0.0.0", 8u8), ("10.1.2.0", 29), ("fe80::", 10)]);
    prop_oneof![
        4 => wanted().prop_map(Test::Equals),
        2 => wanted().prop_map(Test::Exact),
        1 => vec(wanted(), 1..4).prop_map(Test::In),
        2 => pattern().prop_map(Test::Wildcard),
        1 => regex().prop_map(Test::Regex),
        1 => Just(Test::Exists),
        3 => (bound(), bound()).prop_map(|(low, high)| Test::Range { low, high }),
        1 => network.prop_map(|(network, bits)| Test::Cidr { network: network.parse().unwrap(), bits }),
    ]
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        4 => words().prop_map(Text::Word),
        3 => (vec(words(), 1..3), 0u32..3, any::<bool>())
            .prop_map(|(words, slop, prefix)| {
                let text = words.join(" ");
                let slop = if text.len() > 1_000 { 0 } else { slop };
                Text::Phrase { text, slop, prefix }
            }),
        2 => pattern().prop_map(Text::Wildcard),
        1 => regex().prop_map(Text::Regex),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    let name = prop_oneof![
        8 => select(NAMES.to_vec()),
        3 => select(vec!["message", "*", "part", "host", "duration", "trace_id", "absent", "@timestamp", "b.id"]),
    ];
    let field = |name: &str| FieldName { name: name.to_owned(), span: SpanIgnored::default() };
    let time = |ms: i64| {
        Bound::Included(Literal {
            text: String::new(),
            quoted: false,
            meaning: Meaning::Time((DAY_MS + ms) * 1_000_000),
        })
    };
    let leaf = prop_oneof![
        1 => Just(Query::All),
        5 => text().prop_map(Query::Text),
        6 => (name, test()).prop_map(move |(name, test)| Query::Field(FieldTest { field: field(name), test })),
        1 => (0i64..40, 0i64..40)
            .prop_map(move |(low, high)| Query::Time(TimeRange { low: time(low), high: time(high) })),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Query::And),
            vec(inner.clone(), 2..4).prop_map(Query::Or),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}
