//! `logship agent`: follows files and ships what they say to a server.

use super::{Failure, args::Shared, say::say, settings, signals};
use crate::{
    agent::{Agent, AgentSettings, SpoolSettings, WhenFull},
    flow::Origin,
    inputs::files,
    log,
    ship::Tls,
};
use clap::{Args, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// `logship agent`
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Files to follow, such as /var/log/*.log or /srv/**/app.log; a folder means all files below it; repeatable
    #[arg(long, env = "LOGSHIP_FILES", value_name = "PATTERN", value_delimiter = ':')]
    pub files: Vec<String>,
    /// Files and folders that are not followed, such as *.gz; repeatable
    #[arg(long, env = "LOGSHIP_EXCLUDE", value_name = "PATTERN", value_delimiter = ':')]
    pub exclude: Vec<String>,
    /// Where files begin that are there at the first start; known and new ones lose nothing either way
    #[arg(long, env = "LOGSHIP_FROM", value_enum, default_value = "beginning")]
    pub from: From,
    /// Files that were not written for so long are not begun: 7d, never
    #[arg(long, env = "LOGSHIP_IGNORE_OLDER", value_name = "AGE", default_value = "never")]
    pub ignore_older: String,
    /// The service name of lines that name none
    #[arg(long, env = "LOGSHIP_SERVICE", value_name = "NAME")]
    pub service: Option<String>,
    /// The host name of lines that name none [default: this machine's]
    #[arg(long, env = "LOGSHIP_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// The format of all lines instead of finding out, such as json (`logship formats` lists them)
    #[arg(long = "as", env = "LOGSHIP_AS", value_name = "NAME")]
    pub format_name: Option<String>,
    /// How much may wait on disk while no server takes it
    #[arg(long, env = "LOGSHIP_SPOOL_SIZE", value_name = "SIZE", default_value = "1GiB")]
    pub spool_size: String,
    /// What happens when that is reached: files wait where they are, or the oldest that is not shipped is given up
    #[arg(long, env = "LOGSHIP_WHEN_FULL", value_enum, default_value = "block")]
    pub when_full: Full,
    /// How long a stop goes on shipping; the rest is shipped after the next start
    #[arg(long, env = "LOGSHIP_DRAIN", value_name = "TIME", default_value = "5s")]
    pub drain: String,
    /// The authorities that may vouch for the server, a PEM file, instead of the public ones
    #[arg(long, env = "LOGSHIP_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A client certificate, a PEM file, for servers that want one
    #[arg(long, env = "LOGSHIP_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key, a PEM file
    #[arg(long, env = "LOGSHIP_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
}

/// Where a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At its first line.
    Beginning,
    /// At what is written from now on.
    End,
}

/// What happens at the limit of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Full {
    /// Nothing more is read.
    Block,
    /// The oldest is given up.
    DropOldest,
}

pub fn run(shared: &Shared, options: &Options) -> Result<(), Failure> {
    signals::outlive_terminal()?;
    let (sender, signals) = crossbeam_channel::bounded(8);
    // A full queue means that the end was asked for already.
    signals::watch(move |signal| {
        let _ = sender.try_send(signal);
    })?;
    if options.files.is_empty() {
        return Err(Failure::usage(
            "nothing to follow: name files with --files PATTERN, such as --files '/var/log/*.log'",
        ));
    }
    let drain = settings::age("drain", &options.drain)?.unwrap_or(Duration::MAX);
    let settings = AgentSettings { spool: spool(shared, options)?, files: files(shared, options)? };
    let servers = settings.spool.servers.join(", ");
    let agent = Agent::start(settings).map_err(Failure::failed)?;
    if !shared.quiet {
        say(&format!("follows {} and ships to {servers}", options.files.join(", ")));
    }
    // The sender lives as long as the process.
    let _ = signals.recv();
    if !agent.finish(drain) {
        tracing::warn!("not everything is shipped: the rest waits in the spool for the next start");
    }
    Ok(())
}

fn spool(shared: &Shared, options: &Options) -> Result<SpoolSettings, Failure> {
    let Some(servers) = &shared.server else {
        return Err(Failure::usage(
            "no server to ship to: name one with --server URL, such as http://logs.example:7447",
        ));
    };
    let bytes_max = settings::size("spool-size", &options.spool_size)?.unwrap_or(u64::MAX);
    Ok(SpoolSettings {
        data: settings::data_dir(shared).map_err(Failure::failed)?.root().to_owned(),
        servers: servers.split(',').map(|server| server.trim().trim_end_matches('/').to_owned()).collect(),
        token: settings::tokens(shared)?.first().map(str::to_owned),
        tls: Tls { ca: options.ca.clone(), cert: options.cert.clone(), key: options.key.clone() },
        log: log::Options { bytes_max, ..settings::storage(shared)?.log },
        when_full: match options.when_full {
            Full::Block => WhenFull::Block,
            Full::DropOldest => WhenFull::DropOldest,
        },
    })
}

fn files(shared: &Shared, options: &Options) -> Result<files::Settings, Failure> {
    let format = options.format_name.as_deref().map(settings::format_id).transpose()?;
    let host = || Some(rustix::system::uname().nodename().to_string_lossy().into_owned());
    let origin = Origin {
        host: options.host.clone().or_else(host),
        service: options.service.clone(),
        zone: settings::zone_name(shared)?,
        format: format.map(|format| format.format().name.to_owned()),
        ..Origin::default()
    };
    Ok(files::Settings {
        files: options.files.clone(),
        exclude: options.exclude.clone(),
        from_end: options.from == From::End,
        ignore_older: settings::age("ignore-older", &options.ignore_older)?,
        origin,
    })
}
