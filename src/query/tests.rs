//! The index and the evaluator agree: random events in a real store, random queries, the same answers.

use super::{
    Backend, Count, Embedded, HistogramRequest, Matcher, QueryFailure, Relation, Scope, SearchRequest, ValuesRequest,
    leaf::{any_at, any_leaf},
};
use crate::{
    event::{Event, Key, Map, Timestamp, Value},
    flow::{Batch, EventId, LogId, Pos, Stored},
    store::{Options, Store},
};
use bytestring::ByteString;
use logship_parsers::query::{
    ast::{
        Bound, FieldName, FieldTest, Literal, Meaning, Pattern, PatternPart, Query, Regex, SpanIgnored, Test, Text,
        TimeRange,
    },
    literal::literal,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

/// 2026-01-01T00:00:00Z.
const DAY_MS: i64 = 1_767_225_600_000;
const UUID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
const HEX: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn options() -> Options {
    Options {
        free_bytes_min: 0,
        now: || Timestamp::from_millis(DAY_MS),
        free_space: |_| Ok(1 << 40),
        seal_events: 100,
        ..Options::default()
    }
}

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
fn event() -> impl Strategy<Value = Event> {
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

fn query() -> impl Strategy<Value = Query> {
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

/// Stores the events, as many a commit as each size says, in two logs; partitions are sealed as they fill.
fn stored(events: Vec<Event>, sizes: &[usize]) -> (tempfile::TempDir, Store, Vec<Stored>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), options()).unwrap();
    let mut all = Vec::new();
    let mut events = events.into_iter();
    let mut sizes = sizes.iter().copied().cycle();
    for (n, log) in [0xb, 0xa].into_iter().map(LogId::from_bits).cycle().enumerate() {
        let size = sizes.next().unwrap_or(1);
        let start = n as u64 * 1_000;
        let id = |at| EventId { log, at: Pos(at) };
        let events: Vec<Stored> =
            (start..).zip(events.by_ref().take(size)).map(|(at, event)| Stored { id: id(at), event }).collect();
        if events.is_empty() {
            break;
        }
        all.extend(events.iter().cloned());
        store.add(&Batch { log, end: Pos(start + 999), first_number: start, events }).unwrap();
        store.commit_soft().unwrap();
        store.maintain(Timestamp::from_millis(DAY_MS)).unwrap();
    }
    (dir, store, all)
}

fn scope(query: &Query, range: Option<(i64, i64)>) -> Scope {
    let at = |ms| Timestamp::from_nanos((DAY_MS + ms) * 1_000_000 + 500);
    Scope {
        query: query.clone(),
        from: range.map(|(from, _)| at(from)),
        to: range.map(|(_, to)| at(to)),
        now: Timestamp::from_millis(DAY_MS + 20),
    }
}

/// The matches of a scope by a plain scan, newest first.
fn expected(all: &[Stored], scope: &Scope) -> Vec<EventId> {
    let matcher = Matcher::new(&scope.query, scope.now).unwrap();
    let in_range = |stored: &&Stored| {
        let ms = stored.event.time.as_millis();
        scope.from.is_none_or(|from| ms >= from.as_millis()) && scope.to.is_none_or(|to| ms < to.as_millis())
    };
    let mut found: Vec<&Stored> = all.iter().filter(in_range).filter(|stored| matcher.matches(&stored.event)).collect();
    found.sort_by_key(|stored| std::cmp::Reverse((stored.event.time.as_millis(), stored.id)));
    found.into_iter().map(|stored| stored.id).collect()
}

/// All pages of a search, and what the first says about the count.
fn pages(backend: &Embedded, scope: &Scope, limit: usize) -> (Vec<EventId>, u64) {
    let (mut ids, mut cursor, mut matched) = (Vec::new(), None, None);
    loop {
        let deadline = Duration::from_secs(3_600);
        let request = SearchRequest { scope: scope.clone(), limit, cursor, count: Count::Exact, deadline };
        let summary = backend.search(&request, &mut |stored| {
            ids.push(stored.id);
            ControlFlow::Continue(())
        });
        let summary = summary.unwrap();
        assert_eq!(summary.relation, Relation::Eq);
        matched.get_or_insert(summary.matched);
        assert_eq!(matched, Some(summary.matched), "the count does not depend on the page");
        cursor = summary.cursor;
        if cursor.is_none() {
            return (ids, matched.unwrap());
        }
    }
}

/// The values of a field by a plain scan: how many events have each, as text with its type.
fn expected_values(all: &[Stored], ids: &[EventId], field: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for stored in all.iter().filter(|stored| ids.contains(&stored.id)) {
        let mut seen = std::collections::BTreeSet::new();
        any_at(&stored.event.fields, field, false, &mut |value| {
            any_leaf(value, false, &mut |leaf| {
                let text = leaf.text().into_owned();
                let cut = text.floor_char_boundary(crate::store::COLUMN_VALUE_BYTES_MAX);
                seen.insert(text[..cut].to_owned());
                false
            })
        });
        seen.into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
    }
    counts
}

fn leaf_text(value: &Value) -> String {
    let mut text = String::new();
    any_leaf(value, false, &mut |leaf| {
        text = leaf.text().into_owned();
        true
    });
    text
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_index_agrees_with_the_evaluator(
        events in vec(event(), 0..160),
        sizes in vec(1usize..110, 1..4),
        queries in vec((query(), proptest::option::of((0i64..40, 0i64..40))), 16),
        limit in 1usize..20,
        field in select(vec!["level", "status", "tags", "a", "host", "b.c"]),
    ) {
        let (_dir, store, all) = stored(events, &sizes);
        let backend = Embedded::new(store.handle());
        for (query, range) in &queries {
            let scope = scope(query, *range);
            let wanted = expected(&all, &scope);
            let (ids, matched) = pages(&backend, &scope, limit);
            prop_assert_eq!(&ids, &wanted, "{:?} {:?}", query, range);
            prop_assert_eq!(matched, wanted.len() as u64);

            let request = HistogramRequest { scope: scope.clone(), buckets: 20, by: Some("level".to_owned()) };
            let histogram = backend.histogram(&request).unwrap();
            prop_assert_eq!(histogram.total, wanted.len() as u64);

            let request = ValuesRequest { scope: scope.clone(), field: field.to_owned(), limit: 1_000 };
            let values = backend.values(&request).unwrap();
            prop_assert_eq!(values.matched, wanted.len() as u64);
            let mut counts = BTreeMap::new();
            for value in &values.values {
                *counts.entry(leaf_text(&value.value)).or_default() += value.count;
            }
            prop_assert_eq!(values.distinct, values.values.len() as u64);
            let mut wanted_values = expected_values(&all, &wanted, &values.field);
            // `true` and "true" are two values with one text, and a float column rounds: compared by their absence.
            for text in ["true", "9007199254740993", "9007199254740992.0", "2026-01-01T00:00:00.010Z"] {
                counts.remove(text);
                wanted_values.remove(text);
            }
            prop_assert_eq!(counts, wanted_values);
        }
    }
}

fn one(message: &str, fields: &[(&str, Value)]) -> Event {
    let mut event = Event::from_line(Timestamp::from_millis(DAY_MS), ByteString::from(message));
    event.fields.insert(Key::from("log"), Value::Map(Map::default()));
    for (name, value) in fields {
        event.fields.insert(Key::from(*name), value.clone());
    }
    event
}

fn parsed(query: &str) -> Query {
    logship_parsers::query::parse(query).unwrap().query
}

#[test]
fn a_search_says_what_it_knows() {
    let events = (0..50).map(|n| one("boom", &[("service.name", Value::Int(n % 5))])).collect();
    let (_dir, store, _) = stored(events, &[20]);
    let backend = Embedded::of_snapshot(store.snapshot());
    let search = |query: &str, count, deadline| {
        let request = SearchRequest { scope: scope(&parsed(query), None), limit: 3, cursor: None, count, deadline };
        backend.search(&request, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let long = Duration::from_secs(3_600);
    let summary = search("servcie.name:3", Count::Exact, long);
    assert_eq!(
        summary.warnings,
        ["no event in this time range has the field `servcie.name`; did you mean `service.name`?"]
    );
    assert_eq!((summary.matched, summary.relation, summary.cursor), (0, Relation::Eq, None));
    let summary = search("service:3", Count::None, long);
    assert_eq!((summary.rows, summary.matched, summary.relation), (3, 3, Relation::Gte));
    assert!(summary.cursor.is_some() && summary.warnings.is_empty());
    let summary = search("/b.*m/", Count::Exact, Duration::ZERO);
    assert_eq!((summary.rows, summary.relation), (3, Relation::Gte), "rows are not cut by the deadline");
    assert_eq!(summary.next_number, 2_010);

    let request =
        SearchRequest { scope: scope(&Query::All, None), limit: 3, cursor: None, count: Count::Exact, deadline: long };
    assert_eq!(backend.search(&request, &mut |_| ControlFlow::Break(())), Err(QueryFailure::Cancelled));
}

#[test]
fn fields_and_events_are_found() {
    let fields = [("status", Value::Int(503)), ("ok", Value::Bool(true)), ("log.level", Value::from("WARN"))];
    let events = vec![one("a", &fields), one("b", &[("status", Value::from("x"))]), one("c", &[])];
    let (_dir, store, all) = stored(events, &[3]);
    let backend = Embedded::new(store.handle());
    let found = backend.fields(&scope(&Query::All, None)).unwrap();
    let found: Vec<_> = found.iter().map(|field| (field.name.as_str(), field.types.len(), field.count)).collect();
    assert_eq!(found, [("log.level", 1, 1), ("ok", 1, 1), ("status", 2, 2)]);
    assert_eq!(backend.event(all[1].id).unwrap().as_ref(), Some(&all[1]));
    let absent = EventId { log: LogId::from_bits(1), at: Pos(1) };
    assert_eq!(backend.event(absent).unwrap(), None);
    let request = HistogramRequest { scope: scope(&Query::All, None), buckets: 10, by: Some("level".to_owned()) };
    let histogram = backend.histogram(&request).unwrap();
    let keys: Vec<_> = histogram.series.iter().map(|series| (series.key.as_str(), series.counts[0])).collect();
    assert_eq!(keys, [("warn", 1), ("", 2)]);
}
