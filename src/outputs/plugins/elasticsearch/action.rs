//! What an event becomes: a line that says what to do, and the document.

use super::{super::EVENT_ID, script::Script};
use crate::{
    config::{Ecs, Options},
    event::{
        Event, Key, Map, Timestamp, Value, json,
        render::{rendered, write_text},
    },
};
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};
use std::{borrow::Cow, fmt::Write as _};

/// What can be done with a document.
const ACTIONS: [&str; 4] = ["index", "create", "update", "delete"];
/// Longest part of a data stream's name.
const NAME_BYTES_MAX: usize = 100;
/// The parts of a data stream's name, and the field of an event that has them.
const STREAM: (&str, [&str; 3]) = ("data_stream", ["type", "dataset", "namespace"]);

/// How events become documents.
#[derive(Debug)]
pub(super) struct Documents {
    target: Target,
    action: Template,
    id: Option<Template>,
    pipeline: Option<Template>,
    routing: Option<Template>,
    version: Option<Template>,
    version_type: Option<String>,
    doc_as_upsert: bool,
    upsert: Option<Template>,
    script: Option<Script>,
    /// The parent's id, and the field that says what a document is to it.
    parent: Option<(Template, Option<FieldRef>)>,
    retry_on_conflict: i64,
    /// Whether an index whose name has a piece without a value is refused.
    wants_whole_names: bool,
}

#[derive(Debug)]
enum Target {
    Index { name: Template, is_default: bool },
    Stream { parts: [String; 3], routes: bool, syncs: bool },
}

impl Documents {
    pub(super) fn read(options: &mut Options<'_>) -> Option<Documents> {
        let action = options.or("action", action, Template::parse("index").ok()?);
        let id = options.get("document_id", typed::template);
        let target = target(options);
        let conflicts = options.or("retry_on_conflict", typed::integer, 1);
        let kinds = ["internal", "external", "external_gt", "external_gte", "force"];
        let version_type = options.get("version_type", |value| typed::choice(value, &kinds).map(str::to_owned));
        let needs_id = action.as_literal().is_some_and(|action| matches!(action, "update" | "delete"));
        if needs_id && !options.is_given("document_id") {
            let error = Diagnostic::error(options.place(), "to update or delete, a document needs its id");
            options.report(error.help("add `document_id => \"%{field}\"`"));
        }
        Some(Documents {
            target: target?,
            action,
            id,
            pipeline: options.get("pipeline", typed::template),
            routing: options.get("routing", typed::template),
            version: options.get("version", typed::template),
            version_type,
            doc_as_upsert: options.flag("doc_as_upsert", false),
            upsert: options.get("upsert", typed::template).filter(|upsert| upsert.as_literal() != Some("")),
            script: Script::read(options),
            parent: options.get("parent", typed::template).zip(Some(options.get("join_field", typed::field))),
            retry_on_conflict: conflicts,
            wants_whole_names: options.flag("dlq_on_failed_indexname_interpolation", true),
        })
    }

    /// Appends both lines, or says why the event can be no document.
    pub(super) fn write(&self, event: &Event, now: Timestamp, out: &mut String) -> Result<(), String> {
        let action = match (&self.target, self.action.as_literal()) {
            (Target::Stream { .. }, _) => "create".to_owned(),
            (_, Some(action)) => action.to_owned(),
            (_, None) => rendered(&self.action, event, now),
        };
        if !ACTIONS.contains(&action.as_str()) {
            return Err(format!("`{}` is no action of Elasticsearch", super::requests::quoted(&action)));
        }
        let id = self.id(event, now);
        if id.is_none() && matches!(action.as_str(), "update" | "delete") {
            return Err(format!("to {action}, a document needs its id"));
        }
        let event = &*self.joined(event, now);
        _ = write!(out, "{{\"{action}\":{{");
        let mut pair = Pairs { out, is_first: true };
        if let Some(id) = &id {
            pair.text("_id", id);
        }
        pair.text("_index", &self.index(event, now)?);
        self.rest(event, now, &action, &mut pair);
        out.push_str("}}\n");
        match action.as_str() {
            "delete" => return Ok(()),
            "update" => self.update(event, now, out)?,
            _ => self.document(event, out),
        }
        out.push('\n');
        Ok(())
    }

    fn rest(&self, event: &Event, now: Timestamp, action: &str, pair: &mut Pairs<'_>) {
        let own = |name| ingest(event, name);
        let given = |template: &Option<Template>, name| match template {
            Some(template) => Some(rendered(template, event, now)),
            None => own(name),
        };
        let pipeline = given(&self.pipeline, "pipeline").or_else(|| text(event.meta.get("target_ingest_pipeline")?));
        if let Some(pipeline) = pipeline.filter(|pipeline| !pipeline.is_empty()) {
            pair.text("pipeline", &pipeline);
        }
        let parent = self.parent.as_ref().map(|(parent, field)| (rendered(parent, event, now), field.is_some()));
        let joins = |(parent, joins): &(String, bool)| joins.then(|| parent.clone());
        if let Some(routing) = parent.as_ref().and_then(joins).or_else(|| given(&self.routing, "routing")) {
            pair.text("routing", &routing);
        }
        if let Some((parent, false)) = parent {
            pair.text("parent", &parent);
        }
        if action == "update" {
            pair.raw("retry_on_conflict", &self.retry_on_conflict.to_string());
        }
        if let Some(version) = given(&self.version, "version") {
            match version.parse::<u64>() {
                Ok(_) => pair.raw("version", &version),
                Err(_) => pair.text("version", &version),
            }
        }
        if let Some(kind) = self.version_type.clone().or_else(|| own("version_type")) {
            pair.text("version_type", &kind);
        }
    }

    /// The option's, or the one that the event brings.
    fn id(&self, event: &Event, now: Timestamp) -> Option<String> {
        match &self.id {
            Some(id) => Some(rendered(id, event, now)),
            None => ingest(event, "id").or_else(|| text(event.meta.get(EVENT_ID)?)),
        }
    }

    fn index(&self, event: &Event, now: Timestamp) -> Result<String, String> {
        let index = match &self.target {
            Target::Index { name, is_default } => {
                let own = is_default.then(|| ingest(event, "index")).flatten();
                own.unwrap_or_else(|| rendered(name, event, now))
            }
            Target::Stream { parts, routes, .. } => {
                let (field, names) = STREAM;
                let own = event.fields.get(field).and_then(Value::as_map).filter(|_| *routes);
                let part = |number: usize| {
                    own.and_then(|own| text(own.get(names[number])?)).unwrap_or_else(|| parts[number].clone())
                };
                format!("{}-{}-{}", part(0), part(1), part(2))
            }
        };
        if self.wants_whole_names && index.split_once("%{").is_some_and(|(_, behind)| behind.contains('}')) {
            return Err(format!(
                "the name of its index has a piece without a value: {}",
                super::requests::quoted(&index)
            ));
        }
        Ok(index)
    }

    fn document(&self, event: &Event, out: &mut String) {
        match &self.target {
            Target::Stream { parts, syncs: true, routes } => match synced(event, parts, *routes) {
                Some(synced) => json::write_event(out, &synced, None),
                None => json::write_event(out, event, None),
            },
            _ => json::write_event(out, event, None),
        }
    }

    /// The event with its parent in the field that joins them.
    fn joined<'e>(&self, event: &'e Event, now: Timestamp) -> Cow<'e, Event> {
        let Some((parent, Some(field))) = &self.parent else { return Cow::Borrowed(event) };
        let mut join = Map::with_capacity(2);
        join.insert(Key::from("name"), event.get(field).map_or(Value::Null, Cow::into_owned));
        join.insert(Key::from("parent"), Value::from(rendered(parent, event, now)));
        let mut joined = event.clone();
        _ = joined.set(field, Value::Map(join));
        Cow::Owned(joined)
    }

    fn update(&self, event: &Event, now: Timestamp, out: &mut String) -> Result<(), String> {
        let mut document = String::new();
        self.document(event, &mut document);
        match &self.script {
            Some(script) => {
                out.push('{');
                script.write(event, now, &document, out);
            }
            None => _ = write!(out, "{{\"doc\":{document}"),
        }
        if self.script.as_ref().is_some_and(Script::upserts) {
            out.push_str(",\"scripted_upsert\":true,\"upsert\":{}");
        } else if self.doc_as_upsert && self.script.is_some() {
            _ = write!(out, ",\"upsert\":{document}");
        } else if self.doc_as_upsert {
            out.push_str(",\"doc_as_upsert\":true");
        } else if let Some(upsert) = &self.upsert {
            let upsert = rendered(upsert, event, now);
            let parsed: serde_json::Value =
                serde_json::from_str(&upsert).map_err(|cause| format!("its `upsert` is no JSON: {cause}"))?;
            _ = write!(out, ",\"upsert\":{parsed}");
        }
        out.push('}');
        Ok(())
    }
}

/// What `elastic_integration` and its like say of an event.
fn ingest(event: &Event, name: &str) -> Option<String> {
    text(event.meta.get("_ingest_document")?.as_map()?.get(name)?)
}

fn text(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_text(&mut out, value);
    (!out.is_empty()).then_some(out)
}

/// The event with the name of its stream in its fields; none where it is there already.
fn synced(event: &Event, parts: &[String; 3], keeps_own: bool) -> Option<Event> {
    let (field, names) = STREAM;
    let own = event.fields.get(field).and_then(Value::as_map);
    let is_there = |(name, part): (&&str, &String)| {
        let value = own.and_then(|own| own.get(name)).filter(|value| **value != Value::Null);
        value.is_some_and(|value| keeps_own || value.as_str() == Some(part))
    };
    if names.iter().zip(parts).all(is_there) {
        return None;
    }
    let mut stream = own.cloned().unwrap_or_else(|| Map::with_capacity(3));
    for (name, part) in names.iter().zip(parts) {
        if !is_there((name, part)) {
            stream.insert(Key::from(*name), Value::from(part.as_str()));
        }
    }
    let mut event = event.clone();
    event.fields.insert(Key::from(field), Value::Map(stream));
    Some(event)
}

/// Writes the pairs of an object.
struct Pairs<'o> {
    out: &'o mut String,
    is_first: bool,
}

impl Pairs<'_> {
    fn raw(&mut self, name: &str, value: &str) {
        let comma = if std::mem::take(&mut self.is_first) { "" } else { "," };
        _ = write!(self.out, "{comma}\"{name}\":{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.raw(name, "");
        json::write_text(self.out, value);
    }
}

fn action(value: &ast::Value) -> typed::Read<Template> {
    let template = typed::template(value)?;
    if template.as_literal().is_some() {
        typed::choice(value, &ACTIONS)?;
    }
    Ok(template)
}

/// Options that mean no data stream, beside any `action` but `create`.
const NOT_FOR_STREAMS: [&str; 15] = [
    "doc_as_upsert",
    "document_type",
    "ilm_enabled",
    "ilm_pattern",
    "ilm_policy",
    "ilm_rollover_alias",
    "index",
    "manage_template",
    "retry_on_conflict",
    "template",
    "template_name",
    "template_overwrite",
    "upsert",
    "version",
    "version_type",
];

fn target(options: &mut Options<'_>) -> Option<Target> {
    let choice = options.or(
        "data_stream",
        |value| typed::choice(value, &["true", "false", "auto"]).map(str::to_owned),
        "auto".into(),
    );
    let is_create = options.value("action").is_none_or(|action| action.as_str() == Some("create"));
    let against = NOT_FOR_STREAMS.into_iter().find(|name| options.is_given(name));
    let against = against.or((!is_create).then_some("action"));
    let is_stream = match choice.as_str() {
        "true" => true,
        "false" => false,
        _ => options.ecs().is_on() && against.is_none(),
    };
    let given = ["auto_routing", "dataset", "namespace", "sync_fields", "type"]
        .into_iter()
        .find_map(|name| options.value(&format!("data_stream_{name}")).map(|value| (name, value.span.0)));
    if is_stream {
        let problem = match against {
            Some(name) => Some(format!("`{name}` cannot stand beside `data_stream => true`")),
            None if !options.ecs().is_on() => Some("data streams need `ecs_compatibility`, which is off".to_owned()),
            None => None,
        };
        if let Some(problem) = problem {
            options.report(Diagnostic::error(options.place(), problem));
            return None;
        }
        return stream(options);
    }
    if let Some((name, place)) = given {
        let error = Diagnostic::error(place, format!("`data_stream_{name}` is given, but this goes to no data stream"));
        options.report(match against {
            Some(against) => error.help(format!("`{against}` says so; add `data_stream => true` without it")),
            None => error.help("add `data_stream => true`"),
        });
        return None;
    }
    let alias = super::setup::alias(options);
    let default =
        if options.ecs() == Ecs::Disabled { "logstash-%{+yyyy.MM.dd}" } else { "ecs-logstash-%{+yyyy.MM.dd}" };
    let name = match alias {
        Some(alias) => Template::parse(&alias).ok()?,
        None => options.or("index", typed::template, Template::parse(default).ok()?),
    };
    Some(Target::Index { name, is_default: !options.is_given("index") })
}

fn stream(options: &mut Options<'_>) -> Option<Target> {
    let kinds = ["logs", "metrics", "synthetics", "traces"];
    let kind = options.or("data_stream_type", |value| typed::choice(value, &kinds).map(str::to_owned), "logs".into());
    let dataset = options.or("data_stream_dataset", part, "generic".into());
    let namespace = options.or("data_stream_namespace", part, "default".into());
    let routes = options.flag("data_stream_auto_routing", true);
    let syncs = options.flag("data_stream_sync_fields", true);
    Some(Target::Stream { parts: [kind, dataset, namespace], routes, syncs })
}

/// A part of a stream's name.
fn part(value: &ast::Value) -> typed::Read<String> {
    let text = typed::text(value)?;
    if text.is_empty()
        || text.len() > NAME_BYTES_MAX
        || text.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'])
    {
        let error = Diagnostic::error(value.span.0, format!("`{text}` can be no part of a data stream's name"));
        return Err(
            error.help(format!("it has 1 to {NAME_BYTES_MAX} bytes and none of \\ / * ? \" < > | , # : and blanks"))
        );
    }
    Ok(text.to_owned())
}
