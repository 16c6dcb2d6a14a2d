//! `app | logship`: passes on, shows, stores and indexes what the app prints.
//!
//! The app comes first: reading and passing on start before anything is opened, and go on whatever fails.

use super::{
    Failure, args,
    destination::{self, Input},
    passing::{self, no_thread},
    say::say,
    serving, settings, signals,
};
use crate::{
    flow::Origin,
    inputs::stdin::{CHUNKS_QUEUED_MAX, Framer, PipeCounters, Reader},
    outputs::terminal::Format,
};
use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::Builder,
    time::Duration,
};

/// After SIGTERM the input may go on this long: with the commit that follows it ends within five seconds.
const TERMINATE_WAIT: Duration = Duration::from_secs(4);
/// How long the end may take to index what the logs hold; a backlog of hours is left to the next process.
const FINISH_PATIENCE: Duration = Duration::from_secs(600);
/// How long the end may take to ship what the spool holds; the next process that ships takes the rest along.
const SHIP_PATIENCE: Duration = Duration::from_secs(5);

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
    let counters = Arc::new(PipeCounters::of("stdin"));
    let (chunk_sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
    let origin = options.shipping.origin(
        shared,
        options.format_name.as_deref(),
        Origin {
            source: format!("stdin:{}", std::process::id()),
            input: "stdin".to_owned(),
            service: options.service.clone(),
            zone: settings::zone_name(shared)?,
            ..Origin::default()
        },
    );
    let default = if io::stdout().is_terminal() { Format::Pretty } else { Format::Raw };
    let (mut tee, printing) = passing::shown(io::stdout(), options.format.unwrap_or(default), plan, &origin)?;
    // Reading cannot be waited for (a stop leaves it waiting for the app), but it tells before it lets go of the framer.
    let (unreadable_sender, unreadable) = crossbeam_channel::bounded(1);
    let (mut reader, stopping) = (Reader::new(0, chunk_sender, counters.clone()), stop.clone());
    let reading = Builder::new().name("stdin".into()).spawn(move || {
        let outcome = reader.run(io::stdin().lock(), &stopping.now, &mut |bytes| tee.pass(bytes));
        drop(tee);
        if let Err(cause) = outcome {
            let _ = unreadable_sender.try_send(format!("cannot read stdin to its end: {cause}"));
        }
    });
    reading.map_err(no_thread)?;

    let input = Input { counters: counters.clone(), plan };
    let storing = destination::start(shared, &options.shipping, door, storage, input);
    if let Err(failure) = &storing {
        say(format_args!("{}; lines are passed on, not stored", failure.message));
    }
    let intake = storing.as_ref().ok().map(|storing| storing.intake());
    let framer = Framer::new(chunks, intake, vec![origin], counters.clone());
    let failure = framer.run(&stop.now);
    let stopped = stop.now.load(Ordering::Acquire);
    let begun = stop.signals.load(Ordering::Acquire);
    let linger = || options.serve && stop.signals.load(Ordering::Acquire) == begun && !stop.now.load(Ordering::Acquire);
    let patience = if shared.server.is_some() { SHIP_PATIENCE } else { FINISH_PATIENCE };
    let outcome = match storing {
        Ok(storing) => {
            storing.lose(counters.untold.load(Ordering::Relaxed));
            storing.finish(&linger, patience)
        }
        Err(failure) => Err(Failure::failed(failure.message)),
    };
    // Last, so that all is stored and the page is gone before a stdout that nobody reads is waited for.
    let unseen = printing.map_or(0, |printing| printing.finish(&stop.now));
    if unseen > 0 && !shared.quiet {
        say(format_args!("{unseen} lines were not shown: stdout was read too slowly"));
    }
    let mut problems: Vec<String> = unreadable.try_iter().collect();
    problems.extend(passing::loss(&counters, failure));
    if stopped && problems.is_empty() && outcome.is_ok() && !shared.quiet {
        say("stopped before the input ended; everything read until then is stored");
    }
    match outcome {
        Err(failure) if problems.is_empty() => Err(failure),
        _ if problems.is_empty() => Ok(()),
        _ => Err(Failure::failed(problems.join("\nlogship: "))),
    }
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
