//! What the pipelines of this process do, over HTTP: health, status and metrics as of an agent, and what monitors of Logstash
//! ask for.
//!
//! It is there for those who look, and no pipeline depends on it: where it cannot listen, that is said, and they run.

use super::super::{Failure, args::Shared, node::component_json, settings, sidecar::Page};
use crate::{
    api::{self, Access, Component, Gauge, Health, Node},
    clock,
    pipeline::configured::stats::{OutputStats, PipelineStats, Stats},
};
use serde_json::{Map, Value, json};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
    ops::RangeInclusive,
    sync::{Arc, atomic::Ordering},
};

/// The ports of which the first that is free is taken where nothing is said, as in Logstash.
const PORTS: RangeInclusive<u16> = 9600..=9700;

/// Whether and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Api {
    /// `None`: where what is read waits on disk. Others come and go too fast to be looked at.
    pub(super) is_enabled: Option<bool>,
    /// A name or an address.
    pub(super) host: String,
    /// The first that is free.
    pub(super) ports: RangeInclusive<u16>,
}

impl Default for Api {
    fn default() -> Api {
        Api { is_enabled: None, host: Ipv4Addr::LOCALHOST.to_string(), ports: PORTS }
    }
}

/// `9600` or `9600-9700`.
pub(super) fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some(first..=last)
}

impl Api {
    /// Serves it, where it is wanted and can be, as long as the page is kept.
    pub(super) fn serve(
        &self,
        shared: &Shared,
        stats: Arc<Stats>,
        host: &'static str,
        waits_on_disk: bool,
    ) -> Result<Option<Page>, Failure> {
        if !self.is_enabled.unwrap_or(waits_on_disk) {
            return Ok(None);
        }
        let tokens = settings::tokens(shared)?;
        let listener = match self.bound(shared.insecure || !tokens.is_empty()) {
            Ok(listener) => listener,
            Err(cause) => {
                let (first, last) = (self.ports.start(), self.ports.end());
                tracing::warn!("no API on {} at ports {first} to {last}: {cause}; pipelines run without", self.host);
                return Ok(None);
            }
        };
        let address = listener.local_addr().map_err(Failure::failed)?;
        tracing::info!("status and metrics of the pipelines are at http://{address}/");
        let access = Access::new(address, shared.public_url.as_deref(), tokens).map_err(Failure::usage)?;
        let watched = Arc::new(Watched { stats, host, address });
        let routes = api::sidecar_router(watched.clone(), access, api::logstash_routes(watched));
        Page::serve(listener, routes).map(Some)
    }

    /// Listens for others only where they need a token, or where that was waived.
    fn bound(&self, is_open: bool) -> io::Result<TcpListener> {
        let mut addresses = (self.host.as_str(), *self.ports.start()).to_socket_addrs()?;
        let mut ip = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?.ip();
        if !ip.is_loopback() && !is_open {
            tracing::warn!(
                "the API listens on this machine alone: at {} others could ask it without a token; set LOGSHIP_TOKEN or --token-file FILE, or say --insecure",
                self.host
            );
            ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        }
        let mut outcome = Err(io::ErrorKind::AddrInUse.into());
        for port in self.ports.clone() {
            outcome = TcpListener::bind(SocketAddr::new(ip, port));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

/// The pipelines, for those who ask.
struct Watched {
    stats: Arc<Stats>,
    host: &'static str,
    address: SocketAddr,
}

impl Node for Watched {
    fn health(&self) -> Health {
        Health::Ok
    }

    fn status(&self) -> Value {
        let pipeline = |(id, pipeline): (String, PipelineStats)| {
            let failing =
                pipeline.outputs().into_iter().filter_map(|output| Some((output.name, json!(output.failing?))));
            let status = json!({
                "workers": pipeline.workers,
                "queue": queue(&pipeline),
                "received": pipeline.counts.received.load(Ordering::Relaxed),
                "filtered": pipeline.counts.filtered.load(Ordering::Relaxed),
                "failing": failing.collect::<Map<_, _>>(),
            });
            (id, status)
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "status": "ok",
            "uptime_s": clock::since(self.stats.started).as_secs(),
            "config_error": self.stats.wrong(),
            "components": self.components().iter().map(component_json).collect::<Vec<_>>(),
            "pipelines": self.stats.running().into_iter().map(pipeline).collect::<Map<_, _>>(),
        })
    }

    fn components(&self) -> Vec<Component> {
        let mut components = Vec::new();
        for (id, pipeline) in self.stats.running() {
            components.extend(pipeline.outputs().into_iter().map(|output| {
                let dropped = [("dead_letter", output.refused), ("stopped", output.abandoned)];
                let dropped = dropped.into_iter().filter(|(_, count)| *count > 0);
                Component {
                    name: format!("{id}/{}", output.name),
                    received: output.received,
                    sent: output.delivered,
                    dropped: dropped.map(|(why, count)| (why.to_owned(), count)).collect(),
                    queued: output.queued,
                }
            }));
        }
        components
    }

    fn gauges(&self) -> Vec<Gauge> {
        let running = self.stats.running();
        let wrong = f64::from(u8::from(self.stats.wrong().is_some()));
        let mut gauges = vec![
            gauge("uptime_seconds", "Seconds since the start.", &[], clock::since(self.stats.started).as_secs() as f64),
            gauge("config_wrong", "Whether the configs as they are now could not be taken up.", &[], wrong),
        ];
        type Reads = fn(&PipelineStats) -> u64;
        let each: [(_, _, Reads); 3] = [
            ("pipeline_received_events_total", "Events that came in.", |it| it.counts.received.load(Ordering::Relaxed)),
            ("pipeline_filtered_events_total", "Events behind the filters.", |it| {
                it.counts.filtered.load(Ordering::Relaxed)
            }),
            ("pipeline_panics_total", "Events that a plugin failed on in a way that it must not.", |it| {
                it.counts.panics.load(Ordering::Relaxed)
            }),
        ];
        for (name, help, reads) in each {
            gauges.extend(
                running.iter().map(|(id, pipeline)| gauge(name, help, &[("pipeline", id)], reads(pipeline) as f64)),
            );
        }
        type ReadsOutput = fn(&OutputStats) -> u64;
        let each: [(_, _, ReadsOutput); 3] = [
            ("output_retries_total", "Attempts of outputs that failed.", |output| output.retries),
            ("output_fell_behind_total", "How often an output fell behind and read the log by itself.", |output| {
                output.fell_behind
            }),
            ("output_failing", "Whether the last attempt of an output failed.", |output| {
                output.failing.is_some().into()
            }),
        ];
        for (name, help, reads) in each {
            for (id, pipeline) in &running {
                let labelled = |output: OutputStats| {
                    gauge(name, help, &[("pipeline", id), ("output", &output.name)], reads(&output) as f64)
                };
                gauges.extend(pipeline.outputs().into_iter().map(labelled));
            }
        }
        gauges
    }
}

fn gauge(name: &'static str, help: &'static str, labels: &[(&'static str, &str)], value: f64) -> Gauge {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Gauge { name, help, labels, value }
}

fn queue(pipeline: &PipelineStats) -> &'static str {
    if pipeline.is_persisted { "persisted" } else { "memory" }
}

impl api::Pipelines for Watched {
    fn head(&self) -> Map<String, Value> {
        let running = self.stats.running();
        let is_good = self.stats.wrong().is_none()
            && running.values().flat_map(PipelineStats::outputs).all(|output| output.failing.is_none());
        let head = [
            ("host", json!(self.host)),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
            ("http_address", json!(self.address.to_string())),
            ("id", json!(format!("{}-{}", self.host, std::process::id()))),
            ("name", json!(self.host)),
            ("status", json!(if is_good { "green" } else { "yellow" })),
            ("pipeline", json!({"workers": running.values().map(|pipeline| pipeline.workers).max().unwrap_or(0)})),
        ];
        head.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn pipelines(&self) -> Map<String, Value> {
        let pipeline = |(id, pipeline): (String, PipelineStats)| {
            let outputs = pipeline.outputs();
            let filtered = pipeline.counts.filtered.load(Ordering::Relaxed);
            let queued = outputs.iter().map(|output| output.queued).max().unwrap_or(0);
            let output = |output: &OutputStats| {
                let kind = output.name.split('.').next().unwrap_or_default();
                json!({"id": output.name, "name": kind, "events": {"in": output.received, "out": output.delivered}})
            };
            let status = json!({
                "events": {
                    "in": pipeline.counts.received.load(Ordering::Relaxed),
                    "filtered": filtered,
                    "out": filtered.saturating_sub(queued),
                },
                "plugins": {"outputs": outputs.iter().map(output).collect::<Vec<_>>()},
                "reloads": {"last_error": self.stats.wrong().map(|message| json!({"message": message}))},
                "queue": {"type": queue(&pipeline)},
                "pipeline": {"workers": pipeline.workers},
            });
            (id, status)
        };
        self.stats.running().into_iter().map(pipeline).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_one_or_many() {
        assert_eq!(ports("9600"), Some(9600..=9600));
        assert_eq!(ports("9600-9700"), Some(PORTS));
        for wrong in ["", "x", "9700-9600", "1-70000"] {
            assert_eq!(ports(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_port_that_is_free_is_taken() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = taken.local_addr().unwrap().port();
        let api = Api { ports: first..=first.saturating_add(50), ..Api::default() };
        let port = api.bound(false).unwrap().local_addr().unwrap().port();
        assert!(port > first && port <= first.saturating_add(50), "{first} {port}");
        let only = Api { ports: first..=first, ..Api::default() };
        assert_eq!(only.bound(false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn others_are_let_in_with_a_token_only() {
        let api = Api { host: "0.0.0.0".to_owned(), ports: 0..=0, ..Api::default() };
        assert!(api.bound(false).unwrap().local_addr().unwrap().ip().is_loopback());
        assert!(api.bound(true).unwrap().local_addr().unwrap().ip().is_unspecified());
    }
}
