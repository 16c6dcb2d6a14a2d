//! The index and the evaluator agree: random events in a real store, random queries, the same answers.

use super::{
    Backend, Cancel, Count, Embedded, HistogramRequest, Matcher, QueryFailure, Relation, Scope, SearchRequest,
    ValuesRequest,
    field_test::is_level,
    histogram::level_name,
    leaf::{Leaf, any_at, any_leaf},
    rows::{Cut, Page},
    scan::Scan,
    stop::Stop,
};
use crate::{
    event::{Event, Key, Map, Timestamp, Value},
    flow::{Batch, EventId, LogId, Pos, Stored},
    store::{COLUMN_VALUE_BYTES_MAX, COLUMNS_PER_PARTITION_MAX, Options, Store},
};
use bytestring::ByteString;
use logship_parsers::query::ast::Query;
use proptest::{collection::vec, prelude::*, sample::select};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    time::Duration,
};

mod strategies;
use strategies::{event, query};

/// 2026-01-01T00:00:00Z.
const DAY_MS: i64 = 1_767_225_600_000;
/// No test takes so long.
const LONG: Duration = Duration::from_secs(3_600);
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
        store.add(&Batch { log, start: Pos(start), end: Pos(start + 999), first_number: start, events }).unwrap();
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
        let (scope, cancel) = (scope.clone(), Cancel::default());
        let request = SearchRequest { scope, limit, cursor, count: Count::Exact, deadline: LONG, cancel };
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

/// The values of an event at a dotted name, each once, as text with its type; and whether the columns cannot have them
/// all.
fn leaves(event: &Event, field: &str) -> (BTreeSet<String>, bool) {
    let (mut seen, mut long) = (BTreeSet::new(), false);
    any_at(&event.fields, field, false, &mut |value| {
        any_leaf(value, false, &mut |leaf| {
            long |= matches!(leaf, Leaf::Text(text) if text.len() > COLUMN_VALUE_BYTES_MAX);
            seen.insert(format!("{leaf:?}"));
            false
        })
    });
    (seen, long)
}

/// Numbers that a float column rounds.
const ROUNDED: &str = "Int(9007199254740993)";

fn check_values(backend: &Embedded, scope: &Scope, field: &str, events: &[&Event]) -> Result<(), TestCaseError> {
    let request = ValuesRequest {
        scope: scope.clone(),
        field: field.to_owned(),
        limit: 1_000,
        deadline: LONG,
        cancel: Cancel::default(),
    };
    let found = backend.values(&request).unwrap();
    prop_assert_eq!(found.matched, events.len() as u64);
    prop_assert_eq!(found.distinct, found.values.len() as u64);
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    let (mut missing, mut any_long) = (0, false);
    for event in events {
        let (seen, long) = leaves(event, &found.field);
        missing += u64::from(seen.is_empty());
        any_long |= long;
        if !long {
            seen.into_iter().for_each(|value| *wanted.entry(value).or_default() += 1);
        }
    }
    prop_assert_eq!(found.missing, missing);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for value in &found.values {
        let mut text = String::new();
        any_leaf(&value.value, false, &mut |leaf| {
            text = format!("{leaf:?}");
            true
        });
        prop_assert!(counts.insert(text, value.count).is_none(), "each value stands there once");
    }
    let exact = found.relation == Relation::Eq;
    prop_assert_eq!(exact, found.warnings.is_empty());
    prop_assert!(!(exact && any_long));
    if !exact {
        prop_assert!(any_long || wanted.contains_key(ROUNDED), "{:?}", found.warnings);
        prop_assert!(counts.get(ROUNDED).copied().unwrap_or(0) <= wanted.remove(ROUNDED).unwrap_or(0));
        counts.remove(ROUNDED);
    }
    prop_assert_eq!(counts, wanted);
    prop_assert!(found.values.is_sorted_by(|a, b| a.count >= b.count));
    let few = backend.values(&ValuesRequest { limit: 3, ..request }).unwrap();
    prop_assert_eq!(&few.values[..], &found.values[..found.values.len().min(3)]);
    prop_assert_eq!(few.distinct, found.distinct);
    Ok(())
}

/// The names that a series may have for an event: none where it lacks the field, several where it has several values.
fn series_names(event: &Event, field: &str) -> (BTreeSet<String>, bool) {
    let (mut seen, mut unsure) = (BTreeSet::new(), false);
    for name in logship_parsers::query::short_names::candidates(field) {
        any_at(&event.fields, name, false, &mut |value| {
            any_leaf(value, false, &mut |leaf| {
                unsure |= matches!(leaf, Leaf::Text(text) if text.len() > COLUMN_VALUE_BYTES_MAX);
                unsure |= matches!(leaf, Leaf::Int(9_007_199_254_740_993));
                seen.insert(match leaf {
                    Leaf::Text(text) if is_level(field) => level_name(text),
                    other => other.text().into_owned(),
                });
                false
            })
        });
    }
    (seen, unsure)
}

fn check_histogram(backend: &Embedded, scope: &Scope, field: &str, events: &[&Event]) -> Result<(), TestCaseError> {
    let request = HistogramRequest {
        scope: scope.clone(),
        buckets: 20,
        by: Some(field.to_owned()),
        deadline: LONG,
        cancel: Cancel::default(),
    };
    let found = backend.histogram(&request).unwrap();
    prop_assert_eq!((found.total, found.relation, found.warnings.len()), (events.len() as u64, Relation::Eq, 0));
    let bars = found.series.first().map_or(0, |series| series.counts.len());
    let mut wanted = vec![0; bars];
    for event in events {
        let bar = usize::try_from((event.time.as_millis() - found.from_ms) / found.step_ms).unwrap();
        wanted[bar] += 1;
    }
    let mut sums = vec![0; bars];
    let names: Vec<_> = events.iter().map(|event| series_names(event, field)).collect();
    for series in &found.series {
        sums.iter_mut().zip(&series.counts).for_each(|(sum, count)| *sum += count);
        let count = series.counts.iter().sum::<u64>();
        let number = |test: &dyn Fn(&BTreeSet<String>, bool) -> bool| {
            names.iter().filter(|(names, unsure)| test(names, *unsure)).count() as u64
        };
        if series.key == "other" {
            continue;
        }
        // The empty text has the same name as no value.
        let named =
            |names: &BTreeSet<String>| names.contains(&series.key) || (series.key.is_empty() && names.is_empty());
        prop_assert!(count <= number(&|names, _| named(names)), "{}", series.key);
        if !series.key.is_empty() {
            prop_assert!(
                count >= number(&|names, unsure| named(names) && names.len() == 1 && !unsure),
                "{}",
                series.key
            );
        }
    }
    prop_assert_eq!(sums, wanted);
    Ok(())
}

/// Follows the cursors of pages that a deadline cuts: what they give is the beginning of what there is, and all of it
/// unless the last says that rows are missing.
fn check_cut_pages(
    store: &Store,
    scope: &Scope,
    limit: usize,
    looks: usize,
    wanted: &[EventId],
) -> Result<(), TestCaseError> {
    let snapshot = store.snapshot();
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let scan = Scan::new(&snapshot, scope, Stop::after_looks(looks)).unwrap();
        let page = Page::find(&scan, limit, cursor).unwrap();
        let rows: Vec<EventId> = page.rows.iter().map(|row| snapshot.event(*row).unwrap().id).collect();
        if page.cut == Some(Cut::Gaps) {
            prop_assert!(page.cursor.is_none());
            prop_assert!(rows.iter().all(|id| wanted[ids.len()..].contains(id)));
            return Ok(());
        }
        ids.extend(rows);
        prop_assert_eq!(&ids[..], &wanted[..ids.len().min(wanted.len())]);
        prop_assert!(page.cursor.is_some() || page.cut.is_none());
        cursor = page.cursor;
        if cursor.is_none() {
            prop_assert_eq!(ids.len(), wanted.len());
            return Ok(());
        }
    }
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
        field in select(vec!["level", "status", "tags", "a", "host", "b.c", "took_ms"]),
        looks in 0usize..40,
    ) {
        let (_dir, store, all) = stored(events, &sizes);
        let backend = Embedded::new(store.handle());
        for (query, range) in &queries {
            let scope = scope(query, *range);
            let wanted = expected(&all, &scope);
            let (ids, matched) = pages(&backend, &scope, limit);
            prop_assert_eq!(&ids, &wanted, "{:?} {:?}", query, range);
            prop_assert_eq!(matched, wanted.len() as u64);

            let matching: Vec<&Event> =
                all.iter().filter(|stored| wanted.contains(&stored.id)).map(|stored| &stored.event).collect();
            check_histogram(&backend, &scope, "level", &matching)?;
            check_histogram(&backend, &scope, field, &matching)?;
            check_values(&backend, &scope, field, &matching)?;
            check_cut_pages(&store, &scope, limit, looks, &wanted)?;
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
    let search = |query: &str, count| {
        let (scope, cancel) = (scope(&parsed(query), None), Cancel::default());
        let request = SearchRequest { scope, limit: 3, cursor: None, count, deadline: LONG, cancel };
        backend.search(&request, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let summary = search("servcie.name:3", Count::Exact);
    assert_eq!(
        summary.warnings,
        ["no event in this time range has the field `servcie.name`; did you mean `service.name`?"]
    );
    assert_eq!((summary.matched, summary.relation, summary.cursor), (0, Relation::Eq, None));
    let summary = search("service:3", Count::None);
    assert_eq!((summary.rows, summary.matched, summary.relation), (3, 3, Relation::Gte));
    assert!(summary.cursor.is_some() && summary.warnings.is_empty());
    assert_eq!(summary.next_number, 2_010);
}

#[test]
fn each_answer_stops_at_its_deadline_and_when_nobody_waits() {
    let events = (0..50).map(|n| one("boom", &[("n", Value::Int(n)), ("name", Value::from("x"))])).collect();
    let (_dir, store, _) = stored(events, &[20]);
    let backend = Embedded::of_snapshot(store.snapshot());
    let gone = Cancel::default();
    gone.cancel();
    for query in ["", "boom", "/b.*m/", "name:/x/", "*oo* -y"] {
        let scope = scope(&parsed(query), None);
        let search = |deadline, cancel: &Cancel, limit| {
            let (scope, cancel) = (scope.clone(), cancel.clone());
            let request = SearchRequest { scope, limit, cursor: None, count: Count::Exact, deadline, cancel };
            backend.search(&request, &mut |_| ControlFlow::Continue(()))
        };
        let histogram = |deadline, cancel: &Cancel| {
            let (scope, cancel) = (scope.clone(), cancel.clone());
            backend.histogram(&HistogramRequest { scope, buckets: 10, by: None, deadline, cancel })
        };
        let values = |deadline, cancel: &Cancel, field: &str| {
            let (scope, cancel, field) = (scope.clone(), cancel.clone(), field.to_owned());
            backend.values(&ValuesRequest { scope, field, limit: 10, deadline, cancel })
        };
        let waits = Cancel::default();

        let cut = search(Duration::ZERO, &waits, 3).unwrap();
        assert_eq!((cut.rows, cut.matched, cut.relation, cut.partial), (0, 0, Relation::Gte, true), "{query}");
        assert_eq!(cut.warnings.len(), 1);
        let counted = search(Duration::ZERO, &waits, 0).unwrap();
        assert_eq!((counted.matched, counted.relation, counted.partial), (0, Relation::Gte, false), "{query}");
        let whole = search(LONG, &waits, 3).unwrap();
        assert_eq!((whole.rows, whole.matched, whole.relation, whole.partial), (3, 50, Relation::Eq, false), "{query}");

        let cut = histogram(Duration::ZERO, &waits).unwrap();
        assert_eq!((cut.total, cut.relation, cut.warnings.len()), (0, Relation::Gte, 1), "{query}");
        let whole = histogram(LONG, &waits).unwrap();
        assert_eq!((whole.total, whole.relation, whole.warnings.len()), (50, Relation::Eq, 0), "{query}");

        for (field, distinct) in [("n", 50), ("name", 1), ("absent", 0)] {
            let cut = values(Duration::ZERO, &waits, field).unwrap();
            assert_eq!((cut.matched, cut.relation, cut.warnings.len()), (0, Relation::Gte, 1), "{query} {field}");
            let whole = values(LONG, &waits, field).unwrap();
            assert_eq!(
                (whole.matched, whole.relation, whole.distinct),
                (50, Relation::Eq, distinct),
                "{query} {field}"
            );
            assert_eq!(values(LONG, &gone, field), Err(QueryFailure::Cancelled));
        }
        assert_eq!(search(LONG, &gone, 3), Err(QueryFailure::Cancelled));
        assert_eq!(histogram(LONG, &gone), Err(QueryFailure::Cancelled));
    }
    let (scope, cancel) = (scope(&Query::All, None), Cancel::default());
    let request = SearchRequest { scope, limit: 3, cursor: None, count: Count::Exact, deadline: LONG, cancel };
    assert_eq!(backend.search(&request, &mut |_| ControlFlow::Break(())), Err(QueryFailure::Cancelled));
}

#[test]
fn values_without_a_column_are_not_passed_over_in_silence() {
    let mut many = one("many", &[]);
    for n in 0..COLUMNS_PER_PARTITION_MAX {
        many.fields.insert(Key::from(format!("f{n}").as_str()), Value::Int(1));
    }
    let long = "y".repeat(COLUMN_VALUE_BYTES_MAX + 1);
    let events = vec![
        many,
        one("late", &[("late", Value::from("x")), ("host.name", Value::from("web"))]),
        one("long", &[("f0", Value::from(long.as_str()))]),
    ];
    let (_dir, store, _) = stored(events, &[3]);
    let backend = Embedded::of_snapshot(store.snapshot());
    let scope = scope(&Query::All, None);
    for (field, name, values, missing) in [("late", "late", 0, 2), ("host", "host.name", 0, 2), ("f0", "f0", 1, 1)] {
        let (scope, cancel) = (scope.clone(), Cancel::default());
        let request =
            ValuesRequest { scope: scope.clone(), field: field.to_owned(), limit: 10, deadline: LONG, cancel };
        let found = backend.values(&request).unwrap();
        assert_eq!((found.field.as_str(), found.values.len(), found.missing), (name, values, missing));
        assert_eq!((found.matched, found.relation), (3, Relation::Gte));
        assert!(found.warnings[0].starts_with("1 events have this field as too long a text"), "{:?}", found.warnings);

        let (by, cancel) = (Some(field.to_owned()), Cancel::default());
        let request = HistogramRequest { scope, buckets: 10, by, deadline: LONG, cancel };
        let found = backend.histogram(&request).unwrap();
        assert_eq!((found.total, found.relation), (3, Relation::Eq));
        let other = found.series.last().unwrap();
        assert_eq!((other.key.as_str(), other.counts[0]), ("other", 1));
    }
}

#[test]
fn too_many_different_values_are_said() {
    let event = |n: i64| {
        let text = Value::from(format!("{n:04}x"));
        one("a", &[("text", text), ("near", Value::Int(n)), ("far", Value::Int(n << 40)), ("same", Value::from("x"))])
    };
    let (_dir, store, _) = stored((0..450).map(event).collect(), &[150]);
    let backend = Embedded::of_snapshot(store.snapshot());
    // The third segment still comes in: with it, the strings are too many only afterwards.
    let cases = [("text", 450, 450, true), ("near", 200, 450, false), ("far", 200, 450, false), ("same", 1, 450, true)];
    for (field, distinct, matched, exact) in cases {
        let (scope, cancel) = (scope(&Query::All, None), Cancel::default());
        let request = ValuesRequest { scope, field: field.to_owned(), limit: 10, deadline: LONG, cancel };
        let found = backend.values(&request).unwrap();
        assert_eq!(
            (found.distinct, found.matched, found.relation == Relation::Eq),
            (distinct, matched, exact),
            "{field}"
        );
        assert_eq!(found.warnings.is_empty(), exact, "{field}");
    }
    let (_dir, store, _) = stored((0..600).map(event).collect(), &[150]);
    let (scope, cancel) = (scope(&Query::All, None), Cancel::default());
    let request = ValuesRequest { scope, field: "text".to_owned(), limit: 10, deadline: LONG, cancel };
    let found = Embedded::of_snapshot(store.snapshot()).values(&request).unwrap();
    assert_eq!((found.distinct, found.matched, found.relation), (450, 450, Relation::Gte));
    assert_eq!(found.warnings, ["there are more than 400 different values: the oldest events are not counted"]);
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
    let (scope, cancel) = (scope(&Query::All, None), Cancel::default());
    let request = HistogramRequest { scope, buckets: 10, by: Some("level".to_owned()), deadline: LONG, cancel };
    let histogram = backend.histogram(&request).unwrap();
    let keys: Vec<_> = histogram.series.iter().map(|series| (series.key.as_str(), series.counts[0])).collect();
    assert_eq!(keys, [("warn", 1), ("", 2)]);
}
