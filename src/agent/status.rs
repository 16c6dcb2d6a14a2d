//! What an agent says of itself: to who looks at it, and to the server.

use super::{Agent, InputStatus, Stdin};
use crate::{clock, event::Timestamp, inputs::files::FileInput};
use serde_json::{Value, json};
use std::{sync::atomic::Ordering::Relaxed, time::Instant};

/// The status as one JSON object, as docs/API.md shows it. `name` is the machine's, `started` when the agent was.
#[must_use]
pub fn status(agent: &Agent, name: &str, started: (Timestamp, Instant)) -> Value {
    let spool = agent.spool();
    let ship = spool.ship_status();
    let counters = spool.counters();
    let queued = ship.as_ref().map(|ship| ship.queued_bytes);
    let seen = |input: &FileInput| {
        input.status(|status| (status.files.clone(), status.followed, status.problems, status.counts))
    };
    let (files, followed, problems, counts) = agent.files().map(seen).unwrap_or_default();
    let trouble = trouble(agent);
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
        "status": if trouble.is_some() { "degraded" } else { "ok" },
        "reason": trouble,
        "inputs": inputs(agent),
        "files_followed": followed,
        "files_unreadable": problems,
        "files_lost_bytes": counts.lost_bytes,
        "files_truncated_bytes": counts.truncated_bytes,
        "files_deleted": counts.deleted,
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

/// Why it does not do what it is there for, in a sentence; none where all is well.
#[must_use]
pub fn trouble(agent: &Agent) -> Option<String> {
    let unreached = || {
        let ship = agent.spool().ship_status().filter(|ship| !ship.reachable)?;
        ship.last_error.map(|error| format!("its server cannot be reached: {error}"))
    };
    agent.spool().trouble().or_else(unreached)
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
