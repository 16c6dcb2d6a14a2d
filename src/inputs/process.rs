//! A program that is run: `logship run -- CMD`.
//!
//! Its stdout and stderr are pipes of ours, its stdin is our own. It stays in our process group, so that the shell's job
//! control and the keys of a terminal mean the same as without us.
//!
//! **Signals.** What is sent to us ([`FORWARDED`]) is sent on to the program. What the kernel sends from a terminal (Ctrl-C,
//! Ctrl-\, a resize, the end of the terminal) goes to the whole foreground group, so the program has it already, and it is not
//! sent on. (Linux says who sent a signal; where a system does not, the program may get Ctrl-C twice.) A signal that somebody
//! sends to the whole group by hand (`kill -TERM -PGID`, systemd without `KillMode=mixed`) cannot be told from one for us
//! alone: the program gets it twice. A signal that was ignored when we started (`nohup`) stays ignored, by the program too.
//!
//! **Children.** Every child that ends is reaped: as PID 1 of a container that is every orphan in it. Elsewhere orphans are
//! left to the system's own PID 1: a subreaper would change who their parent is and gain nothing. Nothing else in this process
//! may have children: they would be reaped here.
//!
//! **Our own end.** Killed by SIGKILL, we leave the program running with nobody at the other end of its pipes: its next write
//! to stdout or stderr ends it by SIGPIPE, or fails with EPIPE where it ignores that. (In a container whose PID 1 we are, the
//! kernel ends it at once.)
//!
//! One thread does both, so that no signal can reach a stranger who got the program's number after it was reaped.

use crossbeam_channel::{Receiver, Sender};
use rustix::{
    io::Errno,
    process::{Pid, Resource, Rlimit, Signal, WaitOptions, getrlimit, kill_process, setrlimit, wait},
};
use signal_hook::{
    consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH},
    iterator::{SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::Cause,
};
use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    io::Read,
    path::Path,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::Builder,
};

/// What is sent on to the program.
pub const FORWARDED: &[(i32, Signal)] = &[
    (SIGCONT, Signal::CONT),
    (SIGHUP, Signal::HUP),
    (SIGINT, Signal::INT),
    (SIGQUIT, Signal::QUIT),
    (SIGTERM, Signal::TERM),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
    (SIGWINCH, Signal::WINCH),
];
/// Those that ask to end: once the program has ended they are for us.
const ENDING: &[i32] = &[SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned this code.
    Code(u8),
    /// This signal ended it.
    Signal(i32),
}

/// Why a program does not run.
#[derive(Debug)]
pub enum StartError {
    /// There is none of that name.
    NotFound(String),
    /// There is one, and it cannot be run.
    NotRunnable(String),
    /// Signals cannot be watched, or no thread can be started.
    Own(String),
}

impl StartError {
    /// The exit code, as a shell has it.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            StartError::NotFound(_) => 127,
            StartError::NotRunnable(_) => 126,
            StartError::Own(_) => 1,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (StartError::NotFound(what) | StartError::NotRunnable(what) | StartError::Own(what)) = self;
        f.write_str(what)
    }
}

/// A running program.
#[derive(Debug)]
pub struct App {
    /// What it prints.
    pub stdout: ChildStdout,
    /// What it says besides.
    pub stderr: ChildStderr,
    /// How it ended, once it has.
    pub ended: Receiver<Ended>,
}

/// Starts a program. A signal that asks to end and comes after the program's own end sets `late`.
///
/// # Errors
/// The program is not there or cannot be run; nothing is left behind.
pub fn start(program: &OsStr, arguments: &[OsString], late: Arc<AtomicBool>) -> Result<App, StartError> {
    let ignored = ignored_from_start();
    let watched = FORWARDED.iter().map(|(number, _)| *number).filter(|number| ignored >> (number - 1) & 1 == 0);
    // Before the program starts, so that no signal ends us and leaves it.
    let signals = SignalsInfo::<WithOrigin>::new(watched.chain([SIGCHLD]))
        .map_err(|cause| StartError::Own(format!("cannot watch signals: {cause}")))?;
    let mut command = Command::new(program);
    let spawned = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|cause| refused(program, &cause))?;
    let (sender, ended) = crossbeam_channel::bounded(1);
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (Some(pid), Some(stdout), Some(stderr)) = (pid, child.stdout.take(), child.stderr.take()) else {
        return Err(StartError::Own("the program has no pipes".to_owned()));
    };
    let attending = Builder::new().name("signals".into()).spawn(move || attend(signals, pid, &sender, &late));
    match attending {
        Ok(_) => Ok(App { stdout, stderr, ended }),
        Err(cause) => Err(abandoned(child, &cause)),
    }
}

/// Nobody would tell how it ends.
fn abandoned(mut child: Child, cause: &io::Error) -> StartError {
    let _ = child.kill();
    let _ = child.wait();
    StartError::Own(format!("cannot start a thread: {cause}"))
}

fn refused(program: &OsStr, cause: &io::Error) -> StartError {
    let name = Path::new(program).display();
    match cause.kind() {
        io::ErrorKind::NotFound if Path::new(program).is_file() => {
            StartError::NotFound(format!("cannot run {name}: the interpreter or loader that it names is not there"))
        }
        io::ErrorKind::NotFound if program.as_encoded_bytes().contains(&b'/') => {
            StartError::NotFound(format!("cannot run {name}: there is no such file"))
        }
        io::ErrorKind::NotFound => StartError::NotFound(format!(
            "cannot run {name}: no program of that name in PATH (shell syntax needs a shell: -- sh -c '..')"
        )),
        _ => StartError::NotRunnable(format!("cannot run {name}: {cause}")),
    }
}

/// A bit for each signal that whoever started us has set to be ignored, the lowest for signal 1.
fn ignored_from_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Sends signals on, and reaps, as long as the process lives.
fn attend(mut signals: SignalsInfo<WithOrigin>, app: Pid, ended: &Sender<Ended>, late: &AtomicBool) {
    let mut alive = true;
    for origin in signals.forever() {
        if origin.signal == SIGCHLD {
            if let Some(how) = reap(app) {
                alive = false;
                let _ = ended.try_send(how);
            }
        } else if alive {
            let forwarded = FORWARDED.iter().find(|(number, _)| *number == origin.signal);
            // The terminal's own reach the whole group.
            if let (Some((_, signal)), false) = (forwarded, origin.cause == Cause::Kernel) {
                // It may be a zombie already.
                let _ = kill_process(app, *signal);
            }
        } else if ENDING.contains(&origin.signal) {
            late.store(true, Ordering::Release);
        }
    }
}

/// Reaps all that have ended; how the program did, if it is among them.
fn reap(app: Pid) -> Option<Ended> {
    let mut how = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == app => {
                let code = status.exit_status().map(|code| Ended::Code(code.to_le_bytes()[0]));
                how = code.or(status.terminating_signal().map(Ended::Signal)).or(how);
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(_) => return how,
        }
    }
}

/// Ends this process the way its program ended: by the same signal where that is possible (PID 1 cannot be killed by its
/// own), else with the code 128 + N that shells have for it, which is returned.
#[must_use]
pub fn end_by(signal: i32) -> u8 {
    if std::process::id() != 1 {
        // The program has left its core, where one is wanted; ours would hide it.
        let limit = Rlimit { current: Some(0), ..getrlimit(Resource::Core) };
        let _ = setrlimit(Resource::Core, limit);
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        // One that the call above does not know, such as a real-time signal.
        let _ = signal_hook::low_level::raise(signal);
    }
    u8::try_from(signal).unwrap_or(127).saturating_add(128)
}

/// Whether anything may still come from the streams of a program that has ended.
#[derive(Debug, Default)]
pub struct Activity {
    /// Readers that wait for bytes.
    waiting: AtomicU64,
    /// Reads that have ended.
    reads: AtomicU64,
}

impl Activity {
    /// A number that stays the same while all of `readers` wait and nothing comes; `None` while one of them is busy.
    #[must_use]
    pub fn silence(&self, readers: u64) -> Option<u64> {
        let reads = self.reads.load(Ordering::Acquire);
        (self.waiting.load(Ordering::Acquire) >= readers).then_some(reads)
    }
}

/// A stream whose activity is seen.
#[derive(Debug)]
pub struct Watched<R> {
    inner: R,
    activity: Arc<Activity>,
}

impl<R: Read> Watched<R> {
    /// Notes in `activity` what is read from `inner`.
    #[must_use]
    pub fn new(inner: R, activity: Arc<Activity>) -> Watched<R> {
        Watched { inner, activity }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.activity.waiting.fetch_add(1, Ordering::AcqRel);
        let outcome = self.inner.read(buffer);
        self.activity.reads.fetch_add(1, Ordering::AcqRel);
        // A stream at its end waits for ever.
        if !matches!(outcome, Ok(0)) {
            self.activity.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        outcome
    }
}
