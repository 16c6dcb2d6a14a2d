//! What can be said about the way to a server: by an agent, a wrapped program and a pipe that ships.

use super::{Failure, args::Shared, destination::Destination, settings};
use crate::{
    agent::{Spool, SpoolSettings, WhenFull},
    codecs::{
        gate::Rules,
        redact::{Builtin, Redactor},
        sample::Sampling,
    },
    flow::{Intake, Origin},
    log,
    ship::Tls,
};
use clap::{Args, ValueEnum};
use std::{num::NonZeroU32, path::PathBuf, sync::Arc, thread, time::Duration};

/// How often an end that lingers looks whether it still should.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Options of shipping.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of storing and shipping")]
pub struct Shipping {
    /// How much may wait on disk while no server takes it
    #[arg(long, env = "LOGSHIP_SPOOL_SIZE", value_name = "SIZE", default_value = "1GiB")]
    pub spool_size: String,
    /// What happens when that is reached: files wait where they are and pipes lose what is new, or the oldest is given up
    #[arg(long, env = "LOGSHIP_WHEN_FULL", value_enum, default_value = "block")]
    pub when_full: Full,
    /// The authorities that may vouch for the server, a PEM file, instead of the public ones
    #[arg(long, env = "LOGSHIP_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A client certificate, a PEM file, for servers that want one
    #[arg(long, env = "LOGSHIP_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key, a PEM file
    #[arg(long, env = "LOGSHIP_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// What is taken out of lines before they reach the disk: emails, cards, tokens, url-passwords, or all
    #[arg(long, env = "LOGSHIP_REDACT", value_name = "WHAT,..", value_delimiter = ',')]
    pub redact: Vec<String>,
    /// More of that, as a regular expression; repeatable
    #[arg(long, value_name = "REGEX")]
    pub redact_pattern: Vec<String>,
    /// Keep one in so many lines of each stream, and all that report trouble
    #[arg(long, env = "LOGSHIP_SAMPLE", value_name = "N", default_value = "1")]
    pub sample: NonZeroU32,
    /// Keep at most so many lines a second of each stream
    #[arg(long, env = "LOGSHIP_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<NonZeroU32>,
}

/// What happens at the limit of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Full {
    /// Nothing more is taken in.
    Block,
    /// The oldest is given up.
    DropOldest,
}

impl Shipping {
    /// The spool, and the servers that it is shipped to.
    pub fn spool(&self, shared: &Shared) -> Result<SpoolSettings, Failure> {
        let Some(servers) = &shared.server else {
            return Err(Failure::usage(
                "no server to ship to: name one with --server URL, such as http://logs.example:7447",
            ));
        };
        let free_bytes_min = settings::size("free-disk", &shared.free_disk)?.unwrap_or(0);
        let bytes_max = settings::size("spool-size", &self.spool_size)?.unwrap_or(u64::MAX);
        Ok(SpoolSettings {
            data: settings::data_dir(shared).map_err(Failure::failed)?.root().to_owned(),
            servers: servers.split(',').map(|server| server.trim().trim_end_matches('/').to_owned()).collect(),
            token: settings::tokens(shared)?.first().map(str::to_owned),
            tls: Tls { ca: self.ca.clone(), cert: self.cert.clone(), key: self.key.clone() },
            log: log::Options { bytes_max, together: true, free_bytes_min, ..settings::storage(shared)?.log },
            when_full: match self.when_full {
                Full::Block => WhenFull::Block,
                Full::DropOldest => WhenFull::DropOldest,
            },
            gate: self.gate()?.map(Arc::new),
            host: host_name(),
        })
    }

    /// Whether lines pass the same before they reach the disk.
    pub fn has_gate_of(&self, other: &Shipping) -> bool {
        let rules = |of: &Shipping| (of.redact.clone(), of.redact_pattern.clone(), of.sample, of.rate_limit);
        rules(self) == rules(other)
    }

    /// What lines pass before they reach the disk.
    pub fn gate(&self) -> Result<Option<Rules>, Failure> {
        let mut builtins = Vec::new();
        for name in &self.redact {
            match Builtin::from_name(name) {
                Some(builtin) => builtins.push(builtin),
                None if name == "all" => builtins.extend(Builtin::ALL),
                None => {
                    let known: Vec<_> = Builtin::ALL.iter().map(|builtin| builtin.name()).collect();
                    let known = known.join(", ");
                    return Err(Failure::usage(format!("--redact {name}: expected {known}, or all")));
                }
            }
        }
        let own: Vec<_> = self.redact_pattern.iter().map(|pattern| (pattern.clone(), None)).collect();
        let any = !builtins.is_empty() || !own.is_empty();
        let redactor = any.then(|| Redactor::new(&builtins, &own)).transpose().map_err(Failure::usage)?;
        let sampling = Sampling { per_second: self.rate_limit, burst: None, one_in: self.sample };
        Ok(Rules::new(redactor, (sampling != Sampling::default()).then_some(sampling)))
    }

    /// What a server is told besides about the lines of an app: it cannot see this machine or its command line.
    pub fn origin(&self, shared: &Shared, format_name: Option<&str>, origin: Origin) -> Origin {
        if shared.server.is_none() {
            return origin;
        }
        Origin { host: Some(host_name()), format: format_name.map(str::to_owned), ..origin }
    }

    /// The way to the server of what an app prints; none where none is named.
    pub fn destination(&self, shared: &Shared) -> Result<Option<Box<dyn Destination>>, Failure> {
        if shared.server.is_none() {
            return Ok(None);
        }
        let (spool, _) = Spool::open(self.spool(shared)?, false).map_err(Failure::failed)?;
        Ok(Some(Box::new(spool)))
    }
}

/// This machine's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Destination for Spool {
    fn intake(&self) -> Intake {
        Spool::intake(self)
    }

    fn lose(&self, lines: u64) {
        Spool::lose(self, lines);
    }

    fn finish(self: Box<Self>, linger: &dyn Fn() -> bool, patience: Duration) -> Result<(), Failure> {
        while linger() {
            thread::sleep(LOOK_EVERY);
        }
        if !Spool::finish(*self, patience) {
            tracing::warn!(
                "not everything is shipped: the rest waits in the spool for the next logship that ships from it"
            );
        }
        Ok(())
    }
}
