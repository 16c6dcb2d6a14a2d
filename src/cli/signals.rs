//! SIGINT and SIGTERM. SIGPIPE is ignored by the runtime, so that a closed stdout is an error of one write.

use super::Failure;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    sync::{Arc, atomic::AtomicBool},
    thread,
};

/// A request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// `kill`, `docker stop`.
    Terminate,
}

/// Calls `on_signal` on a thread of its own for each signal.
pub fn watch(mut on_signal: impl FnMut(Signal) + Send + 'static) -> Result<(), Failure> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|c| Failure::failed(format!("cannot watch signals: {c}")))?;
    let body = move || {
        for signal in signals.forever() {
            on_signal(if signal == SIGINT { Signal::Interrupt } else { Signal::Terminate });
        }
    };
    let spawned = thread::Builder::new().name("signals".into()).spawn(body);
    spawned.map(|_| ()).map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))
}

/// A terminal that is closed no longer ends the process.
pub fn outlive_terminal() -> Result<(), Failure> {
    // A handler that only sets a flag, because safe code cannot ignore a signal.
    let registered = signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)));
    registered.map(|_| ()).map_err(|cause| Failure::failed(format!("cannot watch signals: {cause}")))
}
