//! Names of those who connect, as the system knows them: its file of hosts, then its name servers.
//!
//! An address is asked for once in [`NAME_KEPT`], whatever came of it, and answered for within [`ANSWER_WAIT`]: a connection waits
//! for that before its first line. [`NAMES_MAX`] are remembered.

use crate::{clock, filters::Resolver};
use lru::LruCache;
use std::{
    net::IpAddr,
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a name server has.
pub const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How long an answer is good.
pub const NAME_KEPT: Duration = Duration::from_secs(300);
/// Addresses that are remembered.
pub const NAMES_MAX: usize = 1_000;

/// What is known of addresses.
#[derive(Debug)]
pub(super) struct PeerNames {
    resolver: Resolver,
    known: Mutex<LruCache<IpAddr, (Instant, String)>>,
}

impl PeerNames {
    pub(super) fn new() -> PeerNames {
        let most = NonZeroUsize::new(NAMES_MAX).unwrap_or(NonZeroUsize::MIN);
        PeerNames { resolver: Resolver::of_system(ANSWER_WAIT), known: Mutex::new(LruCache::new(most)) }
    }

    /// The name of an address, or the address where it has none.
    pub(super) fn of(&self, address: IpAddr) -> String {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, name)) = known().get(&address)
            && clock::since(*since) < NAME_KEPT
        {
            return name.clone();
        }
        // Not with the lock: others would wait for one that nobody answers for.
        let found = self.resolver.name(address.to_canonical()).ok().flatten();
        let name = found.unwrap_or_else(|| address.to_string());
        known().put(address, (clock::instant(), name.clone()));
        name
    }
}
