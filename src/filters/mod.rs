//! What happens to events on their way: one file a filter, each with its options, what it does, and golden cases in
//! `fixtures/filters/<name>/`.
//!
//! A filter sees one event at a time and is a pure function of it, unless it says that it [keeps state](Filter::is_stateful);
//! then it sees all events of its pipeline in their order. It never asks a clock: [`Scratch::received`] is when the event
//! arrived, and timers are driven from outside.

mod alter;
mod anonymize;
mod auto;
mod bytes;
mod cidr;
mod clone;
mod csv;
mod date;
mod de_dot;
pub mod decorate;
mod dissect;
mod dns;
mod drop;
mod elapsed;
mod environment;
mod extractnumbers;
mod fingerprint;
mod geoip;
mod grok;
mod json;
mod json_encode;
mod known;
mod kv;
mod metrics;
mod mutate;
mod numbers;
mod prune;
mod range;
pub mod search;
mod sleep;
mod split;
pub mod stops;
mod syslog_pri;
mod throttle;
mod translate;
mod truncate;
pub(crate) mod urldecode;
mod useragent;
mod uuid;
mod xml;

use crate::{
    config::Options,
    event::{Event, Timestamp, Value, places::Places},
};
use logship_parsers::config::{FieldRef, typed};
use search::{Found, Needs};
use smallvec::SmallVec;
use std::{borrow::Cow, fmt};
use stops::Stops;

pub use dns::Resolver;
pub use known::unknown;

/// Seconds from one tick to the next, for filters that count by them as Logstash's do.
pub const TICK_SECONDS: i64 = 5;

/// One filter of a pipeline, made once and shared by all workers.
pub trait Filter: Send + Sync {
    /// Changes the event.
    ///
    /// # Errors
    /// The event could not be treated; it goes on with the tags of the error and without the decorations.
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError>;

    /// Whether what becomes of an event depends on those before it: then there is one worker.
    fn is_stateful(&self) -> bool {
        false
    }

    /// What must be in a text so that it does anything, where that can be said.
    fn needs(&self) -> Option<Needs<'_>> {
        None
    }

    /// Events that are due at this time; called each [`TICK_SECONDS`] or so, between events.
    fn tick(&self, _now: Timestamp) -> Vec<Event> {
        Vec::new()
    }

    /// Events that are still to come where the input has ended.
    fn finish(&self, _now: Timestamp) -> Vec<Event> {
        Vec::new()
    }
}

/// What became of an event.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The filter did its work: decorations follow.
    Matched,
    /// There was nothing to do for it.
    Unmatched,
    /// The event is gone.
    Drop,
    /// The event goes on as it is, these follow it, decorated.
    Also(Vec<Event>),
    /// The event is gone, these take its place, decorated.
    Instead(Vec<Event>),
    /// Decorations come first, then what is here.
    Then {
        /// Tags that it gets.
        tags: SmallVec<[&'static str; 2]>,
        /// Fields that are set.
        fields: Vec<(FieldRef, Value)>,
        /// These follow it, decorated.
        more: Vec<Event>,
    },
}

/// Why an event could not be treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterError {
    /// The tags that say so.
    pub tags: SmallVec<[String; 1]>,
    /// What happened, for the log.
    pub message: Cow<'static, str>,
    /// Whether the event is as it was, but for the tags. Where it is not said, it may be any other.
    pub is_untouched: bool,
}

impl FilterError {
    /// A failure with its tags.
    pub fn new(tags: &[String], message: impl fmt::Display) -> FilterError {
        FilterError { message: Cow::Owned(message.to_string()), ..FilterError::usual(tags, "") }
    }

    /// A failure that is so frequent that saying it should cost nothing.
    pub fn usual(tags: &[String], message: &'static str) -> FilterError {
        FilterError { tags: tags.iter().cloned().collect(), message: Cow::Borrowed(message), is_untouched: false }
    }

    /// The same, of an event that is as it was.
    #[must_use]
    pub fn untouched(self) -> FilterError {
        FilterError { is_untouched: true, ..self }
    }
}

/// What a worker lends to filters.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Room for a text; whoever uses it clears it first.
    pub text: String,
    /// What matching patterns keeps from one text to the next.
    pub grok: logship_parsers::grok::Scratch,
    /// When the event arrived.
    pub received: Timestamp,
    /// Where the fields of the event in hand are.
    pub places: Places,
    /// What was found in its texts.
    pub found: Found,
    /// The steps of its program that it has to take.
    pub stops: Stops,
}

/// A filter by its name.
#[derive(Debug)]
pub struct FilterKind {
    /// `mutate`
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its options, sorted, beside those that all filters have.
    pub options: &'static [&'static str],
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Filter>>,
}

/// All filters, by name.
pub const FILTERS: &[FilterKind] = &[
    alter::KIND,
    anonymize::KIND,
    auto::KIND,
    bytes::KIND,
    cidr::KIND,
    clone::KIND,
    csv::KIND,
    date::KIND,
    de_dot::KIND,
    dissect::KIND,
    dns::KIND,
    drop::KIND,
    elapsed::KIND,
    environment::KIND,
    extractnumbers::KIND,
    fingerprint::KIND,
    geoip::KIND,
    grok::KIND,
    json::KIND,
    json_encode::KIND,
    kv::KIND,
    metrics::KIND,
    mutate::KIND,
    prune::KIND,
    range::KIND,
    sleep::KIND,
    split::KIND,
    syslog_pri::KIND,
    throttle::KIND,
    translate::KIND,
    truncate::KIND,
    urldecode::KIND,
    useragent::KIND,
    uuid::KIND,
    xml::KIND,
];

/// The tags that an option names, one or several.
fn tags(options: &mut Options<'_>, name: &str, default: &str) -> Vec<String> {
    match options.is_given(name) {
        true => options.each(name, |value| typed::text(value).map(str::to_owned)),
        false => vec![default.to_owned()],
    }
}

/// The filter of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static FilterKind> {
    FILTERS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Role, Settings};
    use logship_parsers::config;

    #[test]
    fn filters_are_sorted_and_complete() {
        assert!(FILTERS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for kind in FILTERS {
            assert!(kind.options.is_sorted(), "{}", kind.name);
            let folder = format!("{}/fixtures/filters/{}", env!("CARGO_MANIFEST_DIR"), kind.name);
            let cases = std::fs::read_dir(&folder).unwrap_or_else(|cause| panic!("{folder}: {cause}"));
            assert!(cases.count() > 0, "{folder} is empty");
        }
    }

    /// The first thing that is wrong with a filter and the text that it is about.
    fn mistake(text: &str) -> (String, String) {
        let config = format!("filter {{ {text} }}");
        let parsed = config::parse(&[config::Source::new("test", config.as_str())], &config::Options::default());
        let [config::ast::Statement::Plugin(plugin)] = parsed.config.filters.as_slice() else { panic!("{text}") };
        let kind = find(&plugin.name.text).unwrap();
        let (settings, mut diagnostics) = (Settings::default(), Vec::new());
        _ = (kind.build)(&mut Options::new(plugin, (Role::Filter, kind.options), &settings, &mut diagnostics));
        let first = diagnostics.into_iter().next().unwrap_or_else(|| panic!("{text}: nothing is wrong"));
        (config[first.span.range()].to_owned(), first.message)
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let check = |text: &str, place: &str, expected: &str| {
            let (at, message) = mistake(text);
            assert_eq!(at, place, "{text}: {message}");
            assert!(message.contains(expected), "{text}: {message}");
        };
        check(r#"grok { match => { "m" => ["%{WORD:a}", "x %{WRD:b} y"] } }"#, "%{WRD:b}", "WRD");
        check(r#"grok { match => { "m" => "a(b" } }"#, "(", "");
        check(r#"grok { match => { "m" => "%{WORD:a[b}" } }"#, "a[b", "no name of a field");
        check(r#"grok { match => { "m" => "a" } patterns_dir => "/none/such" }"#, "\"/none/such\"", "cannot be read");
        check(r#"grok { }"#, "grok", "needs the option `match`");
        check(r#"date { match => ["t", "yyyy-bb"] }"#, "bb", "`b` is no letter");
        check(r#"date { match => ["t", "ISO8601"] timezone => "Mars" }"#, "\"Mars\"", "no time zone");
        check(r#"date { match => ["t"] }"#, "[\"t\"]", "at least one format");
        check(r#"dissect { mapping => { "m" => "%{&+a}" } }"#, "%{&+a}", "cannot stand together");
        check(r#"kv { value_split_pattern => "" }"#, "\"\"", "must not be empty");
        check(r#"kv { field_split => "z-a" }"#, "\"z-a\"", "no set of characters");
        check(r#"cidr { network => "10.0.0.0/33" }"#, "\"10.0.0.0/33\"", "no network");
        check(r#"range { ranges => ["a", 1, 2, "explode"] }"#, "\"explode\"", "no action");
        check(r#"csv { quote_char => "ab" }"#, "\"ab\"", "one character");
        check(r#"geoip { source => "[a][ip]" }"#, "geoip", "none is shipped");
        check(r#"geoip { source => "a" database => "/none/such" }"#, "geoip", "needs the option `target`");
        check(r#"geoip { source => "[a][ip]" database => "/none/such" }"#, "\"/none/such\"", "cannot be read");
        check(r#"geoip { source => "[a][ip]" fields => ["city"] }"#, "\"city\"", "there is no field `city`");
        check(r#"useragent { source => "a" regexes => "/none/such" }"#, "\"/none/such\"", "cannot be read");
        check(r#"xml { source => "a" }"#, "xml", "needs the option `target`");
        check(
            r#"xml { source => "a" store_xml => false xpath => { "//[" => "b" } }"#,
            "\"//[\"",
            "no XPath expression",
        );
        check(r#"anonymize { fields => "a" algorithm => "IPV4_NETWORK" key => "x" }"#, "\"x\"", "bits");
        check(r#"elapsed { start_tag => "a" end_tag => "b" }"#, "elapsed", "needs the option `unique_id_field`");
        check(r#"metrics { meter => "a" rates => [90] }"#, "90", "no rate of 90 minutes");
        check(r#"dns { nameserver => "here" }"#, "\"here\"", "no address of a server");
        check(r#"dns { nameserver => { "search" => "a" } }"#, "{ \"search\" => \"a\" }", "has no address");
        check(r#"dns { hostsfile => "/none/such" }"#, "\"/none/such\"", "cannot be read");
        check(r#"de_dot { separator => "." }"#, "\".\"", "a dot");
        check(r#"fingerprint { method => "IPV4_NETWORK" key => "x" }"#, "\"x\"", "bits");
        check(
            r#"translate { source => "a" dictionary => { "(" => "b" } regex => true }"#,
            "{ \"(\" => \"b\" }",
            "the key `(`",
        );
    }
}
