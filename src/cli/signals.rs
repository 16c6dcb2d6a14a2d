//! SIGINT, SIGTERM, and SIGHUP where it means to read the settings again. SIGPIPE is ignored by the runtime, so that a closed stdout is an error of one write.

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
    /// `kill -HUP`, `systemctl reload`.
    Hangup,
}

/// Calls `on_signal` on a thread of its own for each signal.
pub fn watch(on_signal: impl FnMut(Signal) + Send + 'static) -> Result<(), Failure> {
    call(&[SIGINT, SIGTERM], on_signal)
}

/// As [`watch`], with hangups, which no longer end the process.
pub fn watch_with_hangups(on_signal: impl FnMut(Signal) + Send + 'static) -> Result<(), Failure> {
    call(&[SIGINT, SIGTERM, SIGHUP], on_signal)
}

fn call(signals: &[i32], mut on_signal: impl FnMut(Signal) + Send + 'static) -> Result<(), Failure> {
    let mut signals = Signals::new(signals).map_err(|c| Failure::failed(format!("cannot watch signals: {c}")))?;
    let body = move || {
        for signal in signals.forever() {
            on_signal(match signal {
                SIGINT => Signal::Interrupt,
                SIGHUP => Signal::Hangup,
                _ => Signal::Terminate,
            });
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
