//! Answers of an API that somebody needs at once: a cache that a thread of its own fills.
//!
//! Limits: [`ANSWERS_MAX`] answers are kept and [`ASKS_QUEUED_MAX`] questions wait; over that the answer used longest
//! ago goes, and a question is asked again when its caller comes again. An answer is used for [`ANSWER_AGE_MAX`]. After
//! a failure nothing is asked for [`FAILURE_PAUSE`], so that an API that is away is not asked once for each file.

use crate::clock;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Most answers kept.
pub const ANSWERS_MAX: usize = 4_096;
/// Most questions that wait for the API.
pub const ASKS_QUEUED_MAX: usize = 4_096;
/// An older answer is asked for anew, and used until there is a newer one.
pub const ANSWER_AGE_MAX: Duration = Duration::from_secs(600);
/// How long an API that failed is left alone.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// What an API said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched<T> {
    /// This.
    Found(T),
    /// There is no such thing, or none any more.
    Absent,
    /// Nothing that helps: what happened, where, and what to do.
    Failed(String),
}

/// What is known so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// This.
    Found(Arc<T>),
    /// There is no such thing.
    Absent,
    /// The API has not answered yet.
    Unknown,
}

/// What was asked of an API.
#[derive(Debug, Default)]
pub struct LookupCounters {
    /// Questions that the API answered.
    pub answered: AtomicU64,
    /// Questions that it did not.
    pub failed: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl LookupCounters {
    /// What went wrong last.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, cause: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }
}

#[derive(Debug)]
struct Entry<T> {
    known: Known<T>,
    answered: Option<Instant>,
    used: Instant,
    waiting: bool,
}

type Entries<T> = HashMap<String, Entry<T>>;

/// The cache. Its thread ends soon after it is dropped.
#[derive(Debug)]
pub struct Lookups<T> {
    entries: Arc<Mutex<Entries<T>>>,
    asks: Sender<String>,
    counters: Arc<LookupCounters>,
}

impl<T: Send + Sync + 'static> Lookups<T> {
    /// Starts the thread, which calls `fetch` with one key after the other.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(name: &str, fetch: impl FnMut(&str) -> Fetched<T> + Send + 'static) -> std::io::Result<Lookups<T>> {
        let (asks, asked) = bounded(ASKS_QUEUED_MAX);
        let entries = Arc::new(Mutex::new(HashMap::new()));
        let counters = Arc::new(LookupCounters::default());
        let (filled, counted) = (entries.clone(), counters.clone());
        thread::Builder::new().name(name.to_owned()).spawn(move || fill(&asked, &filled, &counted, fetch))?;
        Ok(Lookups { entries, asks, counters })
    }

    /// What was asked, and how it went.
    #[must_use]
    pub fn counters(&self) -> &Arc<LookupCounters> {
        &self.counters
    }

    /// What is known of a key. What is not known, or not lately, is asked for meanwhile.
    pub fn get(&self, key: &str) -> Known<T> {
        let now = clock::instant();
        let mut entries = locked(&self.entries);
        if !entries.contains_key(key) {
            make_room(&mut entries);
            let fresh = Entry { known: Known::Unknown, answered: None, used: now, waiting: false };
            entries.insert(key.to_owned(), fresh);
        }
        let Some(entry) = entries.get_mut(key) else { return Known::Unknown };
        entry.used = now;
        let lately = entry.answered.is_some_and(|then| now.saturating_duration_since(then) < ANSWER_AGE_MAX);
        if !lately && !entry.waiting {
            entry.waiting = self.asks.try_send(key.to_owned()).is_ok();
        }
        match &entry.known {
            Known::Found(found) => Known::Found(found.clone()),
            Known::Absent => Known::Absent,
            Known::Unknown => Known::Unknown,
        }
    }
}

fn locked<T>(entries: &Mutex<Entries<T>>) -> MutexGuard<'_, Entries<T>> {
    entries.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_room<T>(entries: &mut Entries<T>) {
    if entries.len() < ANSWERS_MAX {
        return;
    }
    let oldest = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
    oldest.map(|key| entries.remove(&key));
}

fn fill<T>(
    asked: &Receiver<String>,
    entries: &Mutex<Entries<T>>,
    counters: &LookupCounters,
    mut fetch: impl FnMut(&str) -> Fetched<T>,
) {
    let mut failed: Option<Instant> = None;
    for key in asked {
        let answer = match failed {
            Some(then) if clock::since(then) < FAILURE_PAUSE => None,
            _ => Some(fetch(&key)),
        };
        let known = match answer {
            Some(Fetched::Found(found)) => Some(Known::Found(Arc::new(found))),
            Some(Fetched::Absent) => Some(Known::Absent),
            Some(Fetched::Failed(cause)) => {
                counters.fail(cause);
                failed = Some(clock::instant());
                None
            }
            None => None,
        };
        let mut entries = locked(entries);
        let Some(entry) = entries.get_mut(&key) else { continue };
        entry.waiting = false;
        if let Some(known) = known {
            failed = None;
            counters.answered.fetch_add(1, Ordering::Relaxed);
            // What is gone keeps the description that it had.
            if !(known_absent(&known) && matches!(entry.known, Known::Found(_))) {
                entry.known = known;
            }
            entry.answered = Some(clock::instant());
        }
    }
}

fn known_absent<T>(known: &Known<T>) -> bool {
    matches!(known, Known::Absent)
}

#[cfg(test)]
impl<T: Send + Sync + 'static> Lookups<T> {
    /// Asks until there is an answer or a failure more than `failed`.
    pub(super) fn wait_for(&self, key: &str) -> Known<T> {
        let failed = self.counters.failed.load(Ordering::Relaxed);
        loop {
            let known = self.get(key);
            if !matches!(known, Known::Unknown) || self.counters.failed.load(Ordering::Relaxed) > failed {
                return known;
            }
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_later_and_stay() {
        let lookups = Lookups::start("test", |key: &str| match key {
            "none" => Fetched::Absent,
            _ => Fetched::Found(key.len()),
        })
        .unwrap();
        assert_eq!(lookups.get("four"), Known::Unknown);
        assert_eq!(lookups.wait_for("four"), Known::Found(Arc::new(4)));
        assert_eq!(lookups.wait_for("none"), Known::Absent);
        assert_eq!(lookups.get("four"), Known::Found(Arc::new(4)));
        assert_eq!(lookups.counters().answered.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn an_api_that_fails_is_left_alone() {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        let lookups: Lookups<()> = Lookups::start("test", move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Fetched::Failed("away".to_owned())
        })
        .unwrap();
        assert_eq!(lookups.wait_for("a"), Known::Unknown);
        for key in ["b", "c", "d"] {
            assert_eq!(lookups.get(key), Known::Unknown);
        }
        // They have been looked at once nobody waits for them.
        while locked(&lookups.entries).values().any(|entry| entry.waiting) {
            thread::yield_now();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(lookups.counters().last_error().as_deref(), Some("away"));
    }

    #[test]
    fn the_answer_used_longest_ago_goes() {
        let lookups = Lookups::start("test", |_: &str| Fetched::Found(())).unwrap();
        lookups.wait_for("first");
        for n in 0..ANSWERS_MAX {
            lookups.get(&n.to_string());
        }
        let entries = locked(&lookups.entries);
        assert_eq!((entries.len(), entries.contains_key("first")), (ANSWERS_MAX, false));
    }
}
