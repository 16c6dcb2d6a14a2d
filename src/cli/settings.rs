//! From what was typed to what it means: config file, token, sizes, the data directory.

use super::{
    Failure,
    args::{self, Cli, LogFormat, Shared, Templates},
    pipelines::LogLevel,
    say::Stderr,
};
use crate::{
    auth::Tokens,
    config::{DataDir, DataDirError},
    log,
    plan::{self, Plan},
    store,
};
use clap::{FromArgMatches, parser::ValueSource};
use logship_parsers::{
    line::{FORMATS, detect::FormatId},
    query::short_names::suggest,
};
use std::{ffi::OsString, path::PathBuf, time::Duration};

/// Applies the config file below flags and environment. Its keys are the options of every command; those of another command
/// than this one mean nothing here, so that one file serves a whole machine.
pub fn with_config_file(cli: Cli) -> Result<Cli, Failure> {
    let Some(path) = cli.shared.config.clone() else { return Ok(cli) };
    let named = |what: &str| Failure::usage(format!("config file {}: {what}", path.display()));
    let text = std::fs::read_to_string(&path)
        .map_err(|cause| Failure::usage(format!("cannot read the config file {}: {cause}", path.display())))?;
    let table: toml::Table = text.parse().map_err(|cause: toml::de::Error| named(&cause.to_string()))?;
    let command = args::command();
    let matches = command.clone().get_matches();
    let (used, matched) = match matches.subcommand() {
        Some((name, matched)) => (command.find_subcommand(name).unwrap_or(&command), matched),
        None => (&command, &matches),
    };
    let mut line: Vec<OsString> = std::env::args_os().collect();
    // What is behind -- is a program's own.
    let mut at = line.iter().position(|word| word == "--").unwrap_or(line.len());
    for (key, value) in &table {
        let given = words(key, value).ok_or_else(|| {
            named(&format!("`{key}` must be a text, a number, true or false, or a list of texts and numbers"))
        })?;
        let is_key = |argument: &&clap::Arg| argument.get_long() == Some(key);
        let global = command.get_arguments().filter(|argument| argument.is_global_set()).find(is_key);
        let Some(option) = global.or_else(|| used.get_arguments().find(is_key)) else {
            let everywhere =
                || std::iter::once(&command).chain(command.get_subcommands()).flat_map(clap::Command::get_arguments);
            if everywhere().any(|argument| is_key(&argument)) {
                continue;
            }
            let mut known: Vec<_> =
                everywhere().filter(|argument| !argument.is_hide_set()).filter_map(clap::Arg::get_long).collect();
            known.sort_unstable();
            known.dedup();
            return Err(named(&format!("unknown option `{key}`; known are {}", known.join(", "))));
        };
        let source = matched.value_source(option.get_id().as_str());
        if !matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            let count = given.len();
            line.splice(at..at, given);
            at += count;
        }
    }
    let matches = args::command().try_get_matches_from(line).map_err(|error| named(&error.to_string()))?;
    Cli::from_arg_matches(&matches).map_err(|error| named(&error.to_string()))
}

/// The words of a command line that mean the same as a key of the config file; none where nothing does.
fn words(key: &str, value: &toml::Value) -> Option<Vec<OsString>> {
    match value {
        toml::Value::Boolean(false) => Some(Vec::new()),
        toml::Value::Boolean(true) => Some(vec![format!("--{key}").into()]),
        toml::Value::String(text) => Some(vec![format!("--{key}={text}").into()]),
        toml::Value::Integer(number) => Some(vec![format!("--{key}={number}").into()]),
        toml::Value::Array(values) => {
            let each = values.iter().map(|value| (!value.is_array()).then(|| words(key, value)).flatten());
            Some(each.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// Sends logship's own messages to stderr. `LOGSHIP_LOG` chooses what (`debug`, `logship=trace`), else the `level` that a
/// pipeline was given.
pub fn init_diagnostics(shared: &Shared, level: Option<LogLevel>) {
    let default = if shared.quiet { "error" } else { level.map_or("warn", LogLevel::name) };
    let filter = std::env::var("LOGSHIP_LOG").unwrap_or_else(|_| format!("off,logship={default}"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(|| Stderr)
        .with_target(false);
    match shared.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// The data directory, made where it is missing.
pub fn data_dir(shared: &Shared) -> Result<DataDir, DataDirError> {
    DataDir::open(&DataDir::locate(shared.data.as_deref())?)
}

/// Where the data directory is, whether or not it is there.
pub fn data_path(shared: &Shared) -> Result<PathBuf, Failure> {
    DataDir::locate(shared.data.as_deref()).map_err(Failure::usage)
}

/// The tokens of the token file or of `LOGSHIP_TOKEN`; empty only where neither is named, so that nobody who meant to
/// demand a token demands none.
pub fn tokens(shared: &Shared) -> Result<Tokens, Failure> {
    let (source, text) = match (&shared.token_file, std::env::var_os("LOGSHIP_TOKEN")) {
        (Some(path), _) => {
            let source = format!("the token file {}", path.display());
            let text = std::fs::read_to_string(path)
                .map_err(|cause| Failure::usage(format!("cannot read {source}: {cause}")))?;
            (source, text)
        }
        (None, Some(value)) => ("LOGSHIP_TOKEN".to_owned(), value.to_string_lossy().into_owned()),
        (None, None) => return Ok(Tokens::default()),
    };
    let tokens = Tokens::parse(&text).map_err(|cause| Failure::usage(format!("{source}: {cause}")))?;
    if tokens.is_empty() {
        return Err(Failure::usage(format!(
            "{source} holds no token: write one a line (blank lines and lines that begin with # do not count)"
        )));
    }
    Ok(tokens)
}

/// The plan of lines whose format nobody forces.
pub fn auto_plan(shared: &Shared) -> Plan {
    Plan::auto().with_templates(shared.templates == Templates::On)
}

/// The plan, with the format that was forced.
pub fn plan(shared: &Shared, format_name: Option<&str>) -> Result<Plan, Failure> {
    let Some(name) = format_name else { return Ok(auto_plan(shared)) };
    Ok(Plan::forced(format_id(name)?).with_templates(shared.templates == Templates::On))
}

/// The line format of that name.
pub fn format_id(name: &str) -> Result<FormatId, Failure> {
    FormatId::by_name(name).ok_or_else(|| {
        let near = suggest(name, FORMATS.iter().map(|format| format.name));
        let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
        Failure::usage(format!("there is no line format `{name}`{near} (`logship formats` lists all)"))
    })
}

/// The zone of stamps without one: what was asked for, else this machine's.
pub fn zone_name(shared: &Shared) -> Result<Option<String>, Failure> {
    let Some(name) = &shared.timezone else {
        return Ok(jiff::tz::TimeZone::system().iana_name().map(str::to_owned));
    };
    match plan::zone(name) {
        Some(_) => Ok(Some(name.clone())),
        None => Err(Failure::usage(format!(
            "--timezone {name}: no such zone; expected a name such as Europe/Berlin or an offset such as +02:00"
        ))),
    }
}

/// A size such as `50GiB`, in bytes; `never` is none.
pub fn size(option: &str, text: &str) -> Result<Option<u64>, Failure> {
    const UNITS: &[(&str, u64)] = &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    if text == "never" {
        return Ok(None);
    }
    let parsed = UNITS.iter().find_map(|(unit, factor)| {
        let (number, written) = text.split_at_checked(text.len().checked_sub(unit.len())?)?;
        let number: f64 = number.trim().parse().ok().filter(|_| written.eq_ignore_ascii_case(unit))?;
        (number.is_finite() && number >= 0.0).then_some((number * *factor as f64) as u64)
    });
    let hint = || Failure::usage(format!("--{option} {text}: expected a size such as 50GiB or 500MB, or never"));
    parsed.map(Some).ok_or_else(hint)
}

/// An age such as `30d`; `never` is none.
pub fn age(option: &str, text: &str) -> Result<Option<Duration>, Failure> {
    const UNITS: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];
    if text == "never" {
        return Ok(None);
    }
    let parsed = UNITS.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_secs(number.checked_mul(*seconds)?))
    });
    let hint = || Failure::usage(format!("--{option} {text}: expected an age such as 30d or 12h, or never"));
    parsed.map(Some).ok_or_else(hint)
}

/// What the data directory may take, and in which steps it grows and shrinks.
#[derive(Clone, Default)]
pub struct Storage {
    /// The store.
    pub store: store::Options,
    /// The logs that this process writes.
    pub log: log::Options,
}

impl Storage {
    /// What nobody waits for, a full segment, a commit, a seal, a merge, a trim, within a second of a few clients' work: so
    /// that a test can kill a process in the middle of each.
    fn in_small_steps() -> Storage {
        let every = Duration::from_millis;
        let steps = store::Steps {
            soft_every: every(20),
            hard_every: every(60),
            hard_bytes: 64 << 10,
            maintain_every: every(100),
        };
        let log = log::Options { segment_bytes_max: 16 << 10, ..log::Options::default() };
        Storage { store: store::Options { seal_events: 3_000, steps, ..store::Options::default() }, log }
    }
}

/// What the data directory may take.
pub fn storage(shared: &Shared) -> Result<Storage, Failure> {
    let Storage { store, log } = if shared.small_steps { Storage::in_small_steps() } else { Storage::default() };
    let store = store::Options {
        retention_age: age("retention-age", &shared.retention_age)?,
        retention_bytes: size("retention-size", &shared.retention_size)?,
        free_bytes_min: size("free-disk", &shared.free_disk)?.unwrap_or(0),
        ..store
    };
    Ok(Storage { store, log })
}

/// Whether colours are wanted: not with `NO_COLOR` (no-color.org) and not on a dumb terminal.
pub fn colors() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
