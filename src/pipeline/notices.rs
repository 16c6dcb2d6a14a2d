//! What whoever runs this should know about the store: each thing is said once, however often it is found again.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Sentences that are remembered; past that all are forgotten and may be said again.
const SAID_MAX: usize = 1_000;

/// Who says it: to stderr, or to nobody where the answer itself says it.
pub type Say = Box<dyn Fn(&str) + Send + Sync>;

/// Says each sentence once.
pub struct Notices {
    say: Say,
    said: Mutex<BTreeSet<String>>,
}

impl Notices {
    /// Nothing has been said.
    #[must_use]
    pub fn new(say: Say) -> Notices {
        Notices { say, said: Mutex::default() }
    }

    /// Says it, unless it has been said.
    pub fn say(&self, sentence: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= SAID_MAX {
            said.clear();
        }
        if said.insert(sentence.to_owned()) {
            (self.say)(sentence);
        }
    }

    /// What happens again after a good while is news.
    pub fn forget(&self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
