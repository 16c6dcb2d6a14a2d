//! When to stop working on an answer: at its deadline, or when nobody waits for it any more.

use super::QueryFailure;
use crate::clock;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// A sign that nobody waits for the answer any more. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Gives the sign.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was given.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a scan looks at between two steps.
pub(super) struct Stop {
    deadline: Option<Instant>,
    cancel: Cancel,
    /// How often a test may look before the deadline comes.
    #[cfg(test)]
    looks: std::cell::Cell<Option<usize>>,
}

impl Stop {
    /// From now on; a deadline beyond all time is none.
    pub(super) fn after(deadline: Duration, cancel: &Cancel) -> Stop {
        Stop {
            deadline: clock::instant().checked_add(deadline),
            cancel: cancel.clone(),
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }

    /// Without end.
    pub(super) fn never() -> Stop {
        Stop {
            deadline: None,
            cancel: Cancel::default(),
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }

    /// A deadline that comes after so many looks at it.
    #[cfg(test)]
    pub(super) fn after_looks(looks: usize) -> Stop {
        Stop { looks: std::cell::Cell::new(Some(looks)), ..Stop::never() }
    }

    /// Whether the deadline has come.
    ///
    /// # Errors
    /// [`QueryFailure::Cancelled`].
    pub(super) fn is_late(&self) -> Result<bool, QueryFailure> {
        self.listening()?;
        #[cfg(test)]
        if let Some(left) = self.looks.get() {
            self.looks.set(Some(left.saturating_sub(1)));
            return Ok(left == 0);
        }
        Ok(self.deadline.is_some_and(|deadline| clock::instant() >= deadline))
    }

    /// Whether somebody still waits, whatever the deadline.
    ///
    /// # Errors
    /// [`QueryFailure::Cancelled`].
    pub(super) fn listening(&self) -> Result<(), QueryFailure> {
        if self.cancel.is_cancelled() { Err(QueryFailure::Cancelled) } else { Ok(()) }
    }
}
