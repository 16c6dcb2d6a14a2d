//! `logship agent`: follows files and ships what they say to a server; so it does with stdin, containers and sockets.

use super::{
    Failure,
    agent_node::{self, Watched},
    args::{self, Shared},
    say::say,
    settings,
    shipping::{Shipping, host_name},
    signals::{self, Signal},
};
use crate::{
    agent::{Agent, AgentSettings, Finished, SourcesSettings, SpoolSettings, Stdin},
    codecs::{first_line::FirstLines, gate::Rules},
    flow::Origin,
    inputs::{
        address::Address,
        containers::{
            AnyOf, Describe,
            docker::{Docker, DockerOptions},
            kubernetes::{Kubernetes, KubernetesOptions},
        },
        files::{self, transcode::Encoding},
    },
    ship::without_password,
};
use clap::{Args, ValueEnum};
use crossbeam_channel::{Receiver, after, never, select};
use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

/// So long after SIGTERM stdin is read on, where it does not end.
const TERMINATE_WAIT: Duration = Duration::from_secs(4);

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
    /// Rotated and compressed files are deleted when all of them is durable and they were not written for so long: 1h, never
    #[arg(long, env = "LOGSHIP_DELETE_AFTER", value_name = "AGE", default_value = "never")]
    pub delete_after: String,
    /// How the text of files without a byte order mark is written, such as utf-16le or windows-1252
    #[arg(long, env = "LOGSHIP_ENCODING", value_name = "NAME", default_value = "utf-8")]
    pub encoding: String,
    /// Read stdin: app | logship agent --stdin; its end ends the agent where that reads nothing else
    #[arg(long, env = "LOGSHIP_STDIN")]
    pub stdin: bool,
    /// The service name of lines that name none
    #[arg(long, env = "LOGSHIP_SERVICE", value_name = "NAME")]
    pub service: Option<String>,
    /// The host name of lines that name none [default: this machine's]
    #[arg(long, env = "LOGSHIP_HOST", value_name = "NAME")]
    pub host: Option<String>,
    /// The format of all lines instead of finding out, such as json (`logship formats` lists them)
    #[arg(long = "as", env = "LOGSHIP_AS", value_name = "NAME")]
    pub format_name: Option<String>,
    /// Take syslog in at udp://HOST:PORT, tcp://HOST:PORT, unix:///PATH or unixgram:///dev/log; repeatable
    #[arg(long, env = "LOGSHIP_SYSLOG", value_name = "ADDR", value_delimiter = ',')]
    pub syslog: Vec<Address>,
    /// Take Fluent's forward protocol in, as Docker's fluentd driver and Fluent Bit speak it; repeatable
    #[arg(long, env = "LOGSHIP_FORWARD", value_name = "ADDR", value_delimiter = ',')]
    pub forward: Vec<Address>,
    /// Take GELF in; repeatable
    #[arg(long, env = "LOGSHIP_GELF", value_name = "ADDR", value_delimiter = ',')]
    pub gelf: Vec<Address>,
    /// Take OpenTelemetry's logs in over HTTP, such as tcp://127.0.0.1:4318; repeatable
    #[arg(long, env = "LOGSHIP_OTLP", value_name = "ADDR", value_delimiter = ',')]
    pub otlp: Vec<Address>,
    /// Read containers whose logs are no files from their engine, and ask it for names and labels
    #[arg(
        long,
        env = "LOGSHIP_DOCKER",
        value_name = "SOCKET",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "/var/run/docker.sock"
    )]
    pub docker: Option<PathBuf>,
    /// Of containers, read only those with the label logship.include=true or the annotation logship.io/include: "true"
    #[arg(long, env = "LOGSHIP_ONLY_INCLUDED")]
    pub only_included: bool,
    /// Read systemd's journal
    #[arg(long, env = "LOGSHIP_JOURNALD")]
    pub journald: bool,
    /// Where status and metrics of this agent are served: an address, or none
    #[arg(long, env = "LOGSHIP_STATUS_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:7448")]
    pub status_listen: String,
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
    let (send, signals) = queues();
    signals::watch_with_hangups(send)?;
    let drain = settings::age("drain", &options.drain)?.unwrap_or(Duration::MAX);
    let settings = options.settings(shared)?;
    let mut in_use = (options.clone(), settings.spool.gate.clone());
    let servers: Vec<_> = settings.spool.servers.iter().map(|url| without_password(url)).collect();
    let servers = servers.join(", ");
    let agent = Agent::start(settings).map_err(Failure::failed)?;
    if !shared.quiet {
        let read = match &*options.files {
            [] if options.stdin => "reads stdin and ".to_owned(),
            [] => String::new(),
            files => format!("follows {} and ", files.join(", ")),
        };
        say(format_args!("{read}ships to {servers}"));
    }
    let stdin = agent.stdin().map(Stdin::ended);
    let watched = agent_node::serve(agent, options, shared)?;
    wait_for_end(&signals, stdin, &|| watched.has_other_inputs(), || match reload(&watched, &mut in_use) {
        Ok(()) if shared.quiet => {}
        Ok(()) => say("settings are read again"),
        Err(failure) => say(format_args!("settings stay as they are: {}", failure.message)),
    });
    let Some(Finished { shipped, lost }) = watched.end().map(|agent| agent.finish(drain)) else { return Ok(()) };
    if !shipped {
        tracing::warn!("not everything is shipped: the rest waits in the spool for the next start");
    }
    lost.map_or(Ok(()), |lost| Err(Failure::failed(lost)))
}

/// What was asked for by signals.
struct Signals {
    ends: Receiver<Signal>,
    hangups: Receiver<Signal>,
}

/// Signals on their way. A full queue means that enough was asked for already: one hangup that waits reads what all others
/// that came until then could have.
fn queues() -> (impl FnMut(Signal) + Send + 'static, Signals) {
    let ((end, ends), (hangup, hangups)) = (crossbeam_channel::bounded(8), crossbeam_channel::bounded(1));
    let send = move |signal| {
        let _ = if signal == Signal::Hangup { hangup.try_send(signal) } else { end.try_send(signal) };
    };
    (send, Signals { ends, hangups })
}

/// Waits until the agent is asked to end, or has nothing to read any more. `stdin` breaks off at its end.
fn wait_for_end(
    signals: &Signals,
    stdin: Option<Receiver<Infallible>>,
    has_other_inputs: &dyn Fn() -> bool,
    mut reload: impl FnMut(),
) {
    let (mut stdin, mut reading) = (stdin.clone().unwrap_or_else(never), stdin);
    loop {
        select! {
            recv(signals.ends) -> signal => match signal {
                Ok(signal) => return reading.into_iter().for_each(|stdin| read_rest(signal, &signals.ends, &stdin)),
                // The sender lives as long as the process.
                Err(_) => return,
            },
            recv(signals.hangups) -> _ => reload(),
            recv(stdin) -> _ => {
                if !has_other_inputs() {
                    return;
                }
                (stdin, reading) = (never(), None);
            }
        }
    }
}

/// Whoever prints into the pipe was asked to end, too: its last lines are read, until it ends or the next signal, and after
/// SIGTERM for a while.
fn read_rest(signal: Signal, signals: &Receiver<Signal>, stdin: &Receiver<Infallible>) {
    let late = if signal == Signal::Terminate { after(TERMINATE_WAIT) } else { never() };
    select! {
        recv(stdin) -> _ => {}
        recv(signals) -> _ => {}
        recv(late) -> _ => {}
    }
}

/// Reads the config file and the files that options name again. `in_use` are the options and the rules before lines reach
/// the disk.
fn reload(watched: &Watched, in_use: &mut (Options, Option<Arc<Rules>>)) -> Result<(), Failure> {
    let cli = settings::with_config_file(args::parsed())?;
    let Some(args::Command::Agent(options)) = cli.command else { return Ok(()) };
    let mut settings = options.settings(&cli.shared)?;
    if options.shipping.has_gate_of(&in_use.0.shipping) {
        settings.spool.gate.clone_from(&in_use.1);
    }
    let gate = settings.spool.gate.clone();
    watched.reload(settings).map_err(Failure::failed)?;
    *in_use = (*options, gate);
    Ok(())
}

fn sources(shared: &Shared, options: &Options) -> Result<SourcesSettings, Failure> {
    let journal = match options.journald {
        true => Some(settings::data_dir(shared).map_err(Failure::failed)?.root().join("journal.cursor")),
        false => None,
    };
    Ok(SourcesSettings {
        syslog: options.syslog.clone(),
        forward: options.forward.clone(),
        gelf: options.gelf.clone(),
        otlp: options.otlp.clone(),
        engine: options.docker.clone(),
        only_included: options.only_included,
        journal,
        host: Some(options.host()),
        zone: settings::zone_name(shared)?,
    })
}

impl Options {
    fn settings(&self, shared: &Shared) -> Result<AgentSettings, Failure> {
        let sources = sources(shared, self)?;
        if self.files.is_empty() && sources.is_empty() && !self.stdin {
            return Err(Failure::usage(
                "nothing to ship: name files with --files PATTERN, such as --files '/var/log/*.log', or another input \
                 (--stdin, --syslog, --forward, --gelf, --otlp, --docker, --journald)",
            ));
        }
        let stdin = self.stdin.then(|| self.origin(shared)).transpose()?.map(|origin| Origin {
            source: format!("stdin:{}", std::process::id()),
            input: "stdin".to_owned(),
            ..origin
        });
        let spool = SpoolSettings { host: self.host(), ..self.shipping.spool(shared)? };
        Ok(AgentSettings { spool, files: files(shared, self)?, sources, stdin })
    }

    /// What is said of the lines of files and of stdin.
    fn origin(&self, shared: &Shared) -> Result<Origin, Failure> {
        let format = self.format_name.as_deref().map(settings::format_id).transpose()?;
        Ok(Origin {
            host: Some(self.host()),
            service: self.service.clone(),
            zone: settings::zone_name(shared)?,
            format: format.map(|format| format.format().name.to_owned()),
            ..Origin::default()
        })
    }

    /// The name of this machine.
    pub fn host(&self) -> String {
        self.host.clone().unwrap_or_else(host_name)
    }

    /// Who tells of containers by the paths of their logs: files beside them, their names, and the APIs where they are.
    fn containers(&self) -> Result<AnyOf, Failure> {
        let only_included = self.only_included;
        let docker = Docker::start(&DockerOptions { socket: self.docker.clone(), only_included });
        let kubernetes = Kubernetes::start(&KubernetesOptions { only_included, ..KubernetesOptions::from_env() });
        let docker: Arc<dyn Describe> = Arc::new(docker.map_err(super::passing::no_thread)?);
        let kubernetes: Arc<dyn Describe> = Arc::new(kubernetes.map_err(super::passing::no_thread)?);
        Ok(AnyOf(vec![docker, kubernetes]))
    }
}

fn files(shared: &Shared, options: &Options) -> Result<files::Settings, Failure> {
    Ok(files::Settings {
        files: options.files.clone(),
        exclude: options.exclude.clone(),
        from_end: options.from == From::End,
        ignore_older: settings::age("ignore-older", &options.ignore_older)?,
        delete_after: settings::age("delete-after", &options.delete_after)?,
        encoding: Encoding::parse(&options.encoding).map_err(|cause| Failure::usage(format!("--encoding: {cause}")))?,
        alone: None,
        polling: false,
        origin: options.origin(shared)?,
        containers: options.containers()?,
        first_lines: FirstLines::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangups_that_come_while_settings_are_read_are_one() {
        let (mut send, signals) = queues();
        (0..8).for_each(|_| send(Signal::Hangup));
        let mut reloads = 0;
        wait_for_end(&signals, None, &|| true, || {
            reloads += 1;
            let next = if reloads == 1 { Signal::Hangup } else { Signal::Terminate };
            (0..20).for_each(|_| send(next));
        });
        assert_eq!(reloads, 2);
    }
}
