//! How plain threads learn that they should stop, also while they wait for a socket.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A request to stop that is made once and seen by all clones.
///
/// ```
/// use logship::flow::Stop;
/// use std::time::Duration;
/// let stop = Stop::new().unwrap();
/// let seen = stop.clone();
/// stop.request();
/// assert!(seen.wait(Duration::from_secs(3_600)));
/// ```
#[derive(Clone, Debug)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_requested: AtomicBool,
    /// Readable from the request on, and never read.
    event: OwnedFd,
}

/// What a thread waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// There is something to read, or the other side has gone.
    Readable,
    /// The time is over.
    Late,
    /// It should stop.
    Stop,
}

impl Stop {
    /// One that nobody has asked for.
    ///
    /// # Errors
    /// The process has no file descriptor left.
    pub fn new() -> io::Result<Stop> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Stop(Arc::new(Inner { is_requested: AtomicBool::new(false), event })))
    }

    /// Asks all who hold a clone to stop.
    pub fn request(&self) {
        self.0.is_requested.store(true, Ordering::Release);
        // It cannot overflow: it is written a few times in the life of a process.
        _ = rustix::io::write(&self.0.event, &1_u64.to_ne_bytes());
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_requested.load(Ordering::Acquire)
    }

    /// Waits so long, or until somebody asks: whether somebody has.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(&self.0.event, PollFlags::IN)];
        // An interrupted wait is a short one: who waits in a loop waits again.
        _ = poll(&mut fds, timespec(patience).as_ref());
        self.is_requested()
    }

    /// Waits until a socket or pipe can be read, for so long at most where there is a limit.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn readable(&self, source: impl AsFd, patience: Option<Duration>) -> io::Result<Woken> {
        let mut fds = [PollFd::new(&self.0.event, PollFlags::IN), PollFd::new(&source, PollFlags::IN)];
        let timeout = patience.and_then(timespec);
        loop {
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) if self.is_requested() => return Ok(Woken::Stop),
                Ok(0) => return Ok(Woken::Late),
                Ok(_) => return Ok(Woken::Readable),
                Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }
}

/// `None` for longer than can be said, which is as good as for ever.
fn timespec(patience: Duration) -> Option<Timespec> {
    Timespec::try_from(patience).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_comes_first() {
        let stop = Stop::new().unwrap();
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(stop.readable(&near, Some(Duration::ZERO)).unwrap(), Woken::Late);
        assert!(!stop.wait(Duration::ZERO));
        std::io::Write::write_all(&mut far, b"x").unwrap();
        assert_eq!(stop.readable(&near, None).unwrap(), Woken::Readable);
        stop.clone().request();
        assert_eq!(stop.readable(&near, None).unwrap(), Woken::Stop);
        assert!(stop.wait(Duration::MAX));
    }
}
