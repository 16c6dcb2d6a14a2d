//! Requests on their way at the same time, as many as the server is good for.
//!
//! The limit grows by one when as many requests as it allows were good, and halves when the server is overloaded or away: additive
//! increase, multiplicative decrease. Threads are started when they are needed and hold one request each.

use super::{Answer, Client, Request, Unanswered};
use crate::{clock, flow::Stop};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

/// Most requests at a time, whatever is asked for: each has a thread.
pub(in super::super) const REQUESTS_MAX: usize = 64;
/// Requests at a time before anything is known of a server.
const BEGIN: usize = 2;
/// What requests have to end after a request to stop.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// How often a request to stop is looked for.
const LOOK: Duration = Duration::from_millis(250);

/// What an answer means for those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// More of that.
    Good,
    /// Nothing more for now: the server has too much to do, or is away.
    Overloaded,
}

/// What became of a request.
pub(in super::super) type Outcome = Result<Answer, Unanswered>;

struct Job {
    number: usize,
    request: Request,
    done: Sender<(usize, Outcome)>,
}

/// Threads that make requests.
#[derive(Debug)]
pub(in super::super) struct Pool {
    client: Client,
    jobs: Sender<Job>,
    taken: Receiver<Job>,
    threads: usize,
    /// How many may be on their way, and the most that it may become.
    limit: usize,
    most: usize,
    /// Good ones since the limit changed.
    good: usize,
}

impl Pool {
    pub(in super::super) fn new(client: Client, most: usize) -> Pool {
        let most = most.clamp(1, REQUESTS_MAX);
        let (jobs, taken) = bounded(REQUESTS_MAX);
        Pool { client, jobs, taken, threads: 0, limit: BEGIN.min(most), most, good: 0 }
    }

    /// Makes requests in their order until the server has enough, and has each outcome judged as it comes. Those that are not judged
    /// in the end were not sent, or may have arrived.
    ///
    /// # Errors
    /// There are no more threads.
    pub(in super::super) fn run(
        &mut self,
        requests: impl Iterator<Item = Request>,
        stop: &Stop,
        judge: &mut dyn FnMut(usize, Outcome) -> Verdict,
    ) -> io::Result<()> {
        let (done, outcomes) = bounded(self.most);
        let mut requests = requests.enumerate();
        let (mut on_their_way, mut is_over) = (0, false);
        let mut asked: Option<Instant> = None;
        loop {
            while !is_over && on_their_way < self.limit {
                let Some((number, request)) = requests.next() else {
                    is_over = true;
                    break;
                };
                self.start_thread(on_their_way)?;
                let job = Job { number, request, done: done.clone() };
                self.jobs.send(job).map_err(|_| io::Error::other("the threads for requests are gone"))?;
                on_their_way += 1;
            }
            if on_their_way == 0 {
                return Ok(());
            }
            match outcomes.recv_timeout(LOOK) {
                Ok((number, outcome)) => {
                    on_their_way -= 1;
                    let verdict = judge(number, outcome);
                    is_over |= verdict == Verdict::Overloaded;
                    self.learn(verdict, on_their_way);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let now = clock::instant();
                    if stop.is_requested() && clock::since(*asked.get_or_insert(now)) >= STOP_WAIT {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn learn(&mut self, verdict: Verdict, on_their_way: usize) {
        match verdict {
            // A limit that nothing reaches says nothing of the server.
            Verdict::Good if on_their_way + 1 >= self.limit => {
                self.good += 1;
                if self.good >= self.limit && self.limit < self.most {
                    (self.limit, self.good) = (self.limit + 1, 0);
                }
            }
            Verdict::Good => {}
            // Once a run: nothing follows the first.
            Verdict::Overloaded => (self.limit, self.good) = ((self.limit / 2).max(1), 0),
        }
    }

    fn start_thread(&mut self, busy: usize) -> io::Result<()> {
        if busy < self.threads {
            return Ok(());
        }
        let (client, taken) = (self.client.clone(), self.taken.clone());
        let work = move || {
            for Job { number, request, done } in taken {
                let outcome = catch_unwind(AssertUnwindSafe(|| client.ask(&request)));
                let failed =
                    || Unanswered { cause: "the request failed in a way that is a bug".into(), is_no_request: false };
                // Nobody waits for it after a stop.
                _ = done.try_send((number, outcome.unwrap_or_else(|_| Err(failed()))));
            }
        };
        thread::Builder::new().name("request".to_owned()).spawn(work)?;
        self.threads += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_server() {
        let tls = super::super::super::testing::no_tls();
        let client = super::super::super::testing::client(&tls);
        let mut pool = Pool::new(client, 5);
        let good = |pool: &mut Pool, count: usize| (0..count).for_each(|_| pool.learn(Verdict::Good, pool.limit - 1));
        assert_eq!(pool.limit, 2);
        good(&mut pool, 2);
        assert_eq!(pool.limit, 3);
        good(&mut pool, 3 + 4 + 50);
        assert_eq!(pool.limit, 5, "never more than allowed");
        pool.learn(Verdict::Overloaded, 0);
        assert_eq!(pool.limit, 2);
        pool.learn(Verdict::Overloaded, 0);
        pool.learn(Verdict::Overloaded, 0);
        assert_eq!(pool.limit, 1);
        (0..50).for_each(|_| pool.learn(Verdict::Good, 0));
        assert_eq!(pool.limit, 2, "one request at a time does not show what two would do");
    }
}
