//! A config and its sources to a pipeline that can run, or everything that is wrong with it.

use super::arrival::{self, Arrival};
use crate::{
    config::{Options, Role, Settings},
    inputs::plugins::Source as InputSource,
    outputs::plugins::{self as outputs, Output},
    plan::program::{Block, Filters},
};
use logship_parsers::config::{
    Diagnostic, Severity, Source,
    ast::{Config, Plugin, Statement},
    parse,
};

/// What stands for an input where a config has none.
const DEFAULT_INPUT: &str = "input { stdin { type => stdin } }";
/// What stands for an output where a config has none.
const DEFAULT_OUTPUT: &str = "output { stdout { codec => rubydebug } }";

/// The texts of a config.
pub type Sources = Vec<Source>;

/// A pipeline, ready to run.
pub struct Pipeline {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) sources: Vec<Box<dyn InputSource>>,
    pub(super) filters: Filters,
    pub(super) outputs: Block<Attached>,
    /// Names of sinks that outputs share; the place of a sink is its number.
    pub(super) sinks: Vec<Option<&'static str>>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("filters", &self.filters).finish_non_exhaustive()
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
    let pipeline = compile(&config, settings, &mut diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span);
    let is_good = diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    (is_good.then_some(pipeline), diagnostics)
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
    inputs(&config.inputs, diagnostics, &mut |plugin, diagnostics| {
        if let Some((arrival, source)) = arrival::build(plugin, settings, diagnostics) {
            arrivals.push(arrival);
            sources.push(source);
        }
    });
    let filters = Filters::filters(&config.filters, settings, diagnostics);
    let mut sinks: Vec<Option<&'static str>> = Vec::new();
    let outputs = Block::compile(&config.outputs, diagnostics, &mut |plugin, diagnostics| {
        let kind = outputs::find(&plugin.name).map_err(|unknown| diagnostics.push(unknown)).ok()?;
        let output = (kind.build)(&mut Options::new(plugin, (Role::Output, kind.options), settings, diagnostics))?;
        let shared = output.shares();
        let known = sinks.iter().position(|name| shared.is_some() && *name == shared);
        let sink = known.unwrap_or_else(|| {
            sinks.push(shared);
            sinks.len() - 1
        });
        Some(Attached { output, sink })
    });
    Pipeline { arrivals, sources, filters, outputs, sinks }
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
