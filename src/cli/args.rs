//! What can be typed. What it means is decided by the commands.

use super::{pipelines, shipping::Shipping};
use crate::outputs::terminal;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::{ffi::OsString, path::PathBuf};

/// Log aggregation in one binary: `app | logship` shows, stores and indexes what the app prints.
#[derive(Clone, Debug, Parser)]
#[command(name = "logship", version, max_term_width = 110, args_conflicts_with_subcommands = false)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub shared: Shared,
    /// Options of `app | logship`.
    #[command(flatten)]
    pub pipe: Pipe,
    /// Options of `logship -e` and `logship -f`.
    #[command(flatten)]
    pub pipelines: pipelines::Pipelines,
    /// The command; none means the pipe.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Options of every command that mean nothing to these, which take them and do not show them.
const UNSHOWN: &[(&str, &[&str])] = &[
    ("dlq", &["timezone", "templates"]),
    ("dlq", SERVER),
    ("formats", &["timezone", "templates"]),
    ("formats", STORE_AND_SERVER),
    ("grok", &["timezone", "templates"]),
    ("grok", STORE_AND_SERVER),
    ("parse", STORE_AND_SERVER),
    ("test", &["timezone", "templates"]),
    ("test", STORE_AND_SERVER),
];
const SERVER: &[&str] =
    &["listen", "server", "token_file", "public_url", "insecure", "retention_age", "retention_size", "free_disk"];
const STORE_AND_SERVER: &[&str] = &[
    "data",
    "listen",
    "server",
    "token_file",
    "public_url",
    "insecure",
    "retention_age",
    "retention_size",
    "free_disk",
];

/// All that can be typed.
pub fn command() -> clap::Command {
    // As in Logstash, of options of pipelines that come again the last counts.
    let last_counts = |argument: clap::Arg| match argument.get_action() {
        ArgAction::Set | ArgAction::SetTrue if argument.get_help_heading() == Some(pipelines::HEADING) => {
            let id = argument.get_id().clone();
            argument.overrides_with(id)
        }
        _ => argument,
    };
    UNSHOWN.iter().fold(Cli::command().mut_args(last_counts), |whole, (name, unshown)| {
        let is_unshown = |argument: &&clap::Arg| unshown.contains(&argument.get_id().as_str());
        let hidden: Vec<_> =
            whole.get_arguments().filter(is_unshown).map(|argument| argument.clone().hide(true)).collect();
        whole.mut_subcommand(name, |command| command.args(hidden))
    })
}

/// What was typed. Ends the process where that is wrong or help.
pub fn parsed() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Shared {
    /// Where logs and the store are [default: $XDG_STATE_HOME/logship, ~/.local/state/logship, /var/lib/logship]
    #[arg(long, global = true, env = "LOGSHIP_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The address that the page and the API listen on
    #[arg(long, global = true, env = "LOGSHIP_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7447")]
    pub listen: String,
    /// The server that lines are shipped to and that search and tail ask, such as http://logs.example:7447; search and tail
    /// ask the one that uses --data without it. An agent takes several, with commas between, and ships to the first that answers
    #[arg(long, global = true, env = "LOGSHIP_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// A file of tokens, one a line: a server takes each of them, search and tail send the first; LOGSHIP_TOKEN holds them itself
    #[arg(long, global = true, env = "LOGSHIP_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The name under which browsers reach the page, such as https://logs.example
    #[arg(long, global = true, env = "LOGSHIP_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// Serve an address beyond this machine without a token
    #[arg(long, global = true, env = "LOGSHIP_INSECURE")]
    pub insecure: bool,
    /// A TOML file; its keys are the names of these options
    #[arg(long, global = true, env = "LOGSHIP_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The time zone of stamps that name none: Europe/Berlin, +02:00 [default: this machine's]
    #[arg(long, global = true, env = "LOGSHIP_TZ", value_name = "ZONE", allow_hyphen_values = true)]
    pub timezone: Option<String>,
    /// Give events the id of their message's template; parse adds its text, or prints a table of them (count)
    #[arg(
        long,
        global = true,
        env = "LOGSHIP_TEMPLATES",
        value_enum,
        default_value = "off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    pub templates: Templates,
    /// How logship's own messages look
    #[arg(long, alias = "log.format", global = true, env = "LOGSHIP_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
    /// No messages but errors
    #[arg(long, short, global = true, env = "LOGSHIP_QUIET")]
    pub quiet: bool,
    /// Events older than this, by arrival, are dropped: 30d, 12h, never
    #[arg(long, global = true, env = "LOGSHIP_RETENTION_AGE", value_name = "AGE", default_value = "30d")]
    pub retention_age: String,
    /// The store may grow to this size, then its oldest days are dropped: 50GiB, never
    #[arg(long, global = true, env = "LOGSHIP_RETENTION_SIZE", value_name = "SIZE", default_value = "50GiB")]
    pub retention_size: String,
    /// This much of the disk stays free: oldest days are dropped first, then nothing more is taken in
    #[arg(long, global = true, env = "LOGSHIP_FREE_DISK", value_name = "SIZE", default_value = "512MiB")]
    pub free_disk: String,
    /// Commits, seals, merges and trims come within a second: for tests that kill it in the middle of one. A flag alone, so
    /// that no environment sets it by accident
    #[arg(long, global = true, hide = true)]
    pub small_steps: bool,
}

/// How logship's own messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[value(alias = "plain")]
    Text,
    /// One JSON object a line.
    Json,
}

/// What becomes of message templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Templates {
    /// Nothing.
    Off,
    /// Events have `log.template.id`.
    On,
    /// `parse` prints how often each template came, instead of events.
    Count,
}

/// Options of `app | logship`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of `app | logship`")]
pub struct Pipe {
    /// What stdout shows [default: pretty on a terminal, raw else]
    #[arg(long, env = "LOGSHIP_FORMAT", value_enum)]
    pub format: Option<terminal::Format>,
    /// Keep the page up after the input has ended
    #[arg(long, env = "LOGSHIP_SERVE")]
    pub serve: bool,
    /// The service name of lines that name none
    #[arg(long, env = "LOGSHIP_SERVICE", value_name = "NAME")]
    pub service: Option<String>,
    /// The format of all lines instead of finding out, such as json (`logship formats` lists them); others are plain text
    #[arg(long = "as", env = "LOGSHIP_AS", value_name = "NAME")]
    pub format_name: Option<String>,
    /// With --server, lines are shipped instead of stored here.
    #[command(flatten)]
    pub shipping: Shipping,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Take logs over HTTP, store them, serve the page and the API
    Server(Server),
    /// Follow files and ship what they say to a server
    Agent(Box<super::agent::Options>),
    /// Run a program, pass on what it prints, and store it; fit to be PID 1 of a container
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Say how a server or an agent is; fails unless all is well
    Status(super::status::Options),
    /// Search stored events and print them, oldest first
    Search(Search),
    /// Print events as they arrive
    Tail(Tail),
    /// Look at what the outputs of pipelines were refused, send it again, or forget it
    Dlq(super::dlq::Dlq),
    /// Parse lines and print them as JSON, without storing anything
    Parse(Parse),
    /// Show what a grok pattern takes from each line of stdin, and where it fails; or make a pattern of them
    Grok(super::grok::Options),
    /// Run cases against a pipeline: events that go in, events that come out; fails where one differs
    Test(super::test::Options),
    /// List the line formats that are known, each with an example
    Formats(Formats),
    /// Serve the page over a temporary store, fed by made-up services
    Demo(Demo),
}

/// `logship server`
#[derive(Clone, Debug, Args)]
pub struct Server {}

/// `logship run`
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// What stdout and stderr show of the program's [default: raw, the bytes as they come]
    #[arg(long, env = "LOGSHIP_FORMAT", value_enum)]
    pub format: Option<terminal::Format>,
    /// The service name of lines that name none [default: the file name of CMD]
    #[arg(long, env = "LOGSHIP_SERVICE", value_name = "NAME")]
    pub service: Option<String>,
    /// The format of all lines instead of finding out, such as json (`logship formats` lists them); others are plain text
    #[arg(long = "as", env = "LOGSHIP_AS", value_name = "NAME")]
    pub format_name: Option<String>,
    /// How long the end may take once the program has ended, such as 5s; its last lines are stored first
    #[arg(long, env = "LOGSHIP_DRAIN", value_name = "DURATION", default_value = "5s")]
    pub drain: String,
    /// With --server, lines are shipped instead of stored here.
    #[command(flatten)]
    pub shipping: Shipping,
    /// The program and its arguments, behind --
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// What `logship run --help` says below the options.
const RUN_HELP: &str = "\
Exit code: the program's own. Where a signal ended it, the same signal ends logship,
and as PID 1 it is 128 + the signal's number. 127: there is no such program, 126: it
cannot be run, 2: an option is wrong; then nothing was started.

Signals: TERM INT HUP QUIT USR1 USR2 WINCH CONT are sent on to the program; Ctrl-C on
a terminal reaches it once. As PID 1, logship reaps all orphans.

The program comes first: if nothing can be stored, its output still passes, its exit
code is kept, and logship says on stderr how many lines were not stored.";

/// What events look like in the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One aligned line for people
    Text,
    /// One JSON object an event
    Json,
    /// The message alone
    Raw,
    /// Comma-separated values with a header
    Csv,
}

/// How events are printed.
#[derive(Clone, Debug, Args)]
pub struct Print {
    /// What events look like
    #[arg(long, short, value_enum, default_value = "text")]
    pub output: Output,
    /// The columns of csv
    #[arg(
        long,
        value_name = "NAME,..",
        value_delimiter = ',',
        default_value = "@timestamp,log.level,service.name,message"
    )]
    pub fields: Vec<String>,
}

/// `logship search`
#[derive(Clone, Debug, Args)]
pub struct Search {
    /// The query, such as: level:error timeout; one that begins with - stands behind --
    #[arg(value_name = "QUERY", num_args = 0..)]
    pub query: Vec<String>,
    /// Events at or after: 1h, 2026-01-02, 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Events before
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// The newest N events
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, allow_negative_numbers = true)]
    pub limit: u64,
    /// Print only the number of matches
    #[arg(long, short)]
    pub count: bool,
    /// What is printed.
    #[command(flatten)]
    pub print: Print,
}

/// `logship tail`
#[derive(Clone, Debug, Args)]
pub struct Tail {
    /// The query, such as: level:error timeout; one that begins with - stands behind --
    #[arg(value_name = "QUERY", num_args = 0..)]
    pub query: Vec<String>,
    /// What is printed.
    #[command(flatten)]
    pub print: Print,
}

/// `logship parse`
#[derive(Clone, Debug, Args)]
pub struct Parse {
    /// Files to parse, gzip and zstd too; none or - means stdin
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Show for each event its format, its fields with the bytes they were read from, and why other formats do not match
    #[arg(long)]
    pub explain: bool,
    /// The format of all lines instead of finding out, such as json (`logship formats` lists them); others are plain text
    #[arg(long = "as", value_name = "NAME")]
    pub format_name: Option<String>,
}

/// `logship formats`
#[derive(Clone, Debug, Args)]
pub struct Formats {
    /// Only these formats
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// `logship demo`
#[derive(Clone, Debug, Args)]
pub struct Demo {
    /// Events a second
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    pub rate: u32,
}
