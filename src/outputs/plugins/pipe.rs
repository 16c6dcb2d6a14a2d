//! `pipe { command => "sort -u > out" }`: events to the standard input of programs, by default a JSON object a line.
//!
//! The command is for `sh`. Other than in Logstash, values of the event in it may not mean anything to the shell: an event with a
//! value that has more than letters, digits and `_ - . , : / @ + = %` is refused. What a program writes goes where the output of this
//! process goes. One that ended with an error is told of, once for each command and error.
//!
//! Promises: a program that does not read is waited for; one that ended is started again, and lines that it had not taken whole go
//! to the next. What it took and did not work on is lost with it. At the end programs have [`END_WAIT`] to end after their input has.
//!
//! Limits: [`PIPES_MAX`] programs run, the one used longest ago is ended for another.

use super::{Encoded, Output, OutputKind, Refused, Sink, SinkError};
use crate::{
    clock,
    config::Options,
    event::{Event, Timestamp, json, render::render},
    flow::Stop,
};
use logship_parsers::config::{Piece, Template, typed};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, PidfdFlags, pidfd_open},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Write as _},
    os::{fd::AsFd, unix::process::ExitStatusExt as _},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Most programs that run at a time.
pub const PIPES_MAX: usize = 64;
/// What a program has to end after its input has.
pub const END_WAIT: Duration = Duration::from_secs(5);
/// Errors of programs that are remembered as told; then they may be told again.
pub const TOLD_MAX: usize = 1_000;
/// How long a program may not read before a request to stop is looked for.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

pub(super) const KIND: OutputKind = OutputKind {
    name: "pipe",
    summary: "Standard input of programs",
    options: &["command", "message_format", "ttl"],
    needs_log: false,
    build,
};

struct Pipe {
    /// The pieces of the command, and whether they are from the event.
    command: Vec<(Template, bool)>,
    format: Option<Template>,
    ttl: Option<Duration>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let command: Template = options.required("command", typed::template)?;
    let is_value = |piece: &Piece| matches!(piece, Piece::Field { .. });
    let command = command.pieces.into_iter().map(|piece| {
        let is_value = is_value(&piece);
        (Template { pieces: vec![piece] }, is_value)
    });
    let ttl = options.or("ttl", typed::number, 10.0);
    let ttl = Duration::try_from_secs_f64(ttl).ok().filter(|ttl| !ttl.is_zero());
    Some(Box::new(Pipe { command: command.collect(), format: options.get("message_format", typed::template), ttl }))
}

impl Pipe {
    /// The command of an event, where all of its values mean nothing to a shell.
    fn command(&self, event: &Event, now: Timestamp) -> Option<String> {
        let mut command = String::new();
        for (piece, is_value) in &self.command {
            let from = command.len();
            render(piece, event, now, &mut command);
            let is_plain = |c: char| c.is_alphanumeric() || "_-.,:/@+=%".contains(c);
            if *is_value && !command.get(from..).unwrap_or_default().chars().all(is_plain) {
                return None;
            }
        }
        Some(command)
    }
}

impl Output for Pipe {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        match &self.format {
            Some(format) => render(format, event, now, out.text_mut()),
            None => json::write_event(out.text_mut(), event, None),
        }
        out.text_mut().push('\n');
        match self.command(event, now) {
            Some(command) => out.end(command, None),
            None => out.end("", Some(event)),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        let (running, told) = (HashMap::new(), Told::default());
        Ok(Box::new(Programs { ttl: self.ttl, running, told, uses: 0, cleaned: (clock::instant(), 0) }))
    }
}

/// How programs ended with an error: what was told already.
type Told = Arc<Mutex<BTreeSet<String>>>;

struct Programs {
    ttl: Option<Duration>,
    running: HashMap<String, Program>,
    told: Told,
    /// Counts uses, so that the program used longest ago is known.
    uses: u64,
    /// When programs that nobody writes to were ended last, and the count of uses then.
    cleaned: (Instant, u64),
}

struct Program {
    command: String,
    child: Child,
    told: Told,
    /// None once it has ended.
    stdin: Option<ChildStdin>,
    /// The rest of a line that it has taken the beginning of.
    rest: Vec<u8>,
    used: u64,
}

impl Sink for Programs {
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        let mut done = 0;
        let mut outcome = Ok(());
        {
            let items: Vec<_> = batch.items().collect();
            for run in items.chunk_by(|(_, one), (_, other)| one.to == other.to && other.event.is_none()) {
                let Some((_, first)) = run.first() else { continue };
                if let Some(event) = &first.event {
                    let reason = "a value in its command may mean something to the shell, or is missing".to_owned();
                    refused.push(Refused { event: event.clone(), reason });
                    done += 1;
                    continue;
                }
                let texts: Vec<&str> = run.iter().map(|(text, _)| *text).collect();
                outcome = self.write(&first.to, &texts, &mut done, stop);
                if outcome.is_err() {
                    break;
                }
            }
        }
        batch.done(done);
        outcome?;
        self.end_stale();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        for (command, program) in &mut self.running {
            program.write_rest(None).map_err(|cause| SinkError::again(format!("`{command}`: {cause}")))?;
        }
        Ok(())
    }
}

impl Programs {
    /// Writes lines to a program, adding to `done` those that it took.
    fn write(&mut self, command: &str, lines: &[&str], done: &mut usize, stop: &Stop) -> Result<(), SinkError> {
        let failed = |cause: io::Error| SinkError::again(format!("`{command}`: {cause}"));
        let mut lines = lines;
        for attempt in 0..2 {
            let program = self.started(command).map_err(failed)?;
            let (taken, outcome) = program.write(lines, stop);
            *done += taken;
            lines = lines.get(taken..).unwrap_or_default();
            match outcome {
                Ok(()) => return Ok(()),
                Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
                    self.running.remove(command);
                    if attempt > 0 {
                        return Err(failed(io::Error::other("it ends before it has read its input")));
                    }
                }
                Err(cause) => return Err(failed(cause)),
            }
        }
        Ok(())
    }

    fn started(&mut self, command: &str) -> io::Result<&mut Program> {
        self.uses += 1;
        if !self.running.contains_key(command) && self.running.len() >= PIPES_MAX {
            let oldest =
                self.running.iter().min_by_key(|(_, program)| program.used).map(|(command, _)| command.clone());
            self.running.remove(&oldest.unwrap_or_default());
        }
        let program = match self.running.remove(command) {
            Some(program) => program,
            None => Program::start(command, &self.told)?,
        };
        let program = self.running.entry(command.to_owned()).insert_entry(program).into_mut();
        program.used = self.uses;
        Ok(program)
    }

    fn end_stale(&mut self) {
        let (since, uses) = self.cleaned;
        if self.ttl.is_some_and(|ttl| clock::since(since) >= ttl) {
            self.running.retain(|_, program| program.used > uses);
            self.cleaned = (clock::instant(), self.uses);
        }
    }
}

impl Program {
    fn start(command: &str, told: &Told) -> io::Result<Program> {
        let mut child = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().ok_or_else(|| io::Error::other("it has no standard input"))?;
        // Only so can a program that never reads be given up when this process has to end.
        fcntl_setfl(&stdin, fcntl_getfl(&stdin)? | OFlags::NONBLOCK)?;
        let (command, told) = (command.to_owned(), told.clone());
        Ok(Program { command, child, told, stdin: Some(stdin), rest: Vec::new(), used: 0 })
    }

    /// Says once that it ended so.
    fn tell(&self, error: String) {
        let told = format!("`{}` ended {error}", self.command);
        let mut known = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= TOLD_MAX {
            known.clear();
        }
        if !known.contains(&told) {
            tracing::warn!("{told}: what it took and did not work on is lost");
            known.insert(told);
        }
    }

    /// Writes lines; how many it has taken, where the rest of one is kept.
    fn write(&mut self, lines: &[&str], stop: &Stop) -> (usize, io::Result<()>) {
        if let Err(cause) = self.write_rest(Some(stop)) {
            return (0, Err(cause));
        }
        let text = lines.concat();
        let (written, outcome) = self.put(text.as_bytes(), Some(stop));
        if outcome.is_ok() {
            return (lines.len(), outcome);
        }
        let is_gone = outcome.as_ref().is_err_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
        let (mut taken, mut end) = (0, 0);
        for line in lines {
            end += line.len();
            if end > written && (is_gone || end - line.len() >= written) {
                break;
            }
            taken += 1;
            if end > written {
                self.rest = text.as_bytes().get(written..end).unwrap_or_default().to_vec();
                break;
            }
        }
        (taken, outcome)
    }

    fn write_rest(&mut self, stop: Option<&Stop>) -> io::Result<()> {
        let rest = std::mem::take(&mut self.rest);
        let (written, outcome) = self.put(&rest, stop);
        if outcome.is_err() {
            self.rest = rest.get(written..).unwrap_or_default().to_vec();
        }
        outcome
    }

    /// Writes bytes, however long that takes, until a request to stop; without one to look for, until it would have to wait.
    fn put(&mut self, bytes: &[u8], stop: Option<&Stop>) -> (usize, io::Result<()>) {
        let Some(stdin) = &mut self.stdin else { return (0, Err(io::ErrorKind::BrokenPipe.into())) };
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match stdin.write(rest) {
                Ok(more) => written += more,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::new(&*stdin, PollFlags::OUT)];
                    let is_ready = poll(&mut fds, Some(&PATIENCE)).is_ok_and(|ready| ready > 0);
                    if !is_ready && stop.is_none_or(Stop::is_requested) {
                        return (written, Err(io::Error::other("it does not read its input")));
                    }
                }
                Err(cause) => return (written, Err(cause)),
            }
        }
        (written, Ok(()))
    }
}

impl Drop for Programs {
    /// All of them end at the same time.
    fn drop(&mut self) {
        self.running.values_mut().for_each(|program| program.stdin = None);
    }
}

impl Drop for Program {
    /// Ends its input and waits until it has worked on it.
    fn drop(&mut self) {
        self.stdin = None;
        let ended = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).and_then(|pid| {
            let patience = Timespec::try_from(END_WAIT).unwrap_or(PATIENCE);
            poll(&mut [PollFd::from_borrowed_fd(pid.as_fd(), PollFlags::IN)], Some(&patience))
        });
        if ended == Ok(0) {
            let (command, seconds) = (&self.command, END_WAIT.as_secs());
            tracing::warn!("`{command}` did not end {seconds} s after its input: it is killed");
            _ = self.child.kill();
            _ = self.child.wait();
            return;
        }
        if let Some(error) = self.child.wait().ok().and_then(error) {
            self.tell(error);
        }
    }
}

/// How a program ended, where that was with an error.
fn error(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("with exit code {code}")),
        (None, Some(signal)) => Some(format!("by signal {signal}")),
        (None, None) => Some(status.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use std::fs;

    #[test]
    fn errors_of_programs_are_told_once() {
        let check = |command: &str, expected: &[&str]| {
            let told = Told::default();
            for _ in 0..2 {
                drop(Program::start(command, &told).unwrap());
            }
            let told: Vec<_> = told.lock().unwrap().iter().cloned().collect();
            assert_eq!(told, expected, "{command}");
        };
        check("cat >/dev/null", &[]);
        check("exit 3", &["`exit 3` ended with exit code 3"]);
        check("kill -9 $$", &["`kill -9 $$` ended by signal 9"]);
    }

    #[test]
    fn programs_get_lines() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let output = built(&format!("pipe {{ command => \"cat >> {dir}/%{{app}}\" message_format => \"%{{n}}\" }}"));
        let mut sink = output.open().unwrap();
        let events = [
            r#"{"n":1,"app":"a"}"#,
            r#"{"n":2,"app":"a"}"#,
            r#"{"n":3,"app":"b"}"#,
            r#"{"n":4,"app":"$(rm -rf x)"}"#,
            r#"{"n":5}"#,
            r#"{"n":6,"app":"a"}"#,
        ];
        let refused = deliver(&*output, &mut *sink, &events);
        drop(sink);
        assert_eq!(fs::read_to_string(format!("{dir}/a")).unwrap(), "1\n2\n6\n");
        assert_eq!(fs::read_to_string(format!("{dir}/b")).unwrap(), "3\n");
        assert_eq!(refused.len(), 2);
        assert!(refused[0].contains("shell"), "{}", refused[0]);
    }

    #[test]
    fn a_program_that_ended_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = built(&format!("pipe {{ command => \"head -n 1 >> {}\" }}", path.display()));
        let mut sink = output.open().unwrap();
        // How much a program takes before it ends is its own affair: lines appear until it has read three times.
        let mut attempts = 0;
        while fs::read_to_string(&path).unwrap_or_default().lines().count() < 3 {
            _ = attempt(&mut *sink, &mut encoded(&*output, &[r#"{"message":"x"}"#]));
            attempts += 1;
            assert!(attempts < 1_000_000);
        }
    }

    #[test]
    fn one_that_never_reads_is_tried_again() {
        let output = built("pipe { command => true }");
        let mut sink = output.open().unwrap();
        let event = format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000));
        let mut batch = encoded(&*output, &[&event, &event]);
        let cause = attempt(&mut *sink, &mut batch).unwrap_err();
        assert!(cause.contains("ends before it has read"), "{cause}");
        assert_eq!(batch.left(), 2);
    }

    #[test]
    fn much_goes_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let output = built(&format!("pipe {{ command => \"cat > {}\" message_format => \"%{{m}}\" }}", path.display()));
        let mut sink = output.open().unwrap();
        let event = format!(r#"{{"m":"{}"}}"#, "y".repeat(99_999));
        deliver(&*output, &mut *sink, &vec![event.as_str(); 30]);
        drop(sink);
        assert_eq!(fs::metadata(&path).unwrap().len(), 3_000_000);
    }

    #[test]
    fn wrong_options_are_told() {
        assert!(errors("pipe { }").contains("needs the option `command`"));
        assert!(errors("pipe { command => cat ttl => soon }").contains("cannot stand"));
    }
}
