//! Turns of streams: when each reads, cuts batches and ends what has waited long enough.
//!
//! A stream to which nothing happens has no turns, only a moment at which it has to do something even so, if there is one:
//! ten thousand idle files cost memory and nothing else. Few of them are open: [`super::OPEN_FILES_MAX`] of those that are being
//! read or were written last, and as many of those that have no name any more.

use super::{
    copies,
    stream::Came,
    tailer::{Followed, GONE_WAIT, HELD_BYTES_MAX, Key, PARTIAL_WAIT, RETRY, RETRY_MAX, Tailer},
    tree::Stat,
};
use crate::{
    event::Timestamp,
    flow::{AppendError, Appended, RawBatch},
};
use logship_parsers::join::JOIN_WAIT_MS;
use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

/// How long a batch waits to be filled.
pub const BATCH_WAIT: Duration = Duration::from_millis(100);
/// A file to which nothing happens for so long is closed.
const OPEN_IDLE: Duration = Duration::from_secs(300);
/// Chunks of one file before the next has its turn.
const CHUNKS_PER_TURN: usize = 4;
/// A file that has no name any more is looked at this often.
const GONE_POLL: Duration = Duration::from_millis(500);
/// Who has nothing to read has no turn sooner.
const TURN_MIN: Duration = Duration::from_millis(20);
const JOIN_WAIT: Duration = Duration::from_millis(JOIN_WAIT_MS);

impl Tailer {
    /// Reads what there is and gives batches to `send`.
    pub fn step(&mut self, now: Instant, wall: Timestamp, send: &mut dyn FnMut(Key, RawBatch)) {
        copies::release(self, now);
        while let Some((_, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.pop_first();
            if let Some(followed) = self.followed.get_mut(&key) {
                followed.timer = None;
                self.awake.insert(key);
            }
        }
        for key in self.awake.clone() {
            if self.held <= HELD_BYTES_MAX && self.read(key, now) == Came::Replaced {
                copies::replaced(self, key, now);
            }
            self.wait_for_ends(key, now);
            self.cut(key, now, wall, send);
            self.note_held(key);
            self.note_open(key);
            self.schedule(key, now, wall);
        }
    }

    /// Reads a few chunks of one file.
    fn read(&mut self, key: Key, now: Instant) -> Came {
        let Some(followed) = self.followed.get_mut(&key) else { return Came::End };
        let stream = &mut followed.stream;
        if stream.is_finished() || stream.is_full() || stream.again.is_some_and(|(at, _)| at > now) {
            return Came::End;
        }
        if stream.file.is_none() {
            if stream.at_end {
                return Came::End;
            }
            let has_room = match followed.gone {
                Some(_) => self.open_gone.len() < self.open_max,
                None => self.open.len() < self.open_max || self.close_one(),
            };
            if !has_room {
                return Came::End;
            }
            if let Err(cause) = copies::reopen(self, key) {
                self.fail(key, &cause, now);
                return Came::End;
            }
        }
        let Some(followed) = self.followed.get_mut(&key) else { return Came::End };
        for _ in 0..CHUNKS_PER_TURN {
            if followed.stream.is_full() {
                return Came::End;
            }
            match followed.stream.advance(&mut self.buffer, now) {
                Ok(came) => {
                    if let Some((lost, say)) = followed.stream.take_damage() {
                        self.counts.lost_bytes += lost;
                        say.iter().for_each(|damage| warn_of(damage, &followed.stream.path));
                    }
                    if followed.stream.again.take().is_some() {
                        followed.stream.failure = None;
                    }
                    if came != Came::Replaced {
                        let lost = followed.stream.take_lost(false);
                        say_lost(&followed.stream.path, lost);
                        self.counts.lost_bytes += lost;
                    }
                    let Came::Read(count) = came else { return came };
                    self.counts.bytes += count as u64;
                    followed.line_ended = false;
                }
                Err(cause) => {
                    self.fail(key, &cause, now);
                    return Came::End;
                }
            }
        }
        Came::Read(0)
    }

    /// Says once why a file cannot be read any further; it is tried again less and less often.
    fn fail(&mut self, key: Key, cause: &io::Error, now: Instant) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        let stream = &mut followed.stream;
        let is_missing = cause.kind() == io::ErrorKind::NotFound;
        let text = cause.to_string();
        if !is_missing && stream.failure.as_ref() != Some(&text) {
            tracing::warn!("{} cannot be read any further: {text}", stream.path.display());
            stream.failure = Some(text);
        }
        let pause = stream.again.map_or(RETRY, |(_, pause)| (pause * 2).min(RETRY_MAX));
        stream.again = Some((now + pause, pause));
        if followed.gone.is_none() {
            stream.file = None;
        }
    }

    /// Ends what has waited long enough: for a line that continues a record, for the end of a line, for a writer.
    fn wait_for_ends(&mut self, key: Key, now: Instant) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        let quiet = followed.quiet(now);
        let stream = &mut followed.stream;
        if quiet >= JOIN_WAIT && stream.is_unsettled() {
            stream.settle(true);
        }
        if quiet >= PARTIAL_WAIT && stream.at_end && stream.has_partial() && !followed.line_ended {
            stream.end_line();
            followed.line_ended = true;
        }
        let is_copied = followed.complete && stream.at_end && !stream.is_unfinished();
        let gone = followed.gone.is_some_and(|since| now.saturating_duration_since(since) >= GONE_WAIT);
        let is_left = gone && quiet >= GONE_WAIT && (stream.at_end || stream.again.is_some());
        if !stream.is_finished() && (is_copied || is_left) {
            let lost = stream.take_lost(true);
            stream.finish();
            say_lost(&stream.path, lost);
            self.counts.lost_bytes += lost;
        }
        self.counts.truncated_bytes += stream.take_dropped();
    }

    fn cut(&mut self, key: Key, now: Instant, wall: Timestamp, send: &mut dyn FnMut(Key, RawBatch)) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        followed.stream.note_ready(now);
        if followed.stream.due(BATCH_WAIT).is_none_or(|due| due > now) {
            return;
        }
        let again = followed.stream.is_refused();
        if let Some(batch) = followed.stream.next_batch(now, wall) {
            if !again {
                self.counts.records += batch.records.len() as u64;
            }
            send(key, batch);
        }
    }

    fn note_held(&mut self, key: Key) {
        if let Some(followed) = self.followed.get_mut(&key) {
            let held = followed.stream.held();
            self.held = self.held - followed.held + held;
            followed.held = held;
        }
    }

    fn note_open(&mut self, key: Key) {
        self.open.remove(&key);
        self.open_gone.remove(&key);
        let Some(followed) = self.followed.get(&key).filter(|followed| followed.stream.file.is_some()) else { return };
        if followed.gone.is_some() {
            self.open_gone.insert(key);
            return;
        }
        self.open.insert(key);
        if self.open.len() > self.open_max {
            self.close_one();
        }
    }

    /// Closes the file that grew longest ago of those that are read to their end and can be opened again; whether there is one.
    fn close_one(&mut self) -> bool {
        let closable = |key: &&Key| {
            let can_wait = |followed: &Followed| followed.stream.at_end || followed.stream.again.is_some();
            self.followed.get(key).is_some_and(|followed| followed.gone.is_none() && can_wait(followed))
        };
        let grown = |key: &&Key| self.followed.get(key).map(|followed| followed.stream.grown);
        let Some(key) = self.open.iter().filter(closable).min_by_key(grown).copied() else { return false };
        self.open.remove(&key);
        if let Some(followed) = self.followed.get_mut(&key) {
            followed.stream.file = None;
        }
        true
    }

    /// Lets go of what is over, and says when the next turn of what is not will be.
    fn schedule(&mut self, key: Key, now: Instant, wall: Timestamp) {
        let discard = self.discard(key, now);
        let Some(followed) = self.followed.get_mut(&key) else { return };
        if followed.stream.is_over() {
            return self.end(key, wall);
        }
        let idle = followed.is_idle();
        if idle && followed.stream.file.is_some() && followed.quiet(now) >= OPEN_IDLE {
            followed.stream.rest();
            followed.stream.file = None;
            self.open.remove(&key);
        }
        if let Some(timer) = followed.timer.take() {
            self.timers.remove(&(timer, key));
        }
        if followed.stream.has_backlog() {
            return;
        }
        self.awake.remove(&key);
        if let Some(next) = [next(followed, now), discard].into_iter().flatten().min() {
            let next = next.max(now + TURN_MIN);
            followed.timer = Some(next);
            self.timers.insert((next, key));
        }
    }

    /// Deletes a rotated or compressed file of which all is durable, if it is to be, or says when it will be.
    fn discard(&mut self, key: Key, now: Instant) -> Option<Instant> {
        let wait = self.settings.delete_after?;
        let followed = self.followed.get(&key)?;
        let stream = &followed.stream;
        // `web-2.log` may well be written to beside `web.log`; `web.log.1` is not.
        let (name, begun) = (stream.path.as_os_str().as_encoded_bytes(), stream.origin.path.as_deref());
        let is_behind = |path: &[u8]| name.len() > path.len() && name.starts_with(path);
        let is_rotated = stream.is_compressed()
            || begun.is_some_and(|begun| is_behind(begun.as_bytes()))
            || self
                .originals_of(&stream.path)
                .iter()
                .filter_map(|key| self.followed.get(key))
                .any(|original| is_behind(original.stream.path.as_os_str().as_encoded_bytes()));
        if followed.discarded || !followed.is_idle() || stream.is_unfinished() || stream.again.is_some() || !is_rotated
        {
            return None;
        }
        // Somebody may want to mend it.
        if stream.damage.is_some() {
            return None;
        }
        if followed.quiet(now) < wait {
            return Some(stream.grown + wait);
        }
        let is_it = |stat: &Stat| (stat.device, stat.inode, stat.size) == (stream.id.0, stream.id.1, stream.taken);
        if self.files.stat(&stream.path).is_ok_and(|stat| is_it(&stat)) {
            match self.files.remove(&stream.path) {
                Ok(()) => self.counts.deleted += 1,
                Err(cause) => tracing::warn!("{} cannot be deleted: {cause}", stream.path.display()),
            }
        }
        self.followed.get_mut(&key)?.discarded = true;
        None
    }

    /// The log has answered a batch.
    pub fn answered(&mut self, key: Key, answer: Result<Appended, AppendError>, now: Instant) {
        if let Some(followed) = self.followed.get_mut(&key) {
            followed.stream.answered(answer.map(|_| ()), now);
            self.note_held(key);
            self.awake.insert(key);
        }
    }

    /// Records that were given to the log and are not known to be durable.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.followed.values().map(|followed| followed.stream.unanswered()).sum()
    }

    /// When the next step is due if nothing happens before.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        // With too much in memory nothing is read, and an answer of the log wakes us.
        let soon = if self.held <= HELD_BYTES_MAX { now } else { now + TURN_MIN };
        let awake = (!self.awake.is_empty()).then_some(soon);
        let timer = self.timers.first().map(|(at, _)| *at);
        [awake, timer, self.suspects_due].into_iter().flatten().min()
    }
}

impl Followed {
    /// How long it has not grown.
    fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.stream.grown)
    }

    /// Whether all of a file that has a name is durable.
    fn is_idle(&self) -> bool {
        let stream = &self.stream;
        stream.at_end && stream.is_quiet() && !stream.has_partial() && self.gone.is_none()
    }
}

/// Says that what was there was truncated, replaced or deleted before it was read.
pub(super) fn say_lost(path: &Path, bytes: u64) {
    if bytes > 0 {
        tracing::warn!(
            "{}: {bytes} bytes were truncated or deleted before they were read, and are lost: rotate by renaming, and keep \
             what is rotated for as long as the spool may be full",
            path.display()
        );
    }
}

fn warn_of(damage: &str, path: &Path) {
    let path = path.display();
    tracing::warn!(
        "{path} is {damage}: check it with `gzip -t` or `zstd -t`; a whole copy under its name is read from its beginning"
    );
}

/// When a stream that has nothing to read has something to do.
fn next(followed: &Followed, now: Instant) -> Option<Instant> {
    let stream = &followed.stream;
    let partial = stream.at_end && stream.has_partial() && !followed.line_ended;
    let moments = [
        stream.due(BATCH_WAIT),
        stream.again.map(|(at, _)| at),
        stream.is_unsettled().then(|| stream.grown + JOIN_WAIT),
        partial.then(|| stream.grown + PARTIAL_WAIT),
        followed.gone.map(|_| now + GONE_POLL),
        (followed.is_idle() && stream.file.is_some()).then(|| stream.grown + OPEN_IDLE),
    ];
    moments.into_iter().flatten().min()
}
