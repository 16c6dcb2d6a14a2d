//! When something must happen that waits for company: a batch that is not full, a line whose parts are missing.

use crate::clock;
use std::time::{Duration, Instant};

/// A moment, if something waits.
#[derive(Debug, Default)]
pub struct Due(Option<Instant>);

impl Due {
    /// It must happen within this time from now, or sooner if that was said before.
    pub fn within(&mut self, wait: Duration) {
        let at = clock::instant() + wait;
        self.0 = Some(self.0.map_or(at, |before| before.min(at)));
    }

    /// Nothing waits any more.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// Waits for the moment; for ever while nothing waits. May be dropped while it waits.
    pub async fn come(&self) {
        match self.0 {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    #[tokio::test]
    async fn the_sooner_moment_counts_and_none_never_comes() {
        const SOON: Duration = Duration::from_millis(5);
        const LATE: Duration = Duration::from_secs(3_600);
        let mut due = Due::default();
        assert!(timeout(SOON, due.come()).await.is_err());
        due.within(LATE);
        due.within(SOON);
        due.within(LATE);
        timeout(LATE, due.come()).await.unwrap();
        due.clear();
        assert!(timeout(SOON, due.come()).await.is_err());
    }
}
