//! `logship -e CONF`, `logship -f PATH`: pipelines of the language of Logstash. `-t` checks them and says all that is wrong.

use super::{Failure, args::Shared, is_read, say::say, signals};
use crate::{
    config::{DataDir, Ecs, Settings, paths::Names},
    flow::Stop,
    log,
    pipeline::configured::{self, Pipeline, QueueKind, Sources},
};
use clap::{Args, ValueEnum};
use logship_parsers::config::{Options, SOURCE_BYTES_MAX, Severity, Source};
use std::path::{Path, PathBuf};

/// Options of pipelines.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of pipelines")]
pub struct Pipelines {
    /// Run this pipeline; without input or output it has stdin and stdout
    #[arg(
        short = 'e',
        long = "config.string",
        env = "LOGSHIP_CONFIG_STRING",
        value_name = "CONF",
        allow_hyphen_values = true
    )]
    pub text: Option<String>,
    /// Run the pipeline in this file, in the files of this folder, or in the files of this pattern, in the order of their names
    #[arg(
        short = 'f',
        long = "path.config",
        env = "LOGSHIP_PATH_CONFIG",
        value_name = "PATH",
        conflicts_with = "text"
    )]
    pub path: Option<PathBuf>,
    /// Check the pipeline, say all that is wrong with it, and end
    #[arg(short = 't', long = "config.test_and_exit", env = "LOGSHIP_CONFIG_TEST_AND_EXIT")]
    pub check: bool,
    /// Threads that filter [default: one for each core]
    #[arg(short = 'w', long = "pipeline.workers", env = "LOGSHIP_PIPELINE_WORKERS", value_name = "N")]
    pub workers: Option<usize>,
    /// Taken for Logstash's sake: batches are of bytes here
    #[arg(
        short = 'b',
        long = "pipeline.batch.size",
        env = "LOGSHIP_PIPELINE_BATCH_SIZE",
        value_name = "N",
        hide = true
    )]
    pub batch_size: Option<usize>,
    /// Taken for Logstash's sake: nothing waits for a batch here
    #[arg(
        short = 'u',
        long = "pipeline.batch.delay",
        env = "LOGSHIP_PIPELINE_BATCH_DELAY",
        value_name = "MS",
        hide = true
    )]
    pub batch_delay: Option<u64>,
    /// Taken for Logstash's sake: events always keep their order here
    #[arg(long = "pipeline.ordered", env = "LOGSHIP_PIPELINE_ORDERED", value_name = "auto|true|false", hide = true)]
    pub ordered: Option<String>,
    /// The name of the pipeline: that of its folder, where it keeps what waits [default: main]
    #[arg(long = "pipeline.id", env = "LOGSHIP_PIPELINE_ID", value_name = "NAME")]
    pub id: Option<String>,
    /// Which names fields have: those of the Elastic Common Schema, or Logstash's of old
    #[arg(
        long = "pipeline.ecs_compatibility",
        env = "LOGSHIP_PIPELINE_ECS_COMPATIBILITY",
        value_enum,
        value_name = "MODE"
    )]
    pub ecs: Option<EcsMode>,
    /// Where what is read waits for filters and outputs [default: memory where nothing can be lost, else persisted]
    #[arg(long = "queue.type", env = "LOGSHIP_QUEUE_TYPE", value_enum, value_name = "TYPE")]
    pub queue: Option<QueueType>,
    /// Read `\n`, `\t` and the like in strings
    #[arg(
        long = "config.support_escapes",
        env = "LOGSHIP_CONFIG_SUPPORT_ESCAPES",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub support_escapes: Option<bool>,
    /// Taken for Logstash's sake: LOGSHIP_LOG
    #[arg(long = "log.level", env = "LOGSHIP_LOG_LEVEL", value_name = "LEVEL", hide = true)]
    pub log_level: Option<String>,
    /// As --data, for Logstash's sake
    #[arg(long = "path.data", env = "LOGSHIP_PATH_DATA", value_name = "DIR")]
    pub path_data: Option<PathBuf>,
}

/// Where what is read waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum QueueType {
    /// In memory: a crash loses it
    Memory,
    /// In a log on disk
    Persisted,
}

/// Which names fields have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EcsMode {
    /// Logstash's of old
    Disabled,
    /// The first version of the schema
    V1,
    /// The eighth
    V8,
}

impl Pipelines {
    /// Whether a pipeline is asked for.
    pub fn is_asked(&self) -> bool {
        self.text.is_some() || self.path.is_some() || self.check
    }

    fn settings(&self) -> Settings {
        let ecs = match self.ecs {
            None | Some(EcsMode::V8) => Ecs::V8,
            Some(EcsMode::V1) => Ecs::V1,
            Some(EcsMode::Disabled) => Ecs::Disabled,
        };
        // Once in the life of the process.
        Settings { ecs, host: rustix::system::uname().nodename().to_string_lossy().into_owned().leak() }
    }

    /// Where what is read waits.
    fn queue_of(&self, pipeline: &Pipeline, data: Option<&Path>) -> Result<QueueKind, Failure> {
        let is_memory = match self.queue {
            Some(kind) => kind == QueueType::Memory,
            None => !pipeline.needs_log(),
        };
        if is_memory {
            return Ok(QueueKind::Memory);
        }
        let root = DataDir::locate(self.path_data.as_deref().or(data)).map_err(Failure::usage)?;
        let data = DataDir::open(&root).map_err(Failure::failed)?;
        let id = self.id.as_deref().unwrap_or("main");
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(Failure::usage(format!("`{id}` is no name of a pipeline: it names a folder, too")));
        }
        Ok(QueueKind::Log { dir: data.root().join("pipelines").join(id), options: log::Options::default() })
    }

    fn sources(&self) -> Result<Sources, Failure> {
        match (&self.text, &self.path) {
            (Some(text), _) => Ok(vec![Source::new("config.string", text.as_str())]),
            (None, Some(path)) => files_of(path)?.iter().map(|path| source(path)).collect(),
            (None, None) => Err(Failure::usage("there is nothing to check: name a pipeline with -e or -f")),
        }
    }
}

/// Runs or checks a pipeline.
pub fn run(shared: &Shared, args: &Pipelines) -> Result<(), Failure> {
    let mut sources = args.sources()?;
    let language = Options {
        support_escapes: args.support_escapes.unwrap_or_default(),
        variables: &|name| std::env::var(name).ok(),
    };
    let (pipeline, diagnostics) = configured::load(&mut sources, &language, &args.settings());
    for diagnostic in &diagnostics {
        eprint_line(&diagnostic.render(&sources));
    }
    let Some(pipeline) = pipeline else {
        let count = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
        let errors = if count == 1 { "an error".to_owned() } else { format!("{count} errors") };
        return Err(Failure::usage(format!("the config has {errors}; nothing was started")));
    };
    if args.check {
        say("Configuration OK");
        return Ok(());
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let cannot_start = |cause| Failure::failed(format!("cannot start the pipeline: {cause}"));
    let stop = Stop::new().map_err(cannot_start)?;
    let workers = args.workers.filter(|workers| *workers > 0).unwrap_or_else(cores);
    let queue = args.queue_of(&pipeline, shared.data.as_deref())?;
    let running = pipeline.start(workers, queue, &stop).map_err(cannot_start)?;
    let asked = stop.clone();
    // The second request ends the process at once.
    signals::watch(move |_| match asked.is_requested() {
        false => asked.request(),
        true => std::process::exit(EXIT_AT_ONCE),
    })?;
    match running.wait() {
        Err(cause) => is_read(Err(cause)).map(drop),
        Ok(ended) if ended.failures.is_empty() => Ok(()),
        Ok(ended) => Err(Failure::failed(ended.failures.join("\nlogship: "))),
    }
}

/// The exit status of a process that was asked twice to end.
const EXIT_AT_ONCE: i32 = 130;

fn eprint_line(text: &str) {
    use std::io::Write as _;
    _ = super::say::Stderr.write(format!("{text}\n").as_bytes());
}

fn source(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let unreadable = |cause: &dyn std::fmt::Display| Failure::usage(format!("cannot read {name}: {cause}"));
    let length = std::fs::metadata(path).map_err(|cause| unreadable(&cause))?.len();
    if length > SOURCE_BYTES_MAX as u64 {
        return Err(unreadable(&format!("it is longer than {SOURCE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| unreadable(&cause))?;
    Ok(Source::new(name, text))
}

/// The files of a config, by their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |cause| Failure::usage(format!("cannot read {}: {cause}", path.display()));
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = if path.is_dir() { Some((path, None)) } else { None };
    let pattern = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?', '[', '{']));
    let parent = path.parent().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    let Some((folder, pattern)) = folder.or_else(|| Some((parent?, Some(pattern?)))) else {
        return Err(Failure::usage(format!("there is no {}", path.display())));
    };
    let names = pattern.map(Names::parse).transpose().map_err(Failure::usage)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_wanted = match names {
            Some(ref names) => names.fit(name),
            // What editors leave behind is no config.
            None => !name.starts_with('.') && !name.ends_with('~'),
        };
        if is_wanted && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(Failure::usage(format!("there is no config in {}", path.display()))),
        false => Ok(found),
    }
}
