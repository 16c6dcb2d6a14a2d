//! What an agent says of itself: to who looks at it, and to the server.

use super::{Agent, InputStatus, Stdin};
use crate::{clock, event::Timestamp};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering::Relaxed, time::Instant};

/// The status as one JSON object, as docs/API.md shows it. `name` is the machine's, `started` when the agent was.
#[must_use]
pub fn status(agent: &Agent, name: &str, started: (Timestamp, Instant)) -> Value {
    let spool = agent.spool();
    let ship = spool.ship_status();
    let counters = spool.counters();
    let queued = ship.as_ref().map(|ship| ship.queued_bytes);
    let (files, followed, problems) = agent.files().map_or((Vec::new(), 0, 0), |input| {
        input.status(|status| (status.files.clone(), status.followed, status.problems))
    });
    let files: Vec<_> = files
        .iter()
        .map(|file| {
            json!({"path": file.path, "size": file.size, "read": file.read, "durable": file.durable,
                   "lag_bytes": file.lag_bytes, "lag_s": file.lag.as_secs_f64(), "error": file.failure})
        })
        .collect();
    json!({
        "name": name,
        "id": spool.id(),
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": started.0.to_string(),
        "uptime_s": clock::since(started.1).as_secs(),
        "time": clock::now().to_string(),
        "inputs": inputs(agent),
        "files_followed": followed,
        "files_unreadable": problems,
        "files": files,
        "spool": {
            "bytes_max": spool.bytes_max(),
            "queued_bytes": queued,
            "records": counters.records.load(Relaxed),
            "bytes": counters.bytes.load(Relaxed),
            "failed_appends": counters.failed.load(Relaxed),
            "redacted": spool.gate().map(|gate| gate.redacted().into_iter().collect::<std::collections::BTreeMap<_, _>>()),
            "dropped": spool.gate().map(|gate| {
                let dropped = gate.dropped();
                json!({"rate_limit": dropped.rate_limit, "sampled": dropped.sampled})
            }),
        },
        "ship": ship,
    })
}

/// What each input has done.
#[must_use]
pub fn inputs(agent: &Agent) -> Vec<InputStatus> {
    let mut inputs = agent.sources().status();
    inputs.extend(agent.stdin().map(Stdin::status));
    inputs.extend(agent.files().map(|input| {
        input.status(|status| InputStatus {
            name: "input.files".to_owned(),
            received: status.counts.records,
            stored: status.counts.records.saturating_sub(status.queued),
            queued: status.queued,
            ..InputStatus::default()
        })
    }));
    inputs
}
