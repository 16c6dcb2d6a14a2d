//! A file of cases ready to run: its config read and its filters compiled, or everything that is wrong with it.

use super::{
    FILE_BYTES_MAX, line,
    line::{Case, Given},
    outcome::Outcome,
    read,
};
use crate::{
    codecs::plugins::{
        self as codecs, Encoder, Reading,
        framing::{Cut, Cutter, Framing, Piece},
    },
    config::{Ecs, Options, Role, Settings},
    event::{Event, Key, Timestamp, Value, json},
    filters::{Scratch, decorate::Decorations},
    inputs::plugins as inputs,
    plan::program::{Filters, Program},
};
use logship_parsers::config::{
    Diagnostic, Options as Language, Severity, Source, Span,
    ast::{Config, Plugin, Statement},
    parse, typed,
};
use std::path::Path;

/// When the events of cases arrive: 2026-01-01.
pub(super) const RECEIVED: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// Options of inputs that mean something where there is no input.
const INPUT_OPTIONS: [&str; 4] = ["add_field", "codec", "tags", "type"];

/// A file of cases.
pub struct Cases {
    /// The file itself first, then the configs that it names.
    pub(super) sources: Vec<Source>,
    config: Config,
    settings: Settings,
    pub(super) cases: Vec<Case>,
}

impl std::fmt::Debug for Cases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cases").field("cases", &self.cases.len()).finish_non_exhaustive()
    }
}

/// A pipeline without its ends.
struct Pipeline {
    arrival: Option<Arrival>,
    filters: Filters,
    outputs: Program<Box<dyn Encoder>>,
    keeps: bool,
}

/// What the first input of a config does to what it reads.
struct Arrival {
    codec: Reading,
    kind: Option<Value>,
    tags: Vec<String>,
    fields: Decorations,
}

impl Cases {
    /// Reads a file and the configs that it names.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn open(path: &Path, language: &Language<'_>, settings: &Settings) -> Result<Cases, Vec<String>> {
        let name = path.display().to_string();
        let text = text_of(path).map_err(|cause| vec![format!("{name}: error: {cause}")])?;
        Cases::new(Source::new(name, text), path.parent().unwrap_or(Path::new("")), language, settings)
    }

    /// Reads cases; configs that they name are below `folder`.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn new(
        source: Source,
        folder: &Path,
        language: &Language<'_>,
        settings: &Settings,
    ) -> Result<Cases, Vec<String>> {
        let (mut wrong, mut settings) = (Vec::new(), settings.clone());
        let (head, cases) = read::read(&source.text, &mut wrong);
        if let Some((place, mode)) = &head.ecs {
            match Ecs::from_name(mode) {
                Some(mode) => settings.ecs = mode,
                None => wrong.push(
                    Diagnostic::error(*place, format!("`{mode}` is no mode of `ecs:`"))
                        .help("write `ecs: disabled`, `ecs: v1` or `ecs: v8`"),
                ),
            }
        }
        let mut sources = vec![Source::new(source.name.clone(), config_of(&source.text, &head))];
        for (place, path) in &head.configs {
            match text_of(&folder.join(path)) {
                Ok(text) => sources.push(Source::new(folder.join(path).display().to_string(), text)),
                Err(cause) => wrong.push(Diagnostic::error(*place, format!("`{path}` cannot be read: {cause}"))),
            }
        }
        let parsed = parse(&sources, language);
        wrong.extend(parsed.diagnostics);
        let cases = Cases { sources, config: parsed.config, settings, cases };
        _ = cases.pipeline(&mut wrong);
        if let Some((place, _)) = cases.cases.iter().flat_map(|case| &case.texts).next()
            && cases.config.outputs.is_empty()
        {
            let error = Diagnostic::error(*place, "no output of the config writes a text");
            wrong.push(error.help("add `output { stdout { codec => ... } }` to the config"));
        }
        let cases =
            Cases { sources: std::iter::once(source).chain(cases.sources.into_iter().skip(1)).collect(), ..cases };
        wrong.retain(|diagnostic| diagnostic.severity == Severity::Error);
        wrong.sort_by_key(|diagnostic| diagnostic.span);
        match wrong.is_empty() {
            true => Ok(cases),
            false => Err(wrong.iter().map(|diagnostic| diagnostic.render(&cases.sources)).collect()),
        }
    }

    /// Runs all cases.
    #[must_use]
    pub fn run(&self) -> Vec<Outcome> {
        let mut pipeline = self.pipeline(&mut Vec::new());
        let mut outcomes = Vec::with_capacity(self.cases.len());
        for (n, case) in self.cases.iter().enumerate() {
            if n > 0 && pipeline.keeps {
                pipeline = self.pipeline(&mut Vec::new());
            }
            let events = pipeline.run(case);
            let mut text = String::new();
            if !case.texts.is_empty() {
                for event in &events {
                    pipeline.outputs.reached(event, &mut |output| output.encode(event, RECEIVED, &mut text));
                }
            }
            outcomes.push(Outcome::new(case, &events, &text));
        }
        outcomes
    }

    /// The line on which something stands.
    pub(super) fn line_of(&self, place: Span) -> usize {
        logship_parsers::config::position(&self.sources, place).line
    }

    fn pipeline(&self, wrong: &mut Vec<Diagnostic>) -> Pipeline {
        let records = || self.cases.iter().flat_map(|case| &case.given).any(|given| matches!(given, Given::Record(_)));
        let input = first(&self.config.inputs).filter(|_| records());
        let arrival = input.and_then(|input| Arrival::new(input, &self.settings, wrong));
        let filters = Filters::compile(&self.config.filters, &self.settings, wrong);
        let statements = match self.cases.iter().any(|case| !case.texts.is_empty()) {
            true => self.config.outputs.as_slice(),
            false => &[],
        };
        let outputs = Program::compile(statements, wrong, &mut |plugin, wrong| {
            let plugin = only(plugin, &["codec"]);
            codecs::encoder(&mut Options::new(&plugin, (Role::Output, &[]), &self.settings, wrong), "rubydebug")
        });
        let mut keeps = filters.is_stateful();
        outputs.each(&mut |output| keeps |= output.is_stateful());
        Pipeline { arrival, filters, outputs, keeps }
    }
}

/// The text of a file.
fn text_of(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|cause| cause.to_string())?.len();
    if length > FILE_BYTES_MAX as u64 {
        return Err(format!("it is longer than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|cause| cause.to_string())
}

/// The config above the cases, where its bytes stand in the file: the lines that are none become comments.
fn config_of(text: &str, head: &line::Head) -> String {
    let mut config = String::with_capacity(head.end);
    for line in text[..head.end].split_inclusive('\n') {
        let is_head = line.starts_with("config:") || line.starts_with("ecs:");
        config.push_str(if is_head { "#" } else { "" });
        config.push_str(&line[usize::from(is_head)..]);
    }
    config
}

/// The first plugin, which no condition is about.
fn first(statements: &[Statement]) -> Option<&Plugin> {
    statements.iter().find_map(|statement| match statement {
        Statement::Plugin(plugin) => Some(plugin),
        Statement::Branch(_) => None,
    })
}

/// The plugin with these options alone.
fn only(plugin: &Plugin, options: &[&str]) -> Plugin {
    let mut plugin = plugin.clone();
    plugin.attributes.retain(|attribute| options.contains(&attribute.name.text.as_str()));
    plugin
}

impl Arrival {
    fn new(input: &Plugin, settings: &Settings, wrong: &mut Vec<Diagnostic>) -> Option<Arrival> {
        let codec = inputs::find(&input.name).map_or("plain", |kind| kind.codec);
        let input = only(input, &INPUT_OPTIONS);
        let mut options = Options::new(&input, (Role::Input, &[]), settings, wrong);
        let kind = options.text("type").map(Value::from);
        let tags = options.each("tags", |value| typed::text(value).map(str::to_owned));
        let fields = Decorations::fields(&mut options);
        Some(Arrival { codec: codecs::reading(&mut options, codec)?, kind, tags, fields })
    }

    /// How a codec of its own framing cuts the lines of a case, which are one stream.
    fn cutter(&self) -> Option<Cutter> {
        matches!(self.codec.framing, Framing::Own(_)).then(|| Cutter::new(&self.codec.framing))
    }

    /// The events of a line, which with other framings is a message of its own.
    fn events(&self, line: &str, cutter: &mut Option<Cutter>, scratch: &mut Scratch) -> Vec<Event> {
        let pieces = match cutter {
            Some(cutter) => cutter.push(format!("{line}\n").as_bytes()),
            None => {
                let mut cutter = Cutter::new(&self.codec.framing);
                let ends =
                    matches!(&self.codec.framing, Framing::Lines(end) | Framing::Messages(end) if **end == *b"\n");
                let mut pieces = cutter.push(line.as_bytes());
                pieces.extend(cutter.push(if ends { b"\n" } else { b"" }));
                pieces.extend(cutter.finish());
                pieces
            }
        };
        self.made(pieces, scratch)
    }

    fn made(&self, pieces: Vec<Piece>, scratch: &mut Scratch) -> Vec<Event> {
        let mut events = Vec::new();
        for Cut { text, tags } in pieces.into_iter().flat_map(Piece::into_lines) {
            let from = events.len();
            let record = String::from_utf8_lossy(&text);
            self.codec.decoder.decode(record.as_ref().into(), RECEIVED, &mut events);
            events[from..].iter_mut().for_each(|event| tags.iter().for_each(|tag| event.tag(tag)));
        }
        for event in &mut events {
            if let Some(kind) = self.kind.as_ref().filter(|_| event.fields.get("type").is_none()) {
                event.fields.insert(Key::from("type"), kind.clone());
            }
            if !self.fields.is_empty() {
                self.fields.apply(event, scratch);
            }
            self.tags.iter().for_each(|tag| event.tag(tag));
        }
        events
    }
}

impl Pipeline {
    /// What comes out.
    fn run(&self, case: &Case) -> Vec<Event> {
        let mut scratch = Scratch { received: RECEIVED, ..Scratch::default() };
        let mut out = Vec::new();
        let mut cutter = self.arrival.as_ref().and_then(Arrival::cutter);
        for given in &case.given {
            for event in self.given(given, &mut cutter, &mut scratch) {
                // What a filter panicked on goes on tagged, which the case sees.
                _ = self.filters.run(event, &mut scratch, &mut out);
            }
        }
        if let Some((arrival, mut cutter)) = self.arrival.as_ref().zip(cutter) {
            for event in arrival.made(cutter.finish(), &mut scratch) {
                // What a filter panicked on goes on tagged, which the case sees.
                _ = self.filters.run(event, &mut scratch, &mut out);
            }
        }
        self.filters.let_go(true, &mut scratch, &mut out);
        out
    }

    fn given(&self, given: &Given, cutter: &mut Option<Cutter>, scratch: &mut Scratch) -> Vec<Event> {
        match given {
            Given::Message(text) => vec![Event::from_line(RECEIVED, text.as_str().into())],
            Given::Object(fields) => {
                let mut event = Event::new(RECEIVED);
                for (name, value) in fields {
                    event.take_in(name.as_str().into(), json::from_serde(value.clone()));
                }
                vec![event]
            }
            Given::Record(text) => match &self.arrival {
                Some(arrival) => arrival.events(text, cutter, scratch),
                None => vec![Event::from_line(RECEIVED, text.as_str().into())],
            },
        }
    }
}
