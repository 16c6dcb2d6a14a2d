//! `app | logship`: passes on, shows, stores and indexes what the app prints.
//!
//! The app comes first: reading and passing on start before anything is opened, and go on whatever fails.

use super::{Failure, args, node, rows::JsonRows, say::say, serving, settings, signals};
use crate::{
    flow::{AppendError, LogId, Origin},
    fs::{Fs, RealFs},
    inputs::stdin::{CHUNKS_QUEUED_MAX, Framer, HANDOVER_WAIT, PipeCounters, Reader},
    log::{self, LogWriter, SourceTable},
    outputs::{
        pretty::PrettyLines,
        screen::{self, Printing},
        tee::{NoTee, RawTee, Tee},
        terminal::{Format, Look},
    },
    pipeline::{Common, Finished, Owner, OwnerSettings, State, tail::Tail},
    plan::{self, Plan},
};
use jiff::tz::TimeZone;
use std::{
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::Builder,
    time::Duration,
};
use tokio::runtime::Runtime;

/// After SIGTERM the input may go on this long: with the commit that follows it ends within five seconds.
const TERMINATE_WAIT: Duration = Duration::from_secs(4);
/// How long the end may take to index what the logs hold; a backlog of hours is left to the next process.
const FINISH_PATIENCE: Duration = Duration::from_secs(600);

/// Requests to stop.
#[derive(Default)]
struct Stop {
    /// Stop reading at once.
    now: AtomicBool,
    /// Signals seen.
    signals: AtomicU32,
}

pub fn run(shared: &args::Shared, options: &args::Pipe) -> Result<(), Failure> {
    let stop = Arc::new(Stop::default());
    watch_signals(&stop)?;
    let plan = settings::plan(shared, options.format_name.as_deref())?;
    let door = serving::Door::new(shared)?;
    let storage = settings::storage(shared)?;
    let counters = Arc::new(PipeCounters::default());
    let (chunk_sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
    let origin = Origin {
        source: format!("stdin:{}", std::process::id()),
        input: "stdin".to_owned(),
        service: options.service.clone(),
        zone: settings::zone_name(shared)?,
        ..Origin::default()
    };
    let no_thread = |cause| Failure::failed(format!("cannot start a thread: {cause}"));
    let (mut tee, printing) = outputs(options, plan, &origin).map_err(no_thread)?;
    // Reading cannot be waited for (a stop leaves it waiting for the app), but it tells before it lets go of the framer.
    let (unreadable_sender, unreadable) = crossbeam_channel::bounded(1);
    let (mut reader, stopping) = (Reader::new(chunk_sender, counters.clone()), stop.clone());
    let reading = Builder::new().name("stdin".into()).spawn(move || {
        let outcome = reader.run(io::stdin().lock(), &stopping.now, &mut |bytes| tee.pass(bytes));
        drop(tee);
        if let Err(cause) = outcome {
            let _ = unreadable_sender.try_send(format!("cannot read stdin to its end: {cause}"));
        }
    });
    reading.map_err(no_thread)?;

    let storing = Storing::start(shared, door, storage, plan, counters.clone());
    if let Err(failure) = &storing {
        say(format_args!("{}; lines are passed on, not stored", failure.message));
    }
    let intake = storing.as_ref().ok().map(|storing| storing.log.intake());
    let framer = Framer::new(chunks, intake, origin, counters.clone());
    let failure = framer.run(&stop.now);
    let stopped = stop.now.load(Ordering::Acquire);
    let outcome = match storing {
        Ok(storing) => storing.finish(options, &stop, &counters),
        Err(failure) => Err(Failure::failed(failure.message)),
    };
    // Last, so that all is stored and the page is gone before a stdout that nobody reads is waited for.
    let unseen = printing.map_or(0, |printing| printing.finish(&stop.now));
    if unseen > 0 && !shared.quiet {
        say(format_args!("{unseen} lines were not shown: stdout was read too slowly"));
    }
    let mut problems: Vec<String> = unreadable.try_iter().collect();
    problems.extend(loss(&counters, failure));
    if stopped && problems.is_empty() && outcome.is_ok() && !shared.quiet {
        say("stopped before the input ended; everything read until then is stored");
    }
    match outcome {
        Err(failure) if problems.is_empty() => Err(failure),
        _ if problems.is_empty() => Ok(()),
        _ => Err(Failure::failed(problems.join("\nlogship: "))),
    }
}

/// What was passed on and not stored, and why.
fn loss(counters: &PipeCounters, failure: Option<AppendError>) -> Option<String> {
    let lines = counters.lines_not_stored.load(Ordering::Relaxed);
    let unframed = counters.bytes_not_framed.load(Ordering::Relaxed);
    if lines == 0 && unframed == 0 {
        return None;
    }
    let why = match failure.filter(|why| *why != AppendError::Closed) {
        Some(why) => format!(" ({why})"),
        None if unframed > 0 => format!(" (storing took longer than {} s)", HANDOVER_WAIT.as_secs()),
        None => String::new(),
    };
    Some(format!("{lines} lines passed on, not stored{why}"))
}

/// The first Ctrl-C reached the app too: its last lines are still read, as they are after the end of the terminal. The second,
/// or SIGTERM after a while, is meant for us.
fn watch_signals(stop: &Arc<Stop>) -> Result<(), Failure> {
    signals::outlive_terminal()?;
    let stop = stop.clone();
    signals::watch(move |signal| {
        let before = stop.signals.fetch_add(1, Ordering::AcqRel);
        if signal == signals::Signal::Interrupt && before > 0 {
            stop.now.store(true, Ordering::Release);
        }
        if signal == signals::Signal::Terminate {
            let stop = stop.clone();
            let timer = Builder::new().name("terminate".into()).spawn(move || {
                std::thread::sleep(TERMINATE_WAIT);
                stop.now.store(true, Ordering::Release);
            });
            drop(timer);
        }
    })
}

/// What sees the bytes, and the printing to wait for at the end.
fn outputs(options: &args::Pipe, plan: Plan, origin: &Origin) -> io::Result<(Box<dyn Tee>, Option<Printing>)> {
    let terminal = io::stdout().is_terminal();
    let (screen, printing) = match options.format.unwrap_or(if terminal { Format::Pretty } else { Format::Raw }) {
        Format::None => return Ok((Box::new(NoTee), None)),
        Format::Raw => return Ok((Box::new(RawTee::new(io::stdout())), None)),
        Format::Pretty => {
            let look = Look { color: terminal && settings::colors(), zone: TimeZone::system(), date: false };
            let zone = origin.zone.as_deref().and_then(plan::zone).unwrap_or(TimeZone::UTC);
            screen::start(PrettyLines::new(io::stdout(), look, plan, zone))?
        }
        Format::Json => screen::start(JsonRows::new(io::stdout(), plan, origin.clone()))?,
    };
    Ok((Box::new(screen), Some(printing)))
}

/// The page of this pipe.
enum Page {
    /// Not yet, or it could not be served.
    Down,
    /// Served.
    Up(serving::Serving),
    /// The pipe ends: it is not served any more, also where the store is owned only now.
    Closed,
}

/// The log of this pipe, and the store if no other process has it.
struct Storing {
    log: LogWriter,
    owner: Owner,
    page: Arc<Mutex<Page>>,
    runtime: Runtime,
}

impl Storing {
    fn start(
        shared: &args::Shared,
        door: serving::Door,
        storage: settings::Storage,
        plan: Plan,
        counters: Arc<PipeCounters>,
    ) -> Result<Storing, Failure> {
        let data = settings::data_dir(shared).map_err(Failure::failed)?;
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let log = log::open(&fs, &data.log(), storage.log, &SourceTable::default()).map_err(Failure::failed)?;
        let runtime = serving::runtime()?;
        let common = Common::new(Tail::new(LogId::random()));
        common.follow(log.id, log.durable.clone(), runtime.handle());
        let page = Arc::new(Mutex::new(Page::Down));
        let owning = {
            let (page, data, common) = (page.clone(), data.clone(), common.clone());
            let (handle, quiet) = (runtime.handle().clone(), shared.quiet);
            Box::new(move || {
                // Held to the end, so that a pipe that ends meanwhile finds the page to close.
                let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(*page, Page::Closed) {
                    return;
                }
                let listener = door.bind_somewhere();
                let listening = listener.and_then(|l| serving::listen(l, &door, &common, Some(counters), &handle));
                let started = listening.and_then(|listening| listening.open(&data, storage.log, &common, &handle));
                match started {
                    Ok(started) => {
                        if !quiet {
                            say(&started.url);
                        }
                        *page = Page::Up(started);
                    }
                    Err(failure) => say(format_args!("no page: {}", failure.message)),
                }
            })
        };
        let owner_settings =
            OwnerSettings { store: storage.store, plan, owning, say: Box::new(|line| tracing::error!("{line}")) };
        let owner = Owner::start(data.clone(), owner_settings, common.clone(), runtime.handle().clone())
            .map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))?;
        if !shared.quiet {
            say_whose_page(data, common);
        }
        Ok(Storing { log, owner, page, runtime })
    }

    /// Closes the log, keeps the page up if asked to, and indexes what is left if this process owns the store.
    fn finish(self, options: &args::Pipe, stop: &Stop, counters: &PipeCounters) -> Result<(), Failure> {
        let common = self.owner.common().clone();
        let _ = self.log.join();
        common.wake();
        if options.serve {
            let begun = stop.signals.load(Ordering::Acquire);
            while stop.signals.load(Ordering::Acquire) == begun
                && !stop.now.load(Ordering::Acquire)
                && !self.owner.has_ended()
            {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        // Taken in a statement of its own, so that the lock is not held while requests finish.
        let page = std::mem::replace(&mut *self.page.lock().unwrap_or_else(PoisonError::into_inner), Page::Closed);
        if let Page::Up(serving) = page {
            serving.finish(&common, self.runtime.handle());
        }
        let finished = self.owner.finish(FINISH_PATIENCE);
        let pipe = node::pipe_component(counters);
        tracing::debug!(components = %components_json(&common, Some(&pipe)), "ended");
        // The owner has said why.
        match finished {
            Ok(Finished::Whole) => Ok(()),
            _ => Err(Failure::failed("every line is safe in the log, but not all are indexed")),
        }
    }
}

/// The counters of all components, for the last diagnostic.
pub fn components_json(common: &Common, pipe: Option<&crate::api::Component>) -> serde_json::Value {
    let mut rows: Vec<_> = pipe.map(node::component_json).into_iter().collect();
    rows.extend(common.readings().iter().filter_map(|reading| serde_json::to_value(reading).ok()));
    serde_json::Value::Array(rows)
}

/// Prints the page of the process that owns the store, when that is another one.
fn say_whose_page(data: crate::config::DataDir, common: Arc<Common>) {
    let body = move || {
        if common.wait_until_opened() == State::Waiting
            && let Some(server) = data.read_server()
        {
            say(server.url);
        }
    };
    drop(Builder::new().name("whose-page".into()).spawn(body));
}
