//! `logship run -- CMD ARGS`: runs a program, passes on what it prints, and stores it.
//!
//! The program comes first: it starts before anything is opened, its output passes whatever fails, and its exit code is ours.
//! Once it has ended, all that is left to do has `--drain` to be done in. Half of that is for what others print who hold its
//! stdout or stderr open (a daemon that it left behind); a second of silence ends it sooner.

use super::{
    Failure, args,
    destination::{self, Destination, Input},
    passing::{self, no_thread},
    say::say,
    serving, settings,
    shipping::Shipping,
};
use crate::{
    clock,
    flow::Origin,
    inputs::{
        process::{self, Activity, App, Ended, Watched},
        stdin::{CHUNKS_QUEUED_MAX, Chunk, Framer, PipeCounters, Reader},
    },
    outputs::{screen::Printing, tee::Tee, terminal::Format},
    plan::Plan,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    convert::Infallible,
    io::{self, Read},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::Builder,
    time::{Duration, Instant},
};

/// What the program prints, and where it is read.
const STREAMS: [&str; 2] = ["stdout", "stderr"];
/// When the program has ended and whoever else holds its streams open has been silent for so long, nobody listens any more.
const SILENCE_MAX: Duration = Duration::from_secs(1);
/// How often an end looks whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the program to its end; its exit code.
pub fn run(shared: &args::Shared, outer: &args::Pipe, options: &args::Run) -> Result<ExitCode, Failure> {
    let format_name = options.format_name.as_deref().or(outer.format_name.as_deref());
    let plan = settings::plan(shared, format_name)?;
    let door = serving::Door::new(shared)?;
    let storage = settings::storage(shared)?;
    let drain = settings::age("drain", &options.drain)?.unwrap_or(Duration::MAX);
    let Some((program, arguments)) = options.command.split_first() else {
        return Err(Failure::usage("name a program: logship run -- CMD ARGS"));
    };
    let name = options.service.clone().or_else(|| outer.service.clone());
    let name = name.or_else(|| Some(Path::new(program).file_name()?.to_string_lossy().into_owned()));
    let origin = Origin {
        source: format!("process:{}", std::process::id()),
        input: "process".to_owned(),
        service: name,
        zone: settings::zone_name(shared)?,
        ..Origin::default()
    };
    let origin = options.shipping.origin(shared, format_name, origin);
    let origins = STREAMS.map(|stream| Origin { stream: Some(stream.to_owned()), ..origin.clone() });
    let (late, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let App { stdout, stderr, ended } = process::start(program, arguments, late.clone())
        .map_err(|cause| Failure { message: cause.to_string(), code: cause.code() })?;

    let counters = Arc::new(PipeCounters::of("process"));
    let (chunk_sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
    let (reading, all_read) = crossbeam_channel::bounded(0);
    let activity = Arc::new(Activity::default());
    let feed = Feed {
        chunks: chunk_sender,
        counters: counters.clone(),
        stop: stop.clone(),
        activity: activity.clone(),
        reading,
    };
    let format = options.format.or(outer.format).unwrap_or(Format::Raw);
    let (tee, out) = passing::shown(io::stdout(), format, plan, &origins[0])?;
    feed.clone().start(0, stdout, tee)?;
    let (tee, err) = passing::shown(io::stderr(), format, plan, &origins[1])?;
    feed.start(1, stderr, tee)?;
    let shipping = options.shipping.clone();
    let storer = Storer { origins: origins.into(), chunks, counters, plan, shipping, stop: stop.clone() };
    let (ending, stored) = storer.start(shared.clone(), door, storage);

    // The sender lives as long as the process.
    let how = ended.recv().unwrap_or(Ended::Code(1));
    let end = End { since: clock::instant(), drain, late };
    let _ = ending.send(end.clone());
    end.read_rest(&all_read, &activity);
    stop.store(true, Ordering::Release);
    end.store_rest(&stored, &options.drain);
    end.show_rest([out, err].into_iter().flatten(), shared.quiet);
    Ok(ExitCode::from(match how {
        Ended::Code(code) => code,
        Ended::Signal(signal) => process::end_by(signal),
    }))
}

/// Where readers bring what they read.
#[derive(Clone)]
struct Feed {
    chunks: Sender<Chunk>,
    counters: Arc<PipeCounters>,
    stop: Arc<AtomicBool>,
    activity: Arc<Activity>,
    /// Dropped with the last reader.
    reading: Sender<Infallible>,
}

impl Feed {
    /// Reads a stream on a thread of its own, so that one that nobody takes does not keep the other waiting.
    fn start(self, stream: usize, input: impl Read + Send + 'static, mut tee: Box<dyn Tee>) -> Result<(), Failure> {
        let name = STREAMS[stream];
        let reading = Builder::new().name(name.into()).spawn(move || {
            let Feed { chunks, counters, stop, activity, reading } = self;
            let input = Watched::new(input, activity);
            let outcome = Reader::new(stream, chunks, counters).run(input, &stop, &mut |bytes| tee.pass(bytes));
            drop(tee);
            if let Err(cause) = outcome {
                say(format_args!("cannot read the program's {name} to its end: {cause}"));
            }
            drop(reading);
        });
        reading.map(drop).map_err(no_thread)
    }
}

/// What stores what is read.
struct Storer {
    origins: Vec<Origin>,
    chunks: Receiver<Chunk>,
    counters: Arc<PipeCounters>,
    plan: Plan,
    shipping: Shipping,
    stop: Arc<AtomicBool>,
}

impl Storer {
    /// Stores on a thread of its own, so that no disk delays the end of the program. It wants to be told of that end, and
    /// tells what went wrong when all is done.
    fn start(
        self,
        shared: args::Shared,
        door: serving::Door,
        storage: settings::Storage,
    ) -> (Sender<End>, Receiver<Vec<String>>) {
        let (ending, ended) = crossbeam_channel::bounded(1);
        let (sender, stored) = crossbeam_channel::bounded(1);
        let storing = Builder::new().name("storing".into()).spawn(move || {
            let input = Input { counters: self.counters.clone(), plan: self.plan };
            let destination = destination::start(&shared, &self.shipping, door, storage, input);
            let _ = sender.send(self.run(destination, &ended));
        });
        if let Err(cause) = storing {
            say(format_args!("{}; lines are passed on, not stored", no_thread(cause).message));
        }
        (ending, stored)
    }

    fn run(self, destination: Result<Box<dyn Destination>, Failure>, ended: &Receiver<End>) -> Vec<String> {
        if let Err(failure) = &destination {
            say(format_args!("{}; lines are passed on, not stored", failure.message));
        }
        let intake = destination.as_ref().ok().map(|destination| destination.intake());
        let failure = Framer::new(self.chunks, intake, self.origins, self.counters.clone()).run(&self.stop);
        let mut problems: Vec<_> = passing::loss(&self.counters, failure).into_iter().collect();
        // A program that has closed its streams may still run, and its page is up as long.
        let end = ended.recv().ok();
        if let Ok(destination) = destination {
            destination.lose(self.counters.untold.load(Ordering::Relaxed));
            let patience = end.map_or(Duration::ZERO, |end| end.index_patience());
            problems.extend(destination.finish(&|| false, patience).err().map(|failure| failure.message));
        }
        problems
    }
}

/// What is left to do once the program has ended.
#[derive(Clone)]
struct End {
    since: Instant,
    drain: Duration,
    /// Somebody does not want to wait.
    late: Arc<AtomicBool>,
}

impl End {
    fn left(&self) -> Duration {
        self.drain.saturating_sub(clock::since(self.since))
    }

    /// How long indexing may go on: what it leaves, the next process indexes. Stopping it takes a moment, too.
    fn index_patience(&self) -> Duration {
        if self.late.load(Ordering::Acquire) { Duration::ZERO } else { self.left() / 4 * 3 }
    }

    /// Waits for the end of both streams.
    fn read_rest(&self, all_read: &Receiver<Infallible>, activity: &Activity) {
        let mut silent: Option<(u64, Instant)> = None;
        while all_read.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let silence = activity.silence(STREAMS.len() as u64);
            silent = silence.map(|reads| match silent {
                Some((before, since)) if before == reads => (before, since),
                _ => (reads, clock::instant()),
            });
            let silent = silent.is_some_and(|(_, since)| clock::since(since) >= SILENCE_MAX);
            let late = self.late.load(Ordering::Acquire);
            if silent || late || clock::since(self.since) >= self.drain / 2 {
                return;
            }
        }
    }

    /// Waits until all is stored, and says what is not.
    fn store_rest(&self, stored: &Receiver<Vec<String>>, drain: &str) {
        match stored.recv_timeout(self.left()) {
            Ok(problems) => problems.iter().for_each(say),
            Err(RecvTimeoutError::Timeout) => {
                say(format_args!("the last lines may not be stored: that took longer than --drain {drain}"));
            }
            // Its thread was not started, which was said.
            Err(RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Waits until all is shown.
    fn show_rest(&self, printing: impl Iterator<Item = Printing>, quiet: bool) {
        let (hurry, left) = (Arc::new(AtomicBool::new(false)), self.left());
        for printing in printing {
            let late = hurry.clone();
            let timer = Builder::new().name("drain".into()).spawn(move || {
                std::thread::sleep(left);
                late.store(true, Ordering::Release);
            });
            hurry.fetch_or(timer.is_err(), Ordering::AcqRel);
            let unseen = printing.finish(&hurry);
            if unseen > 0 && !quiet {
                say(format_args!("{unseen} lines were not shown: they were read too slowly"));
            }
        }
    }
}
