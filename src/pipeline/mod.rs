//! The one place that sees everything: starts the parts, connects them, and ends them in order.
//!
//! ```text
//! logs ─> dispatch ─(2 frames a worker)─> workers ─(oneshots in order)─> deliver ─(4 batches)─> store ─> done(pos) ─> trim
//!                                                                          └─> live tail
//! ```
//! [`Owner`] holds the store's lock and reads every log of the data directory, its own and those of other processes, by one
//! rule: a living log up to its last mark, a dead one to its end. When a part fails, the whole is started again from what
//! is durable: the logs keep everything that the store has not.

pub mod cases;
mod common;
pub mod configured;
pub mod counters;
mod deliver;
mod dispatch;
mod engine;
pub mod growth;
mod ingest_log;
mod locks;
pub mod logs;
#[cfg(test)]
mod model;
mod notices;
mod owner;
mod read_only;
mod suspects;
pub mod tail;
mod workers;

pub use common::{Common, State};
pub use ingest_log::{carry_over, open as open_ingest_log};
pub use locks::lock_of_dying;
pub use logs::LogState;
pub use owner::{Finished, Owner, OwnerSettings};
pub use read_only::{ReadError, ReadOnly, open as open_read_only};
pub use workers::{JOBS_PER_WORKER_MAX, WORKERS_MAX};

/// What a mutex guards. A thread that panicked while it held it has left whole values behind, as all code here does.
fn held<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
