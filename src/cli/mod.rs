//! The command line: one file a command. Parses what was typed, runs it, and turns the outcome into an exit code: 0 done,
//! 1 failed, 2 wrong usage, config or query; `run` has those of its program.

mod agent;
mod agent_node;
mod args;
mod client;
mod demo;
mod destination;
mod dlq;
mod explain;
mod formats;
mod grok;
mod ingest_log;
mod node;
mod parse;
mod passing;
mod pipe;
mod pipelines;
mod print;
mod resident;
mod rows;
mod run;
mod say;
mod search;
mod server;
mod serving;
mod settings;
mod shipping;
mod sidecar;
mod signals;
mod status;
mod tail;
mod templates;
mod test;
mod times;

use args::Command;
use std::{io, os::unix::fs::FileTypeExt, process::ExitCode};

/// A command's failure: the message for stderr and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// What happened, where, and what to do.
    message: String,
    /// 1 failed, 2 wrong usage, config or query; 126 and 127 of a program that cannot be run.
    code: u8,
}

impl Failure {
    /// Something failed that was asked for rightly.
    fn failed(message: impl ToString) -> Failure {
        Failure { message: message.to_string(), code: 1 }
    }

    /// What was asked for is wrong.
    fn usage(message: impl ToString) -> Failure {
        Failure { message: message.to_string(), code: 2 }
    }
}

/// Whether somebody still reads stdout, given how writing to it went; any other reason why it cannot be written is a failure.
fn is_read(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(Failure::failed(format!("cannot write to stdout: {cause}"))),
    }
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match settings::with_config_file(args::parsed()) {
        Ok(cli) => cli,
        Err(failure) => return report(&failure),
    };
    settings::init_diagnostics(&cli.shared, cli.pipelines.level());
    if cli.shared.templates == args::Templates::Count && !matches!(cli.command, Some(Command::Parse(_))) {
        return report(&Failure::usage("--templates=count is for parse: here it is on or off"));
    }
    let outcome = match cli.command {
        Some(Command::Run(args)) => {
            return run::run(&cli.shared, &cli.pipe, &args).unwrap_or_else(|failure| report(&failure));
        }
        Some(Command::Server(_)) => server::run(&cli.shared),
        Some(Command::Agent(options)) => agent::run(&cli.shared, &options),
        Some(Command::Status(options)) => status::run(&cli.shared, &options),
        Some(Command::Search(args)) => search::run(&cli.shared, &args),
        Some(Command::Tail(args)) => tail::run(&cli.shared, &args),
        Some(Command::Dlq(args)) => dlq::run(&cli.shared, &args),
        Some(Command::Parse(args)) => parse::run(&cli.shared, &args),
        Some(Command::Grok(options)) => grok::run(&options),
        Some(Command::Test(options)) => test::run(&cli.pipelines, &options),
        Some(Command::Formats(args)) => formats::run(&args),
        Some(Command::Demo(args)) => demo::run(&cli.shared, &args),
        None if cli.pipelines.is_asked() => pipelines::run(&cli.shared, &cli.pipelines),
        None if stdin_is_fed() => pipe::run(&cli.shared, &cli.pipe),
        None => {
            // Above the message, which stays in sight.
            eprintln!("{}", args::command().render_help());
            Err(Failure::usage("nothing to read on stdin: pipe lines into it (app | logship), or name a command"))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

fn report(failure: &Failure) -> ExitCode {
    if !failure.message.is_empty() {
        say::say(&failure.message);
    }
    ExitCode::from(failure.code)
}

/// Whether stdin is a pipe, a socket or a file, rather than a terminal or `/dev/null`.
fn stdin_is_fed() -> bool {
    std::fs::metadata("/dev/stdin").is_ok_and(|stdin| {
        let kind = stdin.file_type();
        kind.is_fifo() || kind.is_socket() || kind.is_file()
    })
}
