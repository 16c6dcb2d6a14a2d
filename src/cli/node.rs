//! What the API asks of the process around it.

use super::ingest_log::Opened;
use crate::{
    api::{Component, Gauge, Health, Ingested, Node},
    clock,
    inputs::stdin::PipeCounters,
    pipeline::{Common, State},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// This process, for health, status and metrics.
pub struct ThisProcess {
    pub common: Arc<Common>,
    pub ingested: Arc<Ingested>,
    /// The pipe, where there is one.
    pub pipe: Option<Arc<PipeCounters>>,
    /// The log of HTTP ingest, from when it is open.
    pub log: Arc<Opened>,
    pub started: Instant,
}

impl Node for ThisProcess {
    fn health(&self) -> Health {
        match self.common.state() {
            State::Opening | State::Waiting => Health::Replaying,
            _ if self.common.is_full() => Health::Full,
            _ if self.log.intake.get().is_none() && self.log.no_room.load(Ordering::Acquire) => Health::Full,
            _ if self.log.intake.get().is_none() => Health::Replaying,
            // The log takes records also while older ones are indexed or the store is started again.
            State::Replaying | State::Ready | State::Failed(_) | State::Ended => Health::Ok,
        }
    }

    fn status(&self) -> Value {
        let stats = self.common.store_stats();
        let logs = self.common.logs();
        let state = match self.common.state() {
            State::Failed(cause) => format!("failed: {cause}"),
            State::Replaying => "replaying".to_owned(),
            _ => match self.health() {
                Health::Replaying => "replaying".to_owned(),
                Health::Full => "full".to_owned(),
                Health::Ok => "ok".to_owned(),
                Health::Degraded => "degraded".to_owned(),
            },
        };
        let piped = self.pipe.as_deref().is_some_and(|pipe| pipe_component(pipe).queued > 0);
        let idle = !piped && self.common.is_settled() && self.common.state() == State::Ready;
        let range = self.common.time_range();
        let own = self.log.durable.get().map(|(id, _)| *id);
        let rows: Vec<_> = logs
            .iter()
            .map(|(id, log)| {
                json!({"id": id.to_string(), "own": own == Some(*id), "alive": log.alive,
                       "read": log.read.0, "committed": log.committed.0})
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "status": state,
            "idle": idle,
            "uptime_s": clock::since(self.started).as_secs(),
            "position": self.common.tail.position(self.common.tail.next_number()).to_string(),
            "events": stats.events,
            "bytes_on_disk": stats.bytes,
            "partitions": stats.partitions,
            "logs": rows,
            "components": self.components().iter().map(component_json).collect::<Vec<_>>(),
            "first_event": range.map(|(first, _)| first.to_string()),
            "last_event": range.map(|(_, last)| last.to_string()),
        })
    }

    fn components(&self) -> Vec<Component> {
        let mut components = vec![self.ingested.component()];
        if let Some(pipe) = &self.pipe {
            components.push(pipe_component(pipe));
        }
        components.extend(self.common.readings().into_iter().map(|reading| Component {
            name: reading.name.to_owned(),
            received: reading.entered,
            sent: reading.left,
            dropped: Vec::new(),
            queued: reading.queued,
        }));
        components
    }

    fn gauges(&self) -> Vec<Gauge> {
        let stats = self.common.store_stats();
        let durable = self.log.durable.get().map_or(0, |(_, end)| end.borrow().0);
        let gauge = |name, help, value: u64| Gauge { name, help, labels: Vec::new(), value: value as f64 };
        vec![
            gauge("store_events", "Events in the store.", stats.events),
            gauge("store_bytes", "Bytes of the store on disk.", stats.bytes),
            gauge("store_partitions", "Partitions of the store.", stats.partitions),
            gauge(
                "store_values_without_column",
                "Values of the open partition that have no column because it has all it may have.",
                stats.values_without_column,
            ),
            gauge("log_durable_position", "How far the log of HTTP ingest is durable.", durable),
            gauge("uptime_seconds", "Seconds since the start.", clock::since(self.started).as_secs()),
        ]
    }
}

/// The pipe, or what is run, as a component.
pub fn pipe_component(pipe: &PipeCounters) -> Component {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (records, stored, lost) = (load(&pipe.records), load(&pipe.stored), load(&pipe.not_stored));
    Component {
        name: format!("input.{}", pipe.input),
        received: records,
        sent: stored,
        dropped: if lost > 0 { vec![("not_stored".to_owned(), lost)] } else { Vec::new() },
        queued: records.saturating_sub(stored + lost),
    }
}

/// A component as status shows it.
pub fn component_json(component: &Component) -> Value {
    let dropped: serde_json::Map<_, _> =
        component.dropped.iter().map(|(reason, count)| (reason.clone(), Value::from(*count))).collect();
    json!({"name": component.name, "in": component.received, "out": component.sent, "dropped": dropped,
           "queued": component.queued})
}

/// The counters of all components, for the last diagnostic.
pub fn components_json(common: &Common, pipe: Option<&Component>) -> Value {
    let mut rows: Vec<_> = pipe.map(component_json).into_iter().collect();
    rows.extend(common.readings().iter().filter_map(|reading| serde_json::to_value(reading).ok()));
    Value::Array(rows)
}
