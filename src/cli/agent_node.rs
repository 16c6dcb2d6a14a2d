//! What an agent shows of itself: health, status and metrics on an address of its own, and its status to the server.

use super::{Failure, agent::Options, args::Shared, node::component_json, resident, say::say, settings, sidecar::Page};
use crate::{
    agent::{Agent, AgentError, AgentSettings, Losses, inputs, status, trouble},
    api::{self, Access, Component, Gauge, Health, Node},
    auth::Tokens,
    clock,
    codecs::gate::Rules,
    config::ServerFile,
    event::Timestamp,
    inputs::files::FileStatus,
};
use axum::Router;
use crossbeam_channel::{RecvTimeoutError, Sender};
use serde_json::Value;
use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs as _},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, atomic::Ordering::Relaxed},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

/// How often the server is told.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// What sends a report has run by then.
const REPORT_SENT: Duration = Duration::from_millis(300);
/// The first time, so that a new agent is seen soon.
const REPORT_FIRST: Duration = Duration::from_secs(1);

/// An agent that is shown.
struct Shown {
    agent: RwLock<Agent>,
    name: String,
    started: (Timestamp, Instant),
}

impl Shown {
    fn agent(&self) -> RwLockReadGuard<'_, Agent> {
        self.agent.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node for Shown {
    fn health(&self) -> Health {
        match trouble(&self.agent()) {
            None => Health::Ok,
            Some(_) => Health::Degraded,
        }
    }

    fn trouble(&self) -> Option<String> {
        trouble(&self.agent())
    }

    fn status(&self) -> Value {
        let mut status = status(&self.agent(), &self.name, self.started);
        status["components"] = self.components().iter().map(component_json).collect();
        status
    }

    fn components(&self) -> Vec<Component> {
        let agent = self.agent();
        let mut components: Vec<_> = inputs(&agent)
            .into_iter()
            .map(|input| Component {
                name: input.name,
                received: input.received,
                sent: input.stored,
                dropped: input.dropped.into_iter().collect(),
                queued: input.queued,
            })
            .collect();
        components.extend(sampling(&agent));
        if let Some(ship) = agent.spool().ship_status() {
            let dropped = [("refused", ship.refused), ("oldest", ship.dropped_oldest)];
            let dropped: Vec<_> = dropped
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(why, count)| (why.to_owned(), count))
                .collect();
            let lost: u64 = dropped.iter().map(|(_, count)| count).sum();
            // Records of logs before this one are shipped, too; what waits is known in bytes alone.
            let received = ship.records + lost;
            components.push(Component { name: "ship".to_owned(), received, sent: ship.records, dropped, queued: 0 });
        }
        components
    }

    fn gauges(&self) -> Vec<Gauge> {
        let gauge = |name, help, value: f64| Gauge { name, help, labels: Vec::new(), value };
        let mut gauges =
            vec![gauge("uptime_seconds", "Seconds since the start.", clock::since(self.started.1).as_secs() as f64)];
        let agent = self.agent();
        gauges.extend(spool_gauges(&agent));
        if let Some(ship) = agent.spool().ship_status() {
            gauges.extend([
                gauge("ship_damaged_bytes_total", "Bytes of the spool that were damaged.", ship.bad_bytes as f64),
                gauge("ship_reachable", "Whether the server answered last.", f64::from(u8::from(ship.reachable))),
                gauge("ship_queued_bytes", "Bytes in the spool that no server has.", ship.queued_bytes as f64),
                gauge("ship_bytes_total", "Bytes that the server has durably, before compression.", ship.bytes as f64),
                gauge("ship_wire_bytes_total", "Bytes of request bodies.", ship.wire_bytes as f64),
                gauge("ship_retries_total", "Requests made again.", ship.retries as f64),
                gauge("ship_failovers_total", "Turns to another server.", ship.failovers as f64),
                gauge(
                    "ship_possibly_doubled_total",
                    "Records that two servers may have.",
                    ship.possibly_doubled as f64,
                ),
            ]);
            gauges.extend(
                ship.skew_ms.map(|skew| {
                    gauge("ship_clock_skew_seconds", "The server's clock less ours.", skew as f64 / 1_000.0)
                }),
            );
        }
        let files = agent.files().map(|files| {
            files.status(|status| (status.files.clone(), status.followed, status.counts, status.problems))
        });
        let Some((files, followed, counts, unreadable)) = files else { return gauges };
        gauges.extend([
            gauge("files_followed", "Files that are followed.", followed as f64),
            gauge("files_read_bytes_total", "Bytes read from files.", counts.bytes as f64),
            gauge(
                "files_lost_bytes_total",
                "Bytes that went with a truncated or deleted file.",
                counts.lost_bytes as f64,
            ),
            gauge("files_unreadable", "What the patterns mean and cannot be read.", unreadable as f64),
            gauge("files_truncated_bytes_total", "Bytes cut from overlong lines.", counts.truncated_bytes as f64),
            gauge("files_deleted_total", "Files deleted because all was durable.", counts.deleted as f64),
            gauge("files_replaced_total", "Files that were truncated or written anew.", counts.replaced as f64),
        ]);
        let each = |name, help, value: &dyn Fn(&FileStatus) -> f64| -> Vec<Gauge> {
            let label = |path: &std::path::Path| vec![("path", path.display().to_string())];
            let behind = files.iter().filter(|file| file.lag_bytes > 0);
            behind.map(|file| Gauge { name, help, labels: label(&file.path), value: value(file) }).collect()
        };
        let bytes = each("file_lag_bytes", "Bytes that are not durable, of files that are behind.", &|file| {
            file.lag_bytes as f64
        });
        let seconds = each("file_lag_seconds", "Since when a file is behind.", &|file| file.lag.as_secs_f64());
        gauges.extend(bytes.into_iter().chain(seconds));
        gauges
    }
}

/// What rules left out between the inputs and the spool, where there are any.
fn sampling(agent: &Agent) -> Option<Component> {
    let dropped = agent.spool().gate()?.dropped();
    let sent = agent.spool().counters().records.load(Relaxed);
    let dropped = [("rate_limited", dropped.rate_limit), ("sampled", dropped.sampled)];
    let received = sent + dropped.iter().map(|(_, count)| count).sum::<u64>();
    let dropped = dropped.into_iter().filter(|(_, count)| *count > 0).map(|(why, count)| (why.to_owned(), count));
    Some(Component { name: "sampling".to_owned(), received, sent, dropped: dropped.collect(), queued: 0 })
}

fn spool_gauges(agent: &Agent) -> Vec<Gauge> {
    let spool = agent.spool();
    let gauge = |name, help, labels, value: f64| Gauge { name, help, labels, value };
    let is_full = f64::from(u8::from(spool.trouble().is_some()));
    let failed = spool.counters().failed.load(Relaxed) as f64;
    let mut gauges = vec![
        gauge("spool_full", "Whether the spool or its disk takes nothing more in.", Vec::new(), is_full),
        gauge("spool_bytes_max", "How large the spool may become.", Vec::new(), spool.bytes_max() as f64),
        gauge("spool_failed_appends_total", "Batches that the spool refused; most come again.", Vec::new(), failed),
    ];
    for (rule, count) in spool.gate().map(Rules::redacted).unwrap_or_default() {
        let help = "What redaction replaced, by rule.";
        gauges.push(gauge("redacted_total", help, vec![("rule", rule)], count as f64));
    }
    gauges
}

/// A running agent and who shows it.
pub struct Watched {
    shown: Arc<Shown>,
    page: Option<Page>,
    reporting: (Sender<()>, JoinHandle<()>),
}

/// Shows an agent where the options say, and tells the server of it from time to time.
pub fn serve(agent: Agent, options: &Options, shared: &Shared) -> Result<Watched, Failure> {
    let shown =
        Arc::new(Shown { agent: RwLock::new(agent), name: options.host(), started: (clock::now(), clock::instant()) });
    let page = match options.status_listen.as_str() {
        "none" => None,
        address => page(address, &shown, shared)?,
    };
    let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
    let told = shown.clone();
    let reporting = Builder::new().name("report".into()).spawn(move || {
        let (mut patience, mut losses) = (REPORT_FIRST, Losses::default());
        while stopped.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            // Before and after what makes and sends a report: an idle sidecar falls from 17 MB to under 9. Where the kernel does not
            // do it, it stays as it is.
            let _ = resident::release_program();
            let agent = told.agent();
            losses.tell(&agent, &told.name);
            agent.spool().report(&status(&agent, &told.name, told.started).to_string());
            drop(agent);
            if stopped.recv_timeout(REPORT_SENT) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let _ = resident::release_program();
            patience = REPORT_EVERY - REPORT_SENT;
        }
    });
    let reporting = (stop, reporting.map_err(super::passing::no_thread)?);
    Ok(Watched { shown, page, reporting })
}

/// Serves; nothing where the address is taken, because an agent that cannot be looked at still ships.
fn page(address: &str, shown: &Arc<Shown>, shared: &Shared) -> Result<Option<Page>, Failure> {
    let wrong = |cause: String| {
        Failure::usage(format!(
            "--status-listen {address}: {cause}; expected an address such as 127.0.0.1:7448, or none"
        ))
    };
    let mut addresses = address.to_socket_addrs().map_err(|cause| wrong(cause.to_string()))?;
    let at: SocketAddr = addresses.next().ok_or_else(|| wrong("no such address".to_owned()))?;
    let listener = match TcpListener::bind(at) {
        Ok(listener) => listener,
        Err(cause) => {
            say(format_args!(
                "no status and metrics on {at}: {cause}; choose another with --status-listen ADDR, or none"
            ));
            return Ok(None);
        }
    };
    let bound = listener.local_addr().map_err(Failure::failed)?;
    let data = settings::data_dir(shared).map_err(Failure::failed)?;
    let file = ServerFile { pid: std::process::id(), url: format!("http://{bound}/") };
    if let Err(cause) = data.write_agent(&file) {
        tracing::warn!("cannot write agent.json: {cause}");
    }
    // Who can reach it from elsewhere needs the token that the server wants.
    let tokens = if bound.ip().is_loopback() { Tokens::default() } else { settings::tokens(shared)? };
    let access = Access::new(bound, None, tokens).map_err(Failure::usage)?;
    let routes = api::sidecar_router(shown.clone(), access, Router::new());
    Page::serve(listener, routes).map(Some)
}

impl Watched {
    /// Takes up other settings, as [`Agent::reload`].
    pub fn reload(&self, settings: AgentSettings) -> Result<(), AgentError> {
        self.shown.agent.write().unwrap_or_else(PoisonError::into_inner).reload(settings)
    }

    /// Whether it reads anything besides stdin.
    pub fn has_other_inputs(&self) -> bool {
        self.shown.agent().has_other_inputs()
    }

    /// Ends the showing; the agent goes on.
    pub fn end(self) -> Option<Agent> {
        let Watched { shown, page, reporting } = self;
        drop(reporting.0);
        // A panic has been printed.
        let _ = reporting.1.join();
        if let Some(page) = page {
            page.end();
        }
        let shown = Arc::into_inner(shown)?;
        Some(shown.agent.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
