//! What becomes of a batch after each attempt to send it.

use super::{
    Pace,
    batch::Batch,
    client::{Failure, Kind, Stored},
    run::Run,
    sender::Done,
};
use crate::{clock, flow::LogId};
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

/// A frame that was refused alone so often is given up.
pub(super) const REFUSALS_MAX: u32 = 3;
/// Batches never become smaller than this, but for the end of a log.
const CEILING_MIN: usize = 64 << 10;

impl Run {
    /// Judges what a sender says.
    pub(super) fn judge(&mut self, done: Done) {
        self.out -= 1;
        if done.result.as_ref().map_or_else(|failure| failure.sent, |_| true) {
            self.shared.count(|status| status.wire_bytes += done.wire_bytes as u64);
        }
        let Some(flight) = self.lanes.get_mut(&done.lane).and_then(|lane| lane.flight.as_mut()) else { return };
        flight.out = None;
        let batch = flight.batch.clone();
        match done.result {
            Ok(stored) if stored.durable.contains(batch.span()) => {
                self.adapt(batch.bytes(), done.took);
                self.shipped(done.server, &batch, &stored);
            }
            Ok(_) => {
                let message = "said that it has only a part of what was sent".to_owned();
                let failure = Failure { kind: Kind::Partial, message, sent: true, retry_after: None };
                self.failed(done.lane, done.server, done.took, &failure);
            }
            Err(failure) => self.failed(done.lane, done.server, done.took, &failure),
        }
    }

    fn shipped(&mut self, server: usize, batch: &Batch, stored: &Stored) {
        let (frames, records, bytes) = (batch.frames(), batch.records(), batch.bytes() as u64);
        if let Some(lane) = self.lanes.get_mut(&batch.lane) {
            lane.settle(batch.span());
            lane.flight = None;
            lane.trust(server);
        }
        self.servers.healthy(server);
        self.say_dropped();
        self.is_healthy = true;
        self.shared.count(|status| {
            status.batches += 1;
            status.frames += frames;
            status.records += records;
            status.bytes += bytes;
            status.reachable = true;
            status.skew_ms = stored.skew_ms.or(status.skew_ms);
            status.last_success = Some(clock::instant());
        });
    }

    /// Slow answers are worth asking less often.
    fn adapt(&mut self, bytes: usize, took: Duration) {
        if bytes < self.batch_bytes {
            return;
        }
        let slow = self.settings.pace.slow;
        if took > slow {
            self.batch_bytes = (self.batch_bytes * 2).min(self.ceiling);
        } else if took < slow / 4 {
            self.batch_bytes = (self.batch_bytes / 2).max(self.settings.batch_bytes_max).min(self.ceiling);
        }
    }

    fn failed(&mut self, lane: u64, server: usize, took: Duration, failure: &Failure) {
        let refuses = matches!(failure.kind, Kind::TooLarge | Kind::Damaged);
        let given_up = self.lanes.get(&lane).and_then(|lane| lane.flight.as_ref()).is_some_and(|it| it.is_given_up);
        if refuses && !given_up {
            self.refused(lane, server, failure);
            return;
        }
        let (sentence, is_new) = self.servers.failed(server, failure);
        self.note(sentence.clone());
        let (pace, log) = (&self.settings.pace, self.lanes.get(&lane).map_or(LogId::from_bits(0), |lane| lane.log));
        self.servers.rest(server, |failures| pause(pace, failure, log, failures));
        if given_up {
            self.abandon(lane);
        } else {
            self.stay_or_leave(lane, server, took, failure);
        }
        if is_new {
            let next = self.servers.what_next(server, self.settings.pace.stay);
            tracing::warn!("{sentence}; {next}");
        }
    }

    /// What a server may have stays with it for a while; what it never saw goes to the next at once.
    fn stay_or_leave(&mut self, lane: u64, server: usize, took: Duration, failure: &Failure) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        let Some(flight) = lane.flight.as_mut() else { return };
        if failure.sent && failure.kind != Kind::Denied {
            flight.pinned = Some(server);
        }
        let now = clock::instant();
        let since = *flight.failing_since.get_or_insert(now.checked_sub(took).unwrap_or(now));
        let is_unseen = matches!(failure.kind, Kind::Unreachable | Kind::Certificate) && flight.pinned.is_none();
        let is_long = clock::since(since) >= self.settings.pace.stay && failure.kind != Kind::Throttled;
        if self.servers.count() > 1 && (is_unseen || is_long) {
            flight.failing_since = None;
            let may_have = flight.pinned.take().is_some();
            lane.distrust(server);
            let doubled = if may_have { lane.double() } else { 0 };
            self.leave(server, doubled);
        }
    }

    /// Gives up a batch that the spool has no room for.
    fn abandon(&mut self, lane: u64) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        let Some(flight) = lane.flight.take() else { return };
        lane.settle(flight.batch.span());
        self.count_dropped(flight.batch.lost());
    }

    /// Turns to the next server. What this one has is written down first, so that after a restart none of it is sent to
    /// the other.
    fn leave(&mut self, server: usize, possibly_doubled: u64) {
        let turned = self.servers.turn_from(server);
        if turned {
            self.save(false);
        }
        self.shared.count(|status| {
            status.failovers += u64::from(turned);
            status.possibly_doubled += possibly_doubled;
        });
    }

    /// A server will not have a batch: smaller ones are tried, down to the frame that is wrong.
    fn refused(&mut self, lane: u64, server: usize, failure: &Failure) {
        let url = self.servers.shown(server).to_owned();
        let pace = &self.settings.pace;
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        let log = lane.log;
        let Some(flight) = &mut lane.flight else { return };
        let batch = flight.batch.clone();
        let sentence = format!("{url}: {}", failure.message);
        if failure.kind == Kind::TooLarge {
            self.ceiling = (batch.bytes() / 2).clamp(CEILING_MIN, self.ceiling.max(CEILING_MIN));
            self.batch_bytes = self.batch_bytes.min(self.ceiling);
        }
        let halves = batch.split();
        if !batch.is_part && halves.is_some() {
            tracing::warn!("{sentence}; smaller requests are tried");
        }
        if let Some((first, second)) = halves {
            lane.halve(first, second, Some(server));
        } else if flight.refusals + 1 < REFUSALS_MAX {
            flight.refusals += 1;
            flight.due = clock::instant() + backoff(pace, log, flight.refusals);
        } else {
            let (span, records, lines) = (batch.span(), batch.records(), batch.lost().lines);
            lane.settle(span);
            lane.flight = None;
            let place = format!("log {log} at {:x}", span.from);
            tracing::error!("{sentence}; refused {REFUSALS_MAX} times: {records} records of {place} are dropped");
            self.shared.count(|status| {
                status.refused += records;
                status.untold.refused += lines;
            });
        }
        self.note(sentence);
    }

    /// Keeps what went wrong for whoever asks.
    fn note(&mut self, sentence: String) {
        self.is_healthy = false;
        self.shared.count(|status| {
            status.retries += 1;
            status.reachable = false;
            status.last_error = Some(sentence);
            status.last_error_at = Some(clock::now());
        });
    }
}

fn pause(pace: &Pace, failure: &Failure, log: LogId, attempt: u32) -> Duration {
    let asked = failure.retry_after.map(|asked| asked.min(pace.retry_after_max));
    match failure.kind {
        Kind::Denied => pace.denied,
        Kind::Throttled | Kind::Failing => asked.unwrap_or_else(|| backoff(pace, log, attempt)),
        _ => backoff(pace, log, attempt),
    }
}

/// Doubling, of which a part between a half and all is waited: agents that failed together do not come back together.
fn backoff(pace: &Pace, log: LogId, attempt: u32) -> Duration {
    let full = pace.backoff_min.saturating_mul(1 << attempt.min(16)).min(pace.backoff_max);
    let mut hasher = DefaultHasher::new();
    (log, attempt).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 512).unwrap_or_default();
    full.mul_f64(0.5 + f64::from(share) / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_differ() {
        let pace = Pace::default();
        let (one, other) = (LogId::from_bits(1), LogId::from_bits(2));
        for attempt in 0..40 {
            let full = pace.backoff_min.saturating_mul(1 << attempt.min(16)).min(pace.backoff_max);
            let waited = backoff(&pace, one, attempt);
            assert!(full / 2 <= waited && waited <= full, "{attempt}: {waited:?}");
        }
        assert_ne!(backoff(&pace, one, 3), backoff(&pace, other, 3));
    }
}
