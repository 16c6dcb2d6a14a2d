//! `logship agent`: follows files and ships what they say to a server.

use super::{
    Failure,
    args::Shared,
    say::say,
    settings,
    shipping::{Shipping, host_name},
    signals,
};
use crate::{
    agent::{Agent, AgentSettings},
    flow::Origin,
    inputs::files,
};
use clap::{Args, ValueEnum};
use std::time::Duration;

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
    /// How long a stop goes on shipping; the rest is shipped after the next start
    #[arg(long, env = "LOGSHIP_DRAIN", value_name = "TIME", default_value = "5s")]
    pub drain: String,
    /// Where lines go.
    #[command(flatten)]
    pub shipping: Shipping,
}

/// Where a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// At its first line.
    Beginning,
    /// At what is written from now on.
    End,
}

pub fn run(shared: &Shared, options: &Options) -> Result<(), Failure> {
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
    let settings = AgentSettings { spool: options.shipping.spool(shared)?, files: files(shared, options)? };
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

fn files(shared: &Shared, options: &Options) -> Result<files::Settings, Failure> {
    let format = options.format_name.as_deref().map(settings::format_id).transpose()?;
    let origin = Origin {
        host: options.host.clone().or_else(|| Some(host_name())),
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
