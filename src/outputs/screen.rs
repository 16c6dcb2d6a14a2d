//! Printing on a thread of its own, so that whoever reads stdout slowly, or not at all, delays nothing but the printing.
//!
//! Bytes wait in a queue of at most [`QUEUED_BYTES_MAX`]. When it is full, the reader of the input waits up to [`SHOW_WAIT`],
//! so that a stdout that is merely slower than the app slows the app down, as any pipe does; then bytes are left out and
//! counted, without waiting again until half of the queue has been printed. What stores is never asked to wait.

use super::tee::Tee;
use crate::{clock, codecs::lines::Gap};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::Builder,
    time::{Duration, Instant},
};

/// Bytes that wait to be printed.
pub const QUEUED_BYTES_MAX: usize = 4 << 20;
/// How long the app may be held up by a stdout that takes nothing.
pub const SHOW_WAIT: Duration = Duration::from_millis(500);
/// What a queued chunk costs beside its bytes.
const CHUNK_OVERHEAD: usize = 64;
/// How long the input is quiet before [`Show::settle`] is called.
const QUIET: Duration = Duration::from_millis(logship_parsers::join::JOIN_WAIT_MS);
/// How often the end looks whether it was told to hurry.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Prints the bytes of a pipe in some form. Each call says whether anybody still reads.
pub trait Show: Send {
    /// Prints what can be printed of these bytes and the ones before.
    fn show(&mut self, chunk: &[u8]) -> bool;
    /// Bytes are missing here.
    fn gap(&mut self, gap: Gap);
    /// Nothing has come for a while: prints what waits for more of its kind.
    fn settle(&mut self) -> bool;
    /// The input has ended.
    fn end(&mut self) -> bool;
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<(Option<Gap>, Bytes)>,
    weight: usize,
    /// Missing since the last chunk of the queue.
    gap: Option<Gap>,
    /// Line ends that were left out, and whether any byte was.
    left_out: Option<u64>,
    /// The queue was full, and is not half empty yet.
    behind: bool,
    /// Nothing more comes.
    ended: bool,
    /// Nobody reads any more.
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the printing thread does next.
enum Next {
    Show(Option<Gap>, Bytes),
    Settle,
    End(Option<Gap>),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, chunk: &Bytes, patience: Duration) {
        let weight = chunk.len() + CHUNK_OVERHEAD;
        let full = |state: &mut State| state.weight + weight > QUEUED_BYTES_MAX && !state.closed;
        let mut state = self.lock();
        if state.behind {
            state.behind = state.weight > QUEUED_BYTES_MAX / 2;
        } else {
            let waited = self.changed.wait_timeout_while(state, patience, full);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.behind = full(&mut state);
        }
        if state.closed || state.ended {
            return;
        }
        if state.behind {
            let mut lost = Gap::default();
            lost.extend(chunk);
            *state.left_out.get_or_insert(0) += lost.line_ends();
            state.gap.get_or_insert_default().extend(chunk);
        } else {
            let gap = state.gap.take();
            state.weight += weight;
            state.chunks.push_back((gap, chunk.clone()));
            self.changed.notify_all();
        }
    }

    /// Waits for something to do, for ever or for [`QUIET`].
    fn take(&self, settled: bool) -> Next {
        let idle = |state: &mut State| state.chunks.is_empty() && !state.ended;
        let mut state = self.lock();
        state = if settled {
            self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner)
        } else {
            self.changed.wait_timeout_while(state, QUIET, idle).unwrap_or_else(PoisonError::into_inner).0
        };
        match state.chunks.pop_front() {
            Some((gap, chunk)) => {
                state.weight -= chunk.len() + CHUNK_OVERHEAD;
                self.changed.notify_all();
                Next::Show(gap, chunk)
            }
            None if state.ended => Next::End(state.gap.take()),
            None => Next::Settle,
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.chunks.clear();
        self.changed.notify_all();
    }

    /// Lines that were left out or still wait; a part of a line counts if it is all there was.
    fn lines_not_shown(&self) -> u64 {
        let state = self.lock();
        let mut waiting = Gap::default();
        state.chunks.iter().for_each(|(_, chunk)| waiting.extend(chunk));
        let some = state.left_out.is_some() || !state.chunks.is_empty();
        (state.left_out.unwrap_or(0) + waiting.line_ends()).max(u64::from(some))
    }

    fn print(&self, show: &mut dyn Show) {
        let mut settled = true;
        loop {
            let next = self.take(settled);
            settled = matches!(next, Next::Settle);
            let read = match next {
                Next::Show(gap, chunk) => {
                    gap.into_iter().for_each(|gap| show.gap(gap));
                    show.show(&chunk)
                }
                Next::Settle => show.settle(),
                Next::End(gap) => {
                    gap.into_iter().for_each(|gap| show.gap(gap));
                    show.end();
                    return;
                }
            };
            if !read {
                return self.close();
            }
        }
    }
}

/// Takes the bytes of a pipe for the printing thread.
#[derive(Debug)]
pub struct Screen(Arc<Queue>);

impl Tee for Screen {
    fn pass(&mut self, chunk: &Bytes) {
        self.0.offer(chunk, SHOW_WAIT);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The running printing thread.
#[derive(Debug)]
pub struct Printing {
    queue: Arc<Queue>,
    done: Receiver<()>,
}

/// Starts printing.
///
/// # Errors
/// The thread could not be started.
pub fn start(mut show: impl Show + 'static) -> io::Result<(Screen, Printing)> {
    let queue = Arc::new(Queue::default());
    let (running, done) = crossbeam_channel::bounded(1);
    let printed = queue.clone();
    Builder::new().name("stdout".into()).spawn(move || {
        printed.print(&mut show);
        drop(running);
    })?;
    Ok((Screen(queue.clone()), Printing { queue, done }))
}

impl Printing {
    /// Waits until everything is printed or nobody reads any more; once `stop` is set, no longer than [`SHOW_WAIT`].
    /// Returns how many lines were not shown.
    #[must_use]
    pub fn finish(self, stop: &AtomicBool) -> u64 {
        let mut stopping: Option<Instant> = None;
        while self.done.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            if !stop.load(Ordering::Acquire) {
                continue;
            }
            self.queue.end();
            if clock::since(*stopping.get_or_insert_with(clock::instant)) >= SHOW_WAIT {
                break;
            }
        }
        self.queue.lines_not_shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints when it is allowed to, and notes what it is given.
    struct Allowed {
        allowed: Receiver<()>,
        shown: Arc<Mutex<Vec<String>>>,
        reads: bool,
    }

    impl Allowed {
        fn note(&self, what: String) -> bool {
            self.shown.lock().unwrap().push(what);
            self.reads
        }
    }

    impl Show for Allowed {
        fn show(&mut self, chunk: &[u8]) -> bool {
            let _ = self.allowed.recv();
            self.note(format!("{}", chunk.len()))
        }
        fn gap(&mut self, gap: Gap) {
            self.note(format!("gap {} {}", gap.line_ends(), gap.ends_inside_line()));
        }
        fn settle(&mut self) -> bool {
            true
        }
        fn end(&mut self) -> bool {
            self.note("end".to_owned())
        }
    }

    fn printing(reads: bool) -> (Screen, Printing, crossbeam_channel::Sender<()>, Arc<Mutex<Vec<String>>>) {
        let (allow, allowed) = crossbeam_channel::bounded(64);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (screen, printing) = start(Allowed { allowed, shown: shown.clone(), reads }).unwrap();
        (screen, printing, allow, shown)
    }

    #[test]
    fn a_stuck_stdout_holds_nobody_up_and_what_it_misses_is_counted() {
        let (screen, printing, allow, shown) = printing(true);
        let half = Bytes::from(vec![b'\n'; QUEUED_BYTES_MAX / 2 - CHUNK_OVERHEAD]);
        screen.0.offer(&Bytes::from_static(b"a\n"), Duration::ZERO);
        while !screen.0.lock().chunks.is_empty() {
            std::thread::yield_now();
        }
        for chunk in [&half, &half, &Bytes::from_static(b"b\nc"), &Bytes::from_static(b"\nd")] {
            screen.0.offer(chunk, Duration::ZERO);
        }
        assert_eq!(screen.0.lock().weight, QUEUED_BYTES_MAX, "the queue is bounded");
        drop(screen);
        drop(allow);
        assert_eq!(printing.finish(&AtomicBool::new(false)), 2);
        let (size, shown) = (half.len().to_string(), shown.lock().unwrap());
        assert_eq!(*shown, ["2", &size, &size, "gap 2 true", "end"]);
    }

    #[test]
    fn a_stop_does_not_wait_for_a_stuck_stdout() {
        let (screen, printing, allow, _) = printing(true);
        for _ in 0..3 {
            screen.0.offer(&Bytes::from_static(b"a\n"), Duration::ZERO);
        }
        while screen.0.lock().chunks.len() != 2 {
            std::thread::yield_now();
        }
        assert_eq!(printing.finish(&AtomicBool::new(true)), 2);
        drop((screen, allow));
    }

    #[test]
    fn a_closed_stdout_misses_nothing() {
        let (mut screen, printing, allow, shown) = printing(false);
        drop(allow);
        screen.pass(&Bytes::from_static(b"a\n"));
        while !screen.0.lock().closed {
            std::thread::yield_now();
        }
        screen.pass(&Bytes::from_static(b"b\n"));
        assert_eq!(printing.finish(&AtomicBool::new(false)), 0);
        assert_eq!(*shown.lock().unwrap(), ["2"]);
    }
}
