//! `grok { match => { "message" => "%{COMMONAPACHELOG}" } }`: patterns by name take fields from a text.
//!
//! Fields of `match` and the patterns of each are tried in their order, up to the first that matches; with
//! `break_on_match => false` all are, and the last pattern of a field says whether that field matched. A field that is missing
//! is an empty text, of a list each element is matched.
//!
//! A captured text goes into its field, under `target` where that is given; one that is there becomes a list with the new value
//! behind, unless it is in `overwrite`; numbers and objects that are there stay. Empty captures leave no field unless
//! `keep_empty_captures`; with that a field that took no part in the match is null. `pattern_definitions` go before those of `patterns_dir` (the files that `patterns_files_glob` means),
//! and these before the standard ones, whose names of fields `ecs_compatibility` decides.
//!
//! Without a match the event has the tags of `tag_on_failure` (`_grokparsefailure`). What a pattern may cost is counted in
//! steps and not in time, so that a replay does the same: `timeout_millis` gives 100,000 steps for each millisecond; then
//! there is `tag_on_timeout` (`_groktimeout`).

mod patterns;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, numbers, search::Needs, tags};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use bytestring::ByteString;
use logship_parsers::{
    config::{FieldRef, typed},
    grok::{Grok, Kind, Outcome, Scratch as Matching},
};
use std::borrow::Cow;

pub(super) const KIND: FilterKind = FilterKind {
    name: "grok",
    summary: "Takes fields from a text by patterns with names",
    options: &[
        "break_on_match",
        "keep_empty_captures",
        "match",
        "named_captures_only",
        "overwrite",
        "pattern_definitions",
        "patterns_dir",
        "patterns_files_glob",
        "tag_on_failure",
        "tag_on_timeout",
        "target",
        "timeout_millis",
        "timeout_scope",
    ],
    build,
};

/// The patterns of one field.
#[derive(Debug)]
struct Matcher {
    source: FieldRef,
    grok: Grok,
    /// Where what a field of the patterns captures goes: as many as the patterns have.
    places: Vec<Place>,
}

/// Where a captured text goes.
#[derive(Debug)]
struct Place {
    field: FieldRef,
    kind: Kind,
    overwrites: bool,
}

#[derive(Debug)]
struct GrokFilter {
    matchers: Vec<Matcher>,
    break_on_match: bool,
    keep_empty_captures: bool,
    tag_on_failure: Vec<String>,
    tag_on_timeout: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    _ = options.get("timeout_scope", |value| typed::choice(value, &["event", "pattern"]).map(drop));
    let matchers = patterns::matchers(options);
    Some(Box::new(GrokFilter {
        break_on_match: options.flag("break_on_match", true),
        keep_empty_captures: options.flag("keep_empty_captures", false),
        tag_on_failure: tags(options, "tag_on_failure", "_grokparsefailure"),
        tag_on_timeout: tags(options, "tag_on_timeout", "_groktimeout"),
        matchers: matchers?,
    }))
}

/// A pattern ran out of steps.
struct TimedOut;

impl Filter for GrokFilter {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let mut matched = false;
        for matcher in &self.matchers {
            match self.try_field(matcher, event, &mut scratch.grok) {
                Ok(did) => matched |= did,
                Err(TimedOut) => {
                    return Err(FilterError::new(&self.tag_on_timeout, "a pattern takes too many steps on this text"));
                }
            }
            if matched && self.break_on_match {
                break;
            }
        }
        match matched {
            true => Ok(Verdict::Matched),
            // Otherwise an earlier pattern than the one that decides may have set fields.
            false if self.break_on_match => Err(self.failure().untouched()),
            false => Err(self.failure()),
        }
    }

    fn needs(&self) -> Option<Needs<'_>> {
        let [matcher] = self.matchers.as_slice() else { return None };
        let patterns = (0..matcher.grok.len()).map(|pattern| matcher.grok.required_literals(pattern)).collect();
        Some(Needs { field: &matcher.source, patterns, failure: self.failure().untouched() })
    }
}

impl GrokFilter {
    fn failure(&self) -> FilterError {
        FilterError::usual(&self.tag_on_failure, "no pattern matches")
    }

    fn try_field(&self, matcher: &Matcher, event: &mut Event, matching: &mut Matching) -> Result<bool, TimedOut> {
        let (whole, pattern) = match event.get(&matcher.source).as_deref() {
            Some(Value::List(items)) => {
                let items = items.clone();
                return self.try_items(matcher, &items, event, matching);
            }
            // Most patterns of a config with many match nothing: that is found out on the text where it lies.
            Some(Value::Str(text)) if self.break_on_match => match matches_any(matcher, text, matching)? {
                Some(pattern) => (text.clone(), pattern),
                None => return Ok(false),
            },
            other => {
                let text = text_of(other);
                return self.try_text(matcher, &text, event, matching);
            }
        };
        self.take((matcher, pattern), &whole, event, matching);
        Ok(true)
    }

    fn try_items(
        &self,
        matcher: &Matcher,
        items: &[Value],
        event: &mut Event,
        matching: &mut Matching,
    ) -> Result<bool, TimedOut> {
        let mut matched = false;
        for item in items {
            matched |= self.try_text(matcher, &text_of(Some(item)), event, matching)?;
        }
        Ok(matched)
    }

    fn try_text(
        &self,
        matcher: &Matcher,
        text: &ByteString,
        event: &mut Event,
        matching: &mut Matching,
    ) -> Result<bool, TimedOut> {
        let mut matched = false;
        for pattern in 0..matcher.grok.len() {
            matched = match matcher.grok.matches_one(pattern, text, matching) {
                Outcome::Match { .. } => true,
                Outcome::NoMatch => false,
                Outcome::Timeout { .. } => return Err(TimedOut),
            };
            if matched {
                self.take((matcher, pattern), text, event, matching);
                if self.break_on_match {
                    break;
                }
            }
        }
        Ok(matched)
    }

    /// Puts what was captured last into its fields.
    fn take(&self, (matcher, pattern): (&Matcher, usize), text: &ByteString, event: &mut Event, matching: &Matching) {
        for capture in matching.captures() {
            let Some(place) = matcher.places.get(capture.field) else { continue };
            let captured = capture.of(text);
            if !captured.is_empty() || self.keep_empty_captures {
                put(event, place, numbers::of_kind(&text.slice_ref(captured), place.kind));
            }
        }
        if self.keep_empty_captures {
            let took_part = |field: &usize| matching.captures().iter().any(|capture| capture.field == *field);
            for field in matcher.grok.fields_of(pattern).iter().filter(|field| !took_part(field)) {
                matcher.places.get(*field).into_iter().for_each(|place| put(event, place, Value::Null));
            }
        }
    }
}

/// The first of the patterns that matches.
fn matches_any(matcher: &Matcher, text: &str, matching: &mut Matching) -> Result<Option<usize>, TimedOut> {
    match matcher.grok.matches(text, matching) {
        Outcome::Match { pattern } => Ok(Some(pattern)),
        Outcome::NoMatch => Ok(None),
        Outcome::Timeout { .. } => Err(TimedOut),
    }
}

/// A value as what is matched.
fn text_of(value: Option<&Value>) -> ByteString {
    match value {
        None => ByteString::new(),
        Some(Value::Str(text)) => text.clone(),
        Some(other) => {
            let mut text = String::new();
            render::write_text(&mut text, other);
            text.into()
        }
    }
}

/// Puts what was captured into its field. What cannot be set is left out: the other captures are as good as without it.
fn put(event: &mut Event, place: &Place, value: Value) {
    let value = match event.get(&place.field) {
        _ if place.overwrites => value,
        None => value,
        Some(Cow::Borrowed(Value::Null)) => value,
        Some(Cow::Borrowed(Value::Str(first))) => Value::List(vec![Value::Str(first.clone()), value]),
        Some(Cow::Borrowed(Value::List(_))) => match event.remove(&place.field) {
            Some(Value::List(mut items)) => {
                items.push(value);
                Value::List(items)
            }
            _ => value,
        },
        Some(_) => return,
    };
    _ = event.set(&place.field, value);
}
