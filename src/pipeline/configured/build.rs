//! A config and its sources to a pipeline that can run, or everything that is wrong with it.

use super::{
    arrival::{self, Arrival},
    delivery::SinkState,
};
use crate::{
    config::{Options, Role, Settings},
    inputs::plugins::Source as InputSource,
    outputs::plugins::{self as outputs, Output},
    plan::program::{Filters, Program},
};
use logship_parsers::config::{
    Diagnostic, Severity, Source, Span,
    ast::{Config, Plugin, Statement},
    parse,
};
use std::{collections::HashMap, sync::Arc};

/// What stands for an input where a config has none.
const DEFAULT_INPUT: &str = "input { stdin { type => stdin } }";
/// What stands for an output where a config has none.
const DEFAULT_OUTPUT: &str = "output { stdout { codec => rubydebug } }";

/// The texts of a config.
pub type Sources = Vec<Source>;

/// A pipeline, ready to run.
pub struct Pipeline {
    pub(super) sources: Vec<Box<dyn InputSource>>,
    pub(super) plan: Plan,
}

/// What workers go by.
pub(super) struct Plan {
    /// One for each source.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) filters: Filters,
    pub(super) outputs: Program<Attached>,
    /// The place of a sink is its number.
    pub(super) sinks: Vec<Named>,
    /// Whether some input or output asks for a log.
    pub(super) needs_log: bool,
    /// Whether some output asks for ids of events.
    pub(super) wants_ids: bool,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("filters", &self.plan.filters).finish_non_exhaustive()
    }
}

/// A sink, before it is open.
pub(super) struct Named {
    /// `elasticsearch.0`, or the output's option `id`.
    pub(super) name: String,
    /// The kind of its first output: `elasticsearch`.
    pub(super) plugin: String,
    /// What its outputs share it by.
    pub(super) shared: Option<String>,
}

impl Named {
    pub(super) fn state(&self) -> Arc<SinkState> {
        Arc::new(SinkState { name: self.name.clone(), ..SinkState::default() })
    }
}

/// An output and the number of its sink.
pub(super) struct Attached {
    pub(super) output: Box<dyn Output>,
    pub(super) sink: usize,
}

/// Reads and compiles a config. What is to be said comes in the order of the sources; the pipeline is there where no error is.
pub fn load(
    sources: &mut Sources,
    language: &logship_parsers::config::Options<'_>,
    settings: &Settings,
) -> (Option<Pipeline>, Vec<Diagnostic>) {
    let parsed = parse(sources, language);
    let is_whole = parsed.is_valid();
    let (mut config, mut diagnostics) = (parsed.config, parsed.diagnostics);
    if is_whole {
        complete(&mut config, sources);
    }
    let mut ids = HashMap::new();
    for section in [&config.inputs, &config.filters, &config.outputs] {
        check_ids(section, &mut ids, &mut diagnostics);
    }
    let pipeline = compile(&config, settings, &mut diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    let is_good = diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    (is_good.then_some(pipeline), diagnostics)
}

/// An `id` belongs to one plugin of a pipeline.
fn check_ids(statements: &[Statement], known: &mut HashMap<String, Span>, diagnostics: &mut Vec<Diagnostic>) {
    for statement in statements {
        match statement {
            Statement::Plugin(plugin) => {
                let id = plugin.attributes.iter().find(|attribute| attribute.name.text == "id");
                let Some((id, place)) = id.and_then(|id| Some((id.value.as_str()?, id.value.span.0))) else { continue };
                if let Some(first) = known.get(id) {
                    let error = Diagnostic::error(place, format!("two plugins have the id `{id}`"));
                    diagnostics.push(error.note_at(*first, "the first is here").help("give each an id of its own"));
                } else {
                    known.insert(id.to_owned(), place);
                }
            }
            Statement::Branch(branch) => {
                branch.arms.iter().for_each(|arm| check_ids(&arm.body, known, diagnostics));
                branch.otherwise.iter().for_each(|body| check_ids(body, known, diagnostics));
            }
        }
    }
}

/// Adds what a config leaves out.
fn complete(config: &mut Config, sources: &mut Sources) {
    for (is_missing, text) in [(config.inputs.is_empty(), DEFAULT_INPUT), (config.outputs.is_empty(), DEFAULT_OUTPUT)] {
        if is_missing {
            let source = Source::new("default", text);
            let mut added = parse(std::slice::from_ref(&source), &logship_parsers::config::Options::default()).config;
            config.inputs.append(&mut added.inputs);
            config.outputs.append(&mut added.outputs);
            sources.push(source);
        }
    }
}

fn compile(config: &Config, settings: &Settings, diagnostics: &mut Vec<Diagnostic>) -> Pipeline {
    let (mut arrivals, mut sources) = (Vec::new(), Vec::new());
    let (mut names, mut needs_log) = (Names::default(), false);
    inputs(&config.inputs, diagnostics, &mut |plugin, diagnostics| {
        let name = names.next(plugin);
        if let Some((arrival, source)) = arrival::build(plugin, name, settings, diagnostics) {
            needs_log |= arrival.needs_log;
            arrivals.push(arrival);
            sources.push(source);
        }
    });
    let filters = Filters::compile(&config.filters, settings, diagnostics);
    let (mut sinks, mut names): (Vec<Named>, _) = (Vec::new(), Names::default());
    let mut wants_ids = false;
    let outputs = Program::compile(&config.outputs, diagnostics, &mut |plugin, diagnostics| {
        let name = names.next(plugin);
        let kind = outputs::find(&plugin.name).map_err(|unknown| diagnostics.push(unknown)).ok()?;
        let output = (kind.build)(&mut Options::new(plugin, (Role::Output, kind.options), settings, diagnostics))?;
        needs_log |= kind.needs_log;
        wants_ids |= output.wants_ids();
        let shared = output.shares();
        let known = sinks.iter().position(|sink| shared.is_some() && sink.shared == shared);
        let sink = known.unwrap_or_else(|| {
            sinks.push(Named { name, plugin: plugin.name.text.clone(), shared });
            sinks.len() - 1
        });
        Some(Attached { output, sink })
    });
    Pipeline { sources, plan: Plan { arrivals, filters, outputs, sinks, needs_log, wants_ids } }
}

/// Names for the plugins of a section that stay the same when others are added behind.
#[derive(Default)]
struct Names(HashMap<String, usize>);

impl Names {
    fn next(&mut self, plugin: &Plugin) -> String {
        let id = plugin.options().into_iter().find(|option| option.name.text == "id");
        if let Some(id) = id.as_ref().and_then(|option| option.value.as_str()) {
            return id.to_owned();
        }
        let count = self.0.entry(plugin.name.text.clone()).or_default();
        *count += 1;
        format!("{}.{}", plugin.name.text, *count - 1)
    }
}

/// All inputs; conditions mean nothing there.
fn inputs(
    statements: &[Statement],
    diagnostics: &mut Vec<Diagnostic>,
    take: &mut dyn FnMut(&Plugin, &mut Vec<Diagnostic>),
) {
    for statement in statements {
        match statement {
            Statement::Plugin(plugin) => take(plugin, diagnostics),
            Statement::Branch(branch) => {
                let error = Diagnostic::error(branch.span.0, "inputs have no conditions: there is no event yet");
                diagnostics.push(error.help("put the condition into `filter { }`, with `drop { }` inside"));
            }
        }
    }
}
