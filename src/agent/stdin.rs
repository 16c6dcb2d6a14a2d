//! `app | logship agent --stdin`: what comes through a pipe goes into the spool as it does for `app | logship --server URL`
//! ([`crate::inputs::stdin`]), beside the other inputs; nothing is passed on.
//!
//! It begins with the agent and outlives changes of its settings: nobody could begin to read a pipe a second time.

use super::{AgentError, InputStatus};
use crate::{
    flow::{Gate, Intake, Origin, RawBatch},
    inputs::stdin::{CHUNKS_QUEUED_MAX, Framer, HANDOVER_WAIT, PipeCounters, Reader},
};
use crossbeam_channel::Receiver;
use std::{
    convert::Infallible,
    io::Read,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What its records pass before they are in the spool; settings may change it.
#[derive(Debug)]
struct Rules(RwLock<Option<Arc<dyn Gate>>>);

impl Gate for Rules {
    fn pass(&self, batch: &mut RawBatch) {
        if let Some(gate) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            gate.pass(batch);
        }
    }

    fn notes(&self, all: bool) -> Vec<RawBatch> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map_or_else(Vec::new, |gate| gate.notes(all))
    }
}

/// What the threads tell.
#[derive(Debug)]
struct Told {
    counters: Arc<PipeCounters>,
    /// Why it could not be read to its end.
    unreadable: Mutex<Option<String>>,
}

/// Stdin, while it is read.
#[derive(Debug)]
pub struct Stdin {
    told: Arc<Told>,
    rules: Arc<Rules>,
    stop: Arc<AtomicBool>,
    /// Nothing comes; it breaks off once all that came is in the spool.
    ended: Receiver<Infallible>,
    /// Why the first lost records were lost.
    framing: JoinHandle<Option<String>>,
}

impl Stdin {
    /// Reads `input`, whose lines are of `origin`, to its end. `intake` has no gate yet: they pass `gate`.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(
        input: impl Read + Send + 'static,
        origin: Origin,
        intake: Intake,
        gate: Option<Arc<dyn Gate>>,
    ) -> Result<Stdin, AgentError> {
        let no_thread = |cause| AgentError(format!("cannot start a thread: {cause}"));
        let counters = Arc::new(PipeCounters::of("stdin"));
        let told = Arc::new(Told { counters: counters.clone(), unreadable: Mutex::default() });
        let (stop, rules) = (Arc::new(AtomicBool::new(false)), Arc::new(Rules(RwLock::new(gate))));
        let (sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
        let (ending, ended) = crossbeam_channel::bounded(0);
        let framer = Framer::new(chunks, Some(intake.behind(Some(rules.clone()))), vec![origin], counters.clone());
        let stopping = stop.clone();
        let framing = move || {
            let failure = framer.run(&stopping);
            drop::<crossbeam_channel::Sender<Infallible>>(ending);
            failure.map(|why| why.to_string())
        };
        let framing = thread::Builder::new().name("stdin-frame".into()).spawn(framing).map_err(no_thread)?;
        let (mut reader, telling, stopping) = (Reader::new(0, sender, counters), told.clone(), stop.clone());
        // It cannot be waited for: a stop leaves it waiting for the app.
        let reading = move || {
            if let Err(cause) = reader.run(input, &stopping, &mut |_| {}) {
                let what = format!("cannot read stdin to its end: {cause}");
                *telling.unreadable.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
            }
        };
        thread::Builder::new().name("stdin".into()).spawn(reading).map_err(no_thread)?;
        Ok(Stdin { told, rules, stop, ended, framing })
    }

    /// From now on its records pass this before they are in the spool.
    pub fn pass(&self, gate: Option<Arc<dyn Gate>>) {
        *self.rules.0.write().unwrap_or_else(PoisonError::into_inner) = gate;
    }

    /// Breaks off once the input has ended and all of it is in the spool or counted as lost.
    #[must_use]
    pub fn ended(&self) -> Receiver<Infallible> {
        self.ended.clone()
    }

    /// What it has done.
    #[must_use]
    pub fn status(&self) -> InputStatus {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.told.counters;
        let (stored, lost) = (load(&counters.stored), load(&counters.not_stored));
        let received = load(&counters.records);
        InputStatus {
            name: format!("input.{}", counters.input),
            received,
            stored,
            dropped: (lost > 0).then(|| ("not_stored".to_owned(), lost)).into_iter().collect(),
            queued: received.saturating_sub(stored + lost),
            last_error: self.told.unreadable(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> Arc<PipeCounters> {
        self.told.counters.clone()
    }

    /// Stops reading and waits until all that was read is durable; what went wrong, in a sentence.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        self.stop.store(true, Ordering::Release);
        // A panic has been printed.
        let failure = self.framing.join().ok().flatten();
        self.told.unreadable().or_else(|| self.told.lost(failure))
    }
}

impl Told {
    fn unreadable(&self) -> Option<String> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lost(&self, failure: Option<String>) -> Option<String> {
        let lines = self.counters.lines_not_stored.load(Ordering::Relaxed);
        let why = failure.unwrap_or_else(|| format!("storing took longer than {} s", HANDOVER_WAIT.as_secs()));
        (lines > 0).then(|| format!("{lines} lines of stdin are lost ({why})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{AppendError, Appended, LogId, Pos};

    /// A log that answers each append with `answer`; what it was given.
    fn log(answer: Result<(), AppendError>) -> (Intake, JoinHandle<Vec<String>>) {
        let (intake, mut appends) = Intake::channel();
        let answering = move || {
            let mut lines = Vec::new();
            while let Some(append) = appends.blocking_recv() {
                let origin = &append.batch.origin;
                assert_eq!(origin.service.as_deref(), Some("shop"));
                let texts = append.batch.records.iter().map(|record| String::from_utf8_lossy(&record.bytes).into());
                lines.extend(texts);
                let position = Appended { log: LogId::from_bits(1), end: Pos(1), duplicate: false };
                let _ = append.answer.send(answer.clone().map(|()| position));
            }
            lines
        };
        (intake, thread::Builder::new().spawn(answering).unwrap())
    }

    fn origin() -> Origin {
        Origin { service: Some("shop".to_owned()), ..Origin::default() }
    }

    #[test]
    fn what_came_is_in_the_spool_when_it_has_ended() {
        let (intake, log) = log(Ok(()));
        let stdin = Stdin::start(&b"one\ntwo\nthree"[..], origin(), intake, None).unwrap();
        assert!(stdin.ended().recv().is_err());
        let status = stdin.status();
        assert_eq!((&*status.name, status.received, status.stored, status.queued), ("input.stdin", 3, 3, 0));
        assert_eq!(stdin.finish(), None);
        assert_eq!(log.join().unwrap(), ["one", "two", "three"]);
    }

    #[test]
    fn what_is_lost_is_counted_and_said() {
        let (intake, _log) = log(Err(AppendError::Full));
        let stdin = Stdin::start(&b"one\ntwo\n"[..], origin(), intake, None).unwrap();
        assert!(stdin.ended().recv().is_err());
        assert_eq!(stdin.status().dropped["not_stored"], 2);
        assert_eq!(stdin.finish().unwrap(), "2 lines of stdin are lost (no room is left in the log)");
    }

    /// Fails once what it holds is read.
    struct Broken(&'static [u8]);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::ErrorKind::ConnectionReset.into()),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn what_came_before_a_failure_is_kept() {
        let (intake, log) = log(Ok(()));
        let stdin = Stdin::start(Broken(b"one\ntwo\n"), origin(), intake, None).unwrap();
        let _ = stdin.ended().recv();
        assert!(stdin.finish().unwrap().starts_with("cannot read stdin to its end: "));
        assert_eq!(log.join().unwrap(), ["one", "two"]);
    }

    /// Leaves nothing of what passes it.
    #[derive(Debug)]
    struct Shut;

    impl Gate for Shut {
        fn pass(&self, batch: &mut RawBatch) {
            batch.records.clear();
        }
    }

    #[test]
    fn other_rules_hold_from_then_on() {
        let (sender, pieces) = crossbeam_channel::unbounded::<&[u8]>();
        struct Pieces(Receiver<&'static [u8]>);
        impl Read for Pieces {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let piece = self.0.recv().unwrap_or_default();
                buffer[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let (intake, log) = log(Ok(()));
        let stdin = Stdin::start(Pieces(pieces), origin(), intake, None).unwrap();
        sender.send(b"one\n").unwrap();
        while stdin.status().stored < 1 {
            thread::yield_now();
        }
        stdin.pass(Some(Arc::new(Shut)));
        sender.send(b"two\n").unwrap();
        drop(sender);
        assert!(stdin.ended().recv().is_err());
        assert_eq!(stdin.finish(), None);
        assert_eq!(log.join().unwrap(), ["one"]);
    }
}
