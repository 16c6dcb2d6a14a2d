//! What the API asks the process that it runs in. The pipeline implements it.

/// Whether records can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The log is being read; appends are not accepted yet.
    Replaying,
    /// Appends are accepted.
    Ok,
    /// No room is left.
    Full,
    /// It does not do what it is there for, as [`Node::trouble`] says.
    Degraded,
}

/// The counters of one component: `received = sent + dropped + queued`, at every moment when nothing moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// `input.stdin`, `output.store`.
    pub name: String,
    /// Events in.
    pub received: u64,
    /// Events out.
    pub sent: u64,
    /// Events dropped, by reason.
    pub dropped: Vec<(String, u64)>,
    /// Events in between.
    pub queued: u64,
}

/// One more number for `/metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Letters, digits and `_`; `/metrics` puts `logship_` before it. A counter ends in `_total`. Equal names stand
    /// together.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// The process around the API. Everything here is called from the async runtime and must not block.
pub trait Node: Send + Sync {
    /// Whether records can be stored.
    fn health(&self) -> Health;
    /// Why it is degraded, in a sentence.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// The reply of `/api/v1/status`, as docs/API.md shows it; the API adds `tails`.
    fn status(&self) -> serde_json::Value;
    /// The counters of all components.
    fn components(&self) -> Vec<Component>;
    /// Log, store and memory.
    fn gauges(&self) -> Vec<Gauge>;
}
