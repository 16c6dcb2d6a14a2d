//! What has to be in the cluster before the first document: an index template of the user's, a lifecycle policy, the first index of an
//! alias.
//!
//! Each is made where it is not there, once after the start. A cluster that does not want it is warned of and written to all the
//! same; one that is away is waited for, as for documents.

use super::super::requests::{Answer, Unanswered, quoted};
use crate::config::{Ecs, Options};
use logship_parsers::config::{Diagnostic, ast::Value as Given, typed};
use serde_json::{Value, json};
use std::{collections::VecDeque, fs};
use ureq::http::Method;

/// The policy that is made where the cluster has none of that name.
const DEFAULT_POLICY: &str = "logstash-policy";
/// From this version on templates can be put together of components.
const COMPOSABLE_SINCE: u64 = 8;

/// Something that has to be there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// Asked for first; where that is found, nothing is made.
    pub(super) path: String,
    /// Where it is made, if not there.
    put: Option<String>,
    body: Value,
    /// Made even where it is there.
    overwrites: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By which API templates are made is for the cluster's version to say.
    Undecided,
    Template,
    Policy,
    /// A policy that somebody else has to make.
    Foreign,
    Alias,
}

/// The index that a rollover alias of the user's, or the default one, means; none where no lifecycle is managed.
pub(super) fn alias(options: &mut Options<'_>) -> Option<String> {
    let alias = options.text("ilm_rollover_alias");
    match options.value("ilm_enabled").and_then(Given::as_str) {
        Some("false") => None,
        Some("true") => alias.or_else(|| Some(default_name(options).to_owned())),
        _ => alias,
    }
}

fn default_name(options: &Options<'_>) -> &'static str {
    if options.ecs() == Ecs::Disabled { "logstash" } else { "ecs-logstash" }
}

/// Reads the options: what has to be there.
pub(super) fn steps(options: &mut Options<'_>) -> Option<VecDeque<Step>> {
    _ = options.get("ilm_enabled", |value| typed::choice(value, &["auto", "false", "true"]).map(str::to_owned));
    let alias = alias(options);
    let pattern = options.text("ilm_pattern").unwrap_or_else(|| "{now/d}-000001".to_owned());
    let policy = options.text("ilm_policy").unwrap_or_else(|| DEFAULT_POLICY.to_owned());
    let mut steps = VecDeque::new();
    steps.extend(template(options, alias.as_deref().map(|alias| (alias, policy.as_str())))?);
    if let Some(alias) = alias {
        let first = format!("<{alias}-{pattern}>").replace('/', "%2F");
        let body = json!({ "aliases": { alias.as_str(): { "is_write_index": true } } });
        steps.push_back(Step { path: alias, put: Some(first), body, overwrites: false, kind: Kind::Alias });
        let kind = if policy == DEFAULT_POLICY { Kind::Policy } else { Kind::Foreign };
        let rollover = json!({ "max_size": "50gb", "max_age": "30d" });
        let body = json!({ "policy": { "phases": { "hot": { "actions": { "rollover": rollover } } } } });
        steps.push_back(Step { path: format!("_ilm/policy/{policy}"), put: None, body, overwrites: false, kind });
    }
    Some(steps)
}

/// The template of a file; with a lifecycle, as that needs it. `None` where it is none, which was told.
fn template(options: &mut Options<'_>, lifecycle: Option<(&str, &str)>) -> Option<Option<Step>> {
    let is_managed = options.flag("manage_template", true);
    let overwrites = options.flag("template_overwrite", false);
    let apis = ["auto", "composable", "legacy"];
    let api = options.get("template_api", |value| typed::choice(value, &apis).map(str::to_owned));
    let name = options.text("template_name");
    let read = |value: &Given| {
        let path = typed::text(value)?;
        let wrong = |cause: String| Diagnostic::error(value.span.0, format!("{path}: {cause}"));
        let text = fs::read_to_string(path).map_err(|cause| wrong(cause.to_string()))?;
        let template: Value = serde_json::from_str(&text).map_err(|cause| wrong(format!("no JSON: {cause}")))?;
        if template.is_object() { Ok(template) } else { Err(wrong("a template is an object".to_owned())) }
    };
    let body = options.get("template", read);
    if options.is_given("template") && body.is_none() {
        return None;
    }
    let Some(mut body) = body.filter(|_| is_managed) else { return Some(None) };
    let default = lifecycle.map_or(default_name(options), |(alias, _)| alias);
    let name = name.unwrap_or_else(|| default.to_owned());
    let (path, kind) = match api.as_deref() {
        Some("composable") => (format!("_index_template/{name}"), Kind::Template),
        Some("legacy") => (format!("_template/{name}"), Kind::Template),
        _ => (name, Kind::Undecided),
    };
    if let Some((alias, policy)) = lifecycle {
        let is_composable = body.get("template").is_some_and(Value::is_object);
        body["index_patterns"] = json!([format!("{alias}-*")]);
        let own = if is_composable { &mut body["template"] } else { &mut body };
        if !own["settings"].is_object() {
            own["settings"] = json!({});
        }
        own["settings"]["index.lifecycle.name"] = json!(policy);
        own["settings"]["index.lifecycle.rollover_alias"] = json!(alias);
    }
    Some(Some(Step { path, put: None, body, overwrites, kind }))
}

/// What is asked next.
#[derive(Debug, PartialEq)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
}

/// What an answer leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Something else has to be asked for the same step.
    Ask(Question),
    /// The step is done, with a warning or without.
    Done(Option<String>),
}

impl Step {
    /// The first question.
    pub(super) fn first(&self) -> Question {
        let bare = |method, path: &str| Question { method, path: path.to_owned(), body: Vec::new() };
        match self.kind {
            Kind::Undecided => bare(Method::GET, ""),
            _ if self.overwrites => self.make(),
            _ => bare(Method::HEAD, &self.path),
        }
    }

    fn make(&self) -> Question {
        let path = self.put.as_ref().unwrap_or(&self.path).clone();
        Question { method: Method::PUT, path, body: self.body.to_string().into_bytes() }
    }

    /// What an answer to the last question means.
    pub(super) fn answered(&mut self, asked: &Method, answer: &Answer) -> Next {
        let is_good = (200..300).contains(&answer.status);
        if self.kind == Kind::Undecided {
            let api = if major(&answer.text) < COMPOSABLE_SINCE { "_template" } else { "_index_template" };
            (self.path, self.kind) = (format!("{api}/{}", self.path), Kind::Template);
            return Next::Ask(self.first());
        }
        match (asked == Method::PUT, self.kind) {
            (false, _) if is_good => Next::Done(None),
            (false, Kind::Foreign) if answer.status == 404 => Next::Done(Some("it is not there: make it".to_owned())),
            (false, _) if answer.status == 404 => Next::Ask(self.make()),
            (true, _) if is_good => Next::Done(None),
            // Somebody else was faster.
            (true, Kind::Alias) if answer.status == 400 && answer.text.contains("already_exists") => Next::Done(None),
            _ => Next::Done(Some(answer.quoted())),
        }
    }
}

/// The first number of the cluster's version; a cluster that does not say it is new.
fn major(text: &str) -> u64 {
    let root: Value = serde_json::from_str(text).unwrap_or_default();
    let number = root["version"]["number"].as_str().and_then(|number| number.split('.').next()?.parse().ok());
    number.unwrap_or(COMPOSABLE_SINCE)
}

/// Why there was no answer, in a line.
pub(super) fn unanswered(step: &Step, none: &Unanswered) -> String {
    format!("{}: {}", step.path, quoted(&none.cause))
}
