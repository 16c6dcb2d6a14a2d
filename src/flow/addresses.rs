//! How pipelines of one process send events to each other: by the name of an address that one of them listens at.

use super::Stop;
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Letters that wait at an address; then who sends waits.
pub const LETTERS_MAX: usize = 4;

/// How long who should stop goes on waiting for another pipeline.
pub const STOPPING_WAIT: Duration = Duration::from_secs(2);
/// How often it looks whether it should.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Events on their way to another pipeline.
#[derive(Debug)]
pub struct Letter {
    /// Each as JSON, with its `@metadata`.
    pub events: Vec<Bytes>,
    /// Told once the other pipeline has them as safe as it will; dropped untold where it has ended before.
    pub safe: Sender<()>,
}

/// The addresses of a process.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<HashMap<String, Sender<Letter>>>);

/// Nobody listens at an address, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NobodyThere;

impl Addresses {
    /// Listens at an address. `None`: somebody does already.
    #[must_use]
    pub fn listen(&self, address: &str) -> Option<Receiver<Letter>> {
        let mut known = self.known();
        // One whose listener is gone, which a sender shows only when it is used, is free: `leave` was called.
        if known.contains_key(address) {
            return None;
        }
        let (sender, letters) = bounded(LETTERS_MAX);
        known.insert(address.to_owned(), sender);
        Some(letters)
    }

    /// Nobody listens there any more.
    pub fn leave(&self, address: &str) {
        self.known().remove(address);
    }

    /// Sends events and waits until they are safe there.
    ///
    /// # Errors
    /// They are not: nobody listens, or has stopped meanwhile, or the sender should stop and waited [`STOPPING_WAIT`] since.
    pub fn send(&self, address: &str, events: Vec<Bytes>, stop: &Stop) -> Result<(), NobodyThere> {
        let sender = self.known().get(address).cloned().ok_or(NobodyThere)?;
        let (safe, told) = bounded(1);
        let mut letter = Letter { events, safe };
        let mut patience = STOPPING_WAIT;
        let mut is_late = || {
            patience = patience.saturating_sub(if stop.is_requested() { LOOK_EVERY } else { Duration::ZERO });
            patience.is_zero()
        };
        loop {
            match sender.send_timeout(letter, LOOK_EVERY) {
                Ok(()) => break,
                Err(SendTimeoutError::Timeout(back)) if !is_late() => letter = back,
                Err(_) => return Err(NobodyThere),
            }
        }
        drop(sender);
        loop {
            match told.recv_timeout(LOOK_EVERY) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if !is_late() => {}
                Err(_) => return Err(NobodyThere),
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Sender<Letter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_safe_when_the_listener_says_so() {
        let (addresses, stop) = (Addresses::default(), Stop::new().unwrap());
        assert_eq!(addresses.send("a", Vec::new(), &stop), Err(NobodyThere));
        let letters = addresses.listen("a").unwrap();
        assert!(addresses.listen("a").is_none());
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| addresses.send("a", vec![Bytes::from_static(b"{}")], &stop));
            let letter = letters.recv().unwrap();
            assert_eq!(letter.events, [Bytes::from_static(b"{}")]);
            letter.safe.send(()).unwrap();
            assert_eq!(sent.join().unwrap(), Ok(()));
            let sent = scope.spawn(|| addresses.send("a", Vec::new(), &stop));
            drop(letters.recv().unwrap());
            assert_eq!(sent.join().unwrap(), Err(NobodyThere));
        });
        addresses.leave("a");
        assert!(addresses.listen("a").is_some());
    }
}
