//! `logship -e CONF`, `logship -f PATH`: pipelines of the language of Logstash. `-t` checks them and says all that is wrong;
//! `--path.settings DIR` runs those of a `pipelines.yml`.

mod api;
mod files;
mod known;
mod settings;
mod taken;

use super::{Failure, args::Shared, is_read, say::say, signals};
use crate::{
    config::Ecs,
    flow::Addresses,
    inputs::plugins::Source,
    pipeline::configured::{
        self, QueueKind,
        group::{Group, Member, Request},
    },
};
use clap::{Args, ValueEnum};
use logship_parsers::config::{Options, Severity};
use settings::{General, Spec};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

/// What stands above them in the help.
pub const HEADING: &str = "Options of pipelines (configs of Logstash)";

/// Options of pipelines.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub struct Pipelines {
    /// Run this config of Logstash; without an input it reads stdin, without an output it prints
    #[arg(
        short = 'e',
        long = "config.string",
        env = "LOGSHIP_CONFIG_STRING",
        value_name = "CONF",
        allow_hyphen_values = true
    )]
    pub text: Option<String>,
    /// Run the config of Logstash in this file, or in the files of this folder or pattern, in the order of their names
    #[arg(
        short = 'f',
        long = "path.config",
        env = "LOGSHIP_PATH_CONFIG",
        value_name = "PATH",
        conflicts_with = "text"
    )]
    pub path: Option<PathBuf>,
    /// Run the pipelines that the file pipelines.yml in this folder lists; logstash.yml beside it has settings for all, and for
    /// those of -e and -f
    #[arg(long = "path.settings", env = "LOGSHIP_PATH_SETTINGS", value_name = "DIR")]
    pub settings: Option<PathBuf>,
    /// Go on with a config when it has changed, unless something is wrong with it; SIGHUP asks for that, too
    #[arg(
        short = 'r',
        long = "config.reload.automatic",
        env = "LOGSHIP_CONFIG_RELOAD_AUTOMATIC",
        overrides_with = "no_reload"
    )]
    pub reload: bool,
    /// Not -r, whatever logstash.yml says
    #[arg(long = "no-config.reload.automatic", hide = true)]
    pub no_reload: bool,
    /// How often -r looks [default: 3s]
    #[arg(long = "config.reload.interval", env = "LOGSHIP_CONFIG_RELOAD_INTERVAL", value_name = "DURATION")]
    pub reload_interval: Option<String>,
    /// Check the config, say all that is wrong with it, and end
    #[arg(
        short = 't',
        long = "config.test_and_exit",
        env = "LOGSHIP_CONFIG_TEST_AND_EXIT",
        overrides_with = "no_check"
    )]
    pub check: bool,
    /// Not -t
    #[arg(long = "no-config.test_and_exit", hide = true)]
    pub no_check: bool,
    /// Threads that filter [default: one for each core]
    #[arg(
        short = 'w',
        long = "pipeline.workers",
        env = "LOGSHIP_PIPELINE_WORKERS",
        value_name = "N",
        value_parser = positive
    )]
    pub workers: Option<usize>,
    /// Taken for Logstash's sake: batches are of bytes here
    #[arg(
        short = 'b',
        long = "pipeline.batch.size",
        env = "LOGSHIP_PIPELINE_BATCH_SIZE",
        value_name = "N",
        value_parser = positive,
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
    #[arg(
        long = "pipeline.ordered",
        env = "LOGSHIP_PIPELINE_ORDERED",
        value_name = "auto|true|false",
        value_parser = ["auto", "true", "false"],
        hide = true
    )]
    pub ordered: Option<String>,
    /// The name of the pipeline and of its folder in the data directory, where it keeps what waits [default: main]
    #[arg(long = "pipeline.id", env = "LOGSHIP_PIPELINE_ID", value_name = "NAME")]
    pub id: Option<String>,
    /// Which names fields have: those of the Elastic Common Schema, or Logstash's of old [default: v8]
    #[arg(
        long = "pipeline.ecs_compatibility",
        env = "LOGSHIP_PIPELINE_ECS_COMPATIBILITY",
        value_enum,
        value_name = "MODE"
    )]
    pub ecs: Option<EcsMode>,
    /// Where what is read waits for filters and outputs [default: persisted; memory for configs such as stdin to stdout]
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
    /// What pipelines say of themselves on stderr; LOGSHIP_LOG says it finer [default: warn]
    #[arg(
        long = "log.level",
        env = "LOGSHIP_LOG_LEVEL",
        value_enum,
        value_name = "LEVEL",
        hide_possible_values = true
    )]
    pub log_level: Option<LogLevel>,
    /// Tell over HTTP what the pipelines do [default: true where what is read waits on disk]
    #[arg(
        long = "api.enabled",
        env = "LOGSHIP_API_ENABLED",
        num_args = 0..=1,
        default_missing_value = "true",
        value_name = "BOOL",
        alias = "http.enabled",
        overrides_with = "no_api"
    )]
    pub api: Option<bool>,
    /// As --api.enabled=false
    #[arg(long = "no-api.enabled", hide = true)]
    pub no_api: bool,
    /// Where; for others than this machine it takes a token [default: 127.0.0.1]
    #[arg(long = "api.http.host", alias = "http.host", env = "LOGSHIP_API_HTTP_HOST", value_name = "HOST")]
    pub api_host: Option<String>,
    /// At which port, or the first that is free of these [default: 9600-9700]
    #[arg(long = "api.http.port", alias = "http.port", env = "LOGSHIP_API_HTTP_PORT", value_name = "PORT|FROM-TO")]
    pub api_port: Option<String>,
    /// As --data, for Logstash's sake
    #[arg(long = "path.data", env = "LOGSHIP_PATH_DATA", value_name = "DIR")]
    pub path_data: Option<PathBuf>,
    /// What Logstash said before it had --log.level
    #[arg(long, hide = true)]
    pub verbose: bool,
    /// What Logstash said before it had --log.level
    #[arg(long, hide = true)]
    pub debug: bool,
    /// What means nothing here.
    #[command(flatten)]
    pub taken: taken::Taken,
}

/// A number that is at least one.
fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be 1 at least".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// What pipelines say of themselves, by Logstash's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// As `error`: what is fatal ends the process
    Fatal,
    /// What is lost
    Error,
    /// What is tried again, and what needs somebody
    Warn,
    /// What went well, too
    Info,
    /// Why events failed
    Debug,
    /// Everything
    Trace,
}

impl LogLevel {
    /// Its name here.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Fatal | LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
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

impl EcsMode {
    /// What it means to plugins.
    pub fn mode(self) -> Ecs {
        match self {
            EcsMode::V8 => Ecs::V8,
            EcsMode::V1 => Ecs::V1,
            EcsMode::Disabled => Ecs::Disabled,
        }
    }
}

impl Pipelines {
    /// Whether a pipeline is asked for.
    pub fn is_asked(&self) -> bool {
        self.text.is_some() || self.path.is_some() || self.settings.is_some() || self.check
    }

    /// What pipelines say of themselves, where something is said of it.
    pub fn level(&self) -> Option<LogLevel> {
        let before = match (self.debug, self.verbose) {
            (true, _) => Some(LogLevel::Debug),
            (false, true) => Some(LogLevel::Info),
            (false, false) => None,
        };
        self.log_level.or(before)
    }
}

/// What loads the configs, again and again.
struct Loader<'a> {
    args: &'a Pipelines,
    data: Option<&'a Path>,
    /// For all pipelines of the process, and all that take their place.
    addresses: Arc<Addresses>,
    /// The name of this machine; kept for the life of the process.
    host: &'static str,
}

impl Loader<'_> {
    /// All pipelines, or why there is none. What is wrong with their texts is said where it is not what was `said` last.
    fn load(&self, said: &mut String) -> Result<Vec<Member>, Failure> {
        let specs = settings::specs(self.args)?;
        let (mut members, mut errors, mut text) = (Vec::with_capacity(specs.len()), 0, String::new());
        for spec in specs {
            match self.member(spec, &mut text)? {
                Ok(member) => members.push(member),
                Err(count) => errors += count,
            }
        }
        if text != *said {
            _ = super::say::Stderr.write(text.as_bytes());
            *said = text;
        }
        match errors {
            0 => Ok(members),
            1 => Err(Failure::usage("the config has an error")),
            count => Err(Failure::usage(format!("the config has {count} errors"))),
        }
    }

    /// One pipeline, or how many errors it has; what is wrong with it is appended to `text`.
    fn member(&self, spec: Spec, text: &mut String) -> Result<Result<Member, usize>, Failure> {
        let mut sources = spec.sources.clone();
        let language = Options { support_escapes: spec.support_escapes, variables: &|name| std::env::var(name).ok() };
        let (pipeline, diagnostics) =
            configured::load(&mut sources, &language, &spec.plugins(&self.addresses, self.host));
        for diagnostic in &diagnostics {
            text.push_str(&diagnostic.render(&sources));
            text.push('\n');
        }
        let Some(pipeline) = pipeline else {
            let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
            return Ok(Err(errors.count()));
        };
        let queue = spec.queue(&pipeline, self.args.path_data.as_deref().or(self.data), !self.args.check)?;
        Ok(Ok(Member { pipeline, workers: spec.workers(), queue, fingerprint: spec.fingerprint(), id: spec.id }))
    }
}

/// The name of this machine, once in the life of the process.
fn host() -> &'static str {
    rustix::system::uname().nodename().to_string_lossy().into_owned().leak()
}

/// Runs or checks pipelines.
pub fn run(shared: &Shared, args: &Pipelines) -> Result<(), Failure> {
    let loader = Loader { args, data: shared.data.as_deref(), addresses: Arc::default(), host: host() };
    let General { reloads, interval, api } = settings::general(args)?;
    let mut said = String::new();
    let members = loader
        .load(&mut said)
        .map_err(|failure| Failure { message: format!("{}; nothing was started", failure.message), ..failure })?;
    if args.check {
        say("Configuration OK");
        return Ok(());
    }
    let group = Group::default();
    let (asking, stats) = (group.asking(), group.stats());
    let waits_on_disk = members.iter().any(|member| matches!(member.queue, QueueKind::Log { .. }));
    let page = api.serve(shared, stats.clone(), loader.host, waits_on_disk)?;
    if waits_on_disk {
        // Others come and go too fast.
        super::resident::release_again_and_again().map_err(Failure::failed)?;
    }
    if reloads {
        let asking = asking.clone();
        // Reading the configs is what tells whether they have changed: those that have not are left alone.
        let look = move || loop {
            thread::sleep(interval);
            asking.ask(Request::Reload);
        };
        thread::Builder::new().name("reload".to_owned()).spawn(look).map_err(Failure::failed)?;
    }
    let mut is_asked = false;
    signals::watch_with_hangups(move |signal| match (signal, std::mem::replace(&mut is_asked, is_end(signal))) {
        (signals::Signal::Hangup, _) => asking.ask(Request::Reload),
        (_, false) => {
            asking.ask(Request::Stop);
            // An output that blocks in a system call hears nothing.
            let late = || {
                thread::sleep(STOP_MAX);
                say("an output does not end: what it has not taken is given up");
                std::process::exit(EXIT_LATE);
            };
            if let Err(cause) = thread::Builder::new().name("late".to_owned()).spawn(late) {
                say(cause);
            }
        }
        // The second request ends the process at once.
        (_, true) => std::process::exit(EXIT_AT_ONCE),
    })?;
    let mut wrong: Option<String> = None;
    let outcome = group.run(members, &mut || match loader.load(&mut said) {
        Ok(members) => {
            wrong = None;
            stats.reloaded(None);
            Some(members)
        }
        Err(failure) => {
            // With -r it is read again and again.
            if wrong.as_ref() != Some(&failure.message) {
                say(format!("{}; what runs goes on as it is", failure.message));
            }
            stats.reloaded(Some(failure.message.clone()));
            wrong = Some(failure.message);
            None
        }
    });
    drop(page);
    finish(outcome)
}

fn finish(outcome: std::io::Result<Vec<String>>) -> Result<(), Failure> {
    match outcome {
        Err(cause) if cause.kind() == std::io::ErrorKind::BrokenPipe => is_read(Err(cause)).map(drop),
        Err(cause) => Err(Failure::failed(cause)),
        Ok(failures) if failures.is_empty() => Ok(()),
        Ok(failures) => Err(Failure::failed(failures.join("\nlogship: "))),
    }
}

/// How long the end may take after a request: inputs, then outputs one behind the other have their time.
const STOP_MAX: Duration = Duration::from_secs(12);
/// The exit status of a process that could not end in order.
const EXIT_LATE: i32 = 1;

/// Runs the pipeline of a path with another input than its own, over a log of that name.
pub fn run_with(shared: &Shared, path: &Path, id: &str, source: Box<dyn Source>) -> Result<(), Failure> {
    let args = Pipelines {
        path: Some(path.to_owned()),
        id: Some(id.to_owned()),
        queue: Some(QueueType::Persisted),
        ..Pipelines::default()
    };
    let loader = Loader { args: &args, data: shared.data.as_deref(), addresses: Arc::default(), host: host() };
    let mut members = loader.load(&mut String::new())?;
    let Some(member) = members.first_mut() else { return Ok(()) };
    member.pipeline.feed_events(source);
    finish(Group::default().run(members, &mut || None))
}

fn is_end(signal: signals::Signal) -> bool {
    signal != signals::Signal::Hangup
}

/// The exit status of a process that was asked twice to end.
const EXIT_AT_ONCE: i32 = 130;
