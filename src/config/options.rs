//! The options of one plugin of a pipeline, read as what the plugin asks for.
//!
//! Nothing here returns early: what is wrong goes to a list, with its place, and the plugin reads on, so that all problems of
//! a config are told at once. An option that a plugin does not know is an error with the nearest known name.

use super::gone;
use crate::flow::Addresses;
use logship_parsers::config::{
    Diagnostic, FieldRef, Span, Template,
    ast::{Attribute, Plugin, Value, ValueKind},
    suggest,
    typed::{self, Read},
};
use std::sync::Arc;

/// Which names fields have: those of the Elastic Common Schema or Logstash's own of old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecs {
    /// Logstash's own.
    Disabled,
    /// The first version of the schema.
    V1,
    /// The eighth.
    #[default]
    V8,
}

impl Ecs {
    /// The names of the modes, as options and settings write them.
    pub const NAMES: [&str; 3] = ["disabled", "v1", "v8"];

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Ecs> {
        match name {
            "disabled" => Some(Ecs::Disabled),
            "v1" => Some(Ecs::V1),
            "v8" => Some(Ecs::V8),
            _ => None,
        }
    }

    /// Whether fields have the schema's names.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Ecs::Disabled
    }
}

/// What holds for all plugins of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `pipeline.ecs_compatibility`.
    pub ecs: Ecs,
    /// The name of this machine, for the life of the process: every event has it, and workers share no counter of its users.
    pub host: &'static str,
    /// Where the pipelines of the process send events to each other.
    pub addresses: Arc<Addresses>,
}

/// The section that a plugin stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `input { }`
    Input,
    /// `filter { }`
    Filter,
    /// `output { }`
    Output,
    /// `codec => ...`
    Codec,
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Input => "input",
            Role::Filter => "filter",
            Role::Output => "output",
            Role::Codec => "codec",
        }
    }

    /// The options that every plugin of the section has.
    #[must_use]
    pub fn common(self) -> &'static [&'static str] {
        match self {
            Role::Input => &["add_field", "codec", "ecs_compatibility", "enable_metric", "id", "tags", "type"],
            Role::Filter => &[
                "add_field",
                "add_tag",
                "ecs_compatibility",
                "enable_metric",
                "id",
                "periodic_flush",
                "remove_field",
                "remove_tag",
            ],
            Role::Output => &["codec", "ecs_compatibility", "enable_metric", "id", "workers"],
            Role::Codec => &["ecs_compatibility", "enable_metric", "id"],
        }
    }
}

/// The options of one plugin.
#[derive(Debug)]
pub struct Options<'a> {
    plugin: &'a Plugin,
    attributes: Vec<Attribute>,
    settings: &'a Settings,
    ecs: Ecs,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Options<'a> {
    /// Merges the options and checks their names: `known` beside those that all plugins of the role have.
    pub fn new(
        plugin: &'a Plugin,
        (role, known): (Role, &[&'static str]),
        settings: &'a Settings,
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Options<'a> {
        let attributes = plugin.options();
        for attribute in &attributes {
            let name = attribute.name.text.as_str();
            if known.contains(&name) || role.common().contains(&name) {
                continue;
            }
            diagnostics.push(unknown(plugin, attribute, role, known));
        }
        let mut options = Options { plugin, attributes, settings, ecs: settings.ecs, diagnostics };
        if let Some(name) =
            options.get("ecs_compatibility", |value| typed::choice(value, &Ecs::NAMES).map(str::to_owned))
        {
            options.ecs = Ecs::from_name(&name).unwrap_or_default();
        }
        _ = options.get("enable_metric", typed::boolean);
        _ = options.get("id", |value| typed::text(value).map(drop));
        options
    }

    /// Which names fields have.
    #[must_use]
    pub fn ecs(&self) -> Ecs {
        self.ecs
    }

    /// What holds for the whole pipeline.
    #[must_use]
    pub fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plugin.name.text
    }

    /// Where the plugin's name stands.
    #[must_use]
    pub fn place(&self) -> Span {
        self.plugin.name.span.0
    }

    /// The value of an option as written.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.name.text == name).map(|attribute| &attribute.value)
    }

    /// Whether the option is given.
    #[must_use]
    pub fn is_given(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Says something about the config.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The settings and the list of problems, to read a plugin inside of this one, such as a codec.
    pub fn inside(&mut self) -> (&'a Settings, &mut Vec<Diagnostic>) {
        (self.settings, self.diagnostics)
    }

    /// An option read by one of the readers of [`typed`], or one of the plugin's own. `None` where it is absent, and where it
    /// is wrong, which is told.
    pub fn get<T>(&mut self, name: &str, reader: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        let read = reader(self.value(name)?);
        read.map_err(|wrong| self.diagnostics.push(wrong)).ok()
    }

    /// An option with a default.
    pub fn or<T>(&mut self, name: &str, reader: impl FnOnce(&Value) -> Read<T>, default: T) -> T {
        self.get(name, reader).unwrap_or(default)
    }

    /// An option without which the plugin means nothing.
    pub fn required<T>(&mut self, name: &str, reader: impl FnOnce(&Value) -> Read<T>) -> Option<T> {
        if !self.is_given(name) && self.plugin.intact {
            let plugin = &self.plugin.name.text;
            let message = format!("`{plugin}` needs the option `{name}`");
            self.diagnostics.push(Diagnostic::error(self.place(), message).help(format!("add `{name} => ...`")));
        }
        self.get(name, reader)
    }

    /// Each element of a list, a single value being a list of one. Those that are wrong are told and left out.
    pub fn each<T>(&mut self, name: &str, reader: impl Fn(&Value) -> Read<T>) -> Vec<T> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let (good, wrong) = sorted(typed::list(value).iter().map(reader));
        self.diagnostics.extend(wrong);
        good
    }

    /// Each pair of a hash. Those that are wrong are told and left out.
    pub fn pairs<K, V>(
        &mut self,
        name: &str,
        key: impl Fn(&Value) -> Read<K>,
        value: impl Fn(&Value) -> Read<V>,
    ) -> Vec<(K, V)> {
        let Some(whole) = self.value(name) else { return Vec::new() };
        let (good, wrong) = match typed::hash(whole) {
            Ok(entries) => sorted(entries.iter().map(|entry| Ok((key(&entry.key)?, value(&entry.value)?)))),
            Err(wrong) => (Vec::new(), vec![wrong]),
        };
        self.diagnostics.extend(wrong);
        good
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.get(name, |value| typed::text(value).map(str::to_owned))
    }

    /// A field.
    pub fn field(&mut self, name: &str) -> Option<FieldRef> {
        self.get(name, typed::field)
    }

    /// Texts with pieces of the event in them.
    pub fn templates(&mut self, name: &str) -> Vec<Template> {
        self.each(name, typed::template)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.or(name, typed::boolean, default)
    }
}

fn sorted<T>(read: impl Iterator<Item = Read<T>>) -> (Vec<T>, Vec<Diagnostic>) {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for read in read {
        match read {
            Ok(value) => good.push(value),
            Err(diagnostic) => wrong.push(diagnostic),
        }
    }
    (good, wrong)
}

fn unknown(plugin: &Plugin, attribute: &Attribute, role: Role, known: &[&'static str]) -> Diagnostic {
    let (plugin, name) = (&plugin.name.text, &attribute.name.text);
    let what = role.name();
    let error = Diagnostic::error(attribute.name.span.0, format!("the {what} `{plugin}` has no option `{name}`"));
    let all = || known.iter().chain(role.common()).copied();
    let error = match (gone::instead(role, plugin, name), suggest(name, all())) {
        (Some(instead), _) => error.help(instead),
        (None, Some(near)) => error.help(format!("did you mean `{near}`?")),
        (None, None) => error,
    };
    let mut listed: Vec<_> = all().collect();
    listed.sort_unstable();
    error.note(format!("its options are {}", listed.join(", ")))
}

/// Where bytes of an option's text stand in the config: for errors inside of patterns. Where escapes or variables make the text
/// another than what is written, it is the whole option.
#[must_use]
pub fn place_in(value: &Value, bytes: std::ops::Range<usize>) -> Span {
    let whole = value.span.0;
    match &value.kind {
        ValueKind::String(text) if text.raw == text.text && value.variable.is_none() => {
            let at = |byte: usize| whole.start + 1 + u32::try_from(byte.min(text.raw.len())).unwrap_or_default();
            Span { start: at(bytes.start), end: at(bytes.end), ..whole }
        }
        _ => whole,
    }
}
