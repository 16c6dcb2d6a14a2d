//! How pipelines of one process send events to each other: by the name of an address that one of them listens at.

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Letters that wait at an address; then who sends waits.
pub const LETTERS_MAX: usize = 4;

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
    /// They are not: nobody listens, or has stopped meanwhile.
    pub fn send(&self, address: &str, events: Vec<Bytes>) -> Result<(), NobodyThere> {
        let sender = self.known().get(address).cloned().ok_or(NobodyThere)?;
        let (safe, told) = bounded(1);
        sender.send(Letter { events, safe }).map_err(|_| NobodyThere)?;
        drop(sender);
        told.recv().map_err(|_| NobodyThere)
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
        let addresses = Addresses::default();
        assert_eq!(addresses.send("a", Vec::new()), Err(NobodyThere));
        let letters = addresses.listen("a").unwrap();
        assert!(addresses.listen("a").is_none());
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| addresses.send("a", vec![Bytes::from_static(b"{}")]));
            let letter = letters.recv().unwrap();
            assert_eq!(letter.events, [Bytes::from_static(b"{}")]);
            letter.safe.send(()).unwrap();
            assert_eq!(sent.join().unwrap(), Ok(()));
            let sent = scope.spawn(|| addresses.send("a", Vec::new()));
            drop(letters.recv().unwrap());
            assert_eq!(sent.join().unwrap(), Err(NobodyThere));
        });
        addresses.leave("a");
        assert!(addresses.listen("a").is_some());
    }
}
