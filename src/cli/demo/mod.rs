//! `logship demo`: the page over a temporary store, fed by made-up services.

mod services;

use super::{
    Failure, args,
    say::say,
    server::Server,
    serving,
    settings::{self, Storage},
    signals,
};
use crate::{
    clock,
    codecs::lines::Lines,
    config::DataDir,
    event::Timestamp,
    flow::{Intake, Origin, Pending, RawBatch, SyncClass},
};
use services::World;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How much history there is at the start.
const HISTORY: Duration = Duration::from_secs(3_600);
/// One step of the made-up world.
const STEP: Duration = Duration::from_millis(250);
/// Most steps of history that are on their way to the log at a time.
const HISTORY_STEPS_MAX: usize = 4_000;

pub fn run(shared: &args::Shared, args: &args::Demo) -> Result<(), Failure> {
    let (sender, stopped) = crossbeam_channel::bounded(8);
    // A full queue means that the end was asked for already.
    signals::watch(move |signal| {
        let _ = sender.try_send(signal);
    })?;
    let home = Home::new()?;
    let door = serving::Door::new(shared)?;
    let data = DataDir::open(&home.0).map_err(Failure::failed)?;
    let server = Server::start_somewhere(&door, data, Storage::default(), settings::auto_plan(shared))?;
    let mut world = World::new(args.rate.clamp(1, 10_000));
    let intake = server.intake().ok_or_else(|| {
        Failure::failed(format!("no room is left in {}: set TMPDIR to a folder on another disk", home.0.display()))
    })?;
    feed_history(&mut world, &intake)?;
    say(format_args!("{}  (made-up services; Ctrl-C ends it and removes its data)", server.url()));
    // An answer takes about a step: the one before is waited for, or the services would print at half their rate.
    let mut unanswered = Vec::new();
    while stopped.recv_timeout(STEP).is_err() {
        if server.has_ended() {
            break;
        }
        let answers = feed(&mut world, &intake, clock::now(), STEP)?;
        let before = std::mem::replace(&mut unanswered, answers);
        before.into_iter().try_for_each(|answer| answer.wait().map(|_| ())).map_err(Failure::failed)?;
    }
    drop(intake);
    server.finish()
}

/// The last hour, as if the services had been running.
fn feed_history(world: &mut World, intake: &Intake) -> Result<(), Failure> {
    let now = clock::now().as_nanos();
    let mut at = now - i64::try_from(HISTORY.as_nanos()).unwrap_or_default();
    let step = i64::try_from(STEP.as_nanos()).unwrap_or(1);
    let mut answers: Vec<Pending> = Vec::new();
    let mut pending = 0;
    while at < now {
        answers.extend(feed(world, intake, Timestamp::from_nanos(at), STEP)?);
        pending += 1;
        at += step;
        if pending >= HISTORY_STEPS_MAX {
            pending = 0;
            answers.drain(..).try_for_each(|answer| answer.wait().map(|_| ())).map_err(Failure::failed)?;
        }
    }
    answers.into_iter().try_for_each(|answer| answer.wait().map(|_| ())).map_err(Failure::failed)
}

/// What the services print in one step.
fn feed(world: &mut World, intake: &Intake, at: Timestamp, step: Duration) -> Result<Vec<Pending>, Failure> {
    let mut answers = Vec::new();
    for (service, text) in world.step(at, step) {
        let mut lines = Lines::default();
        lines.push(text.as_bytes());
        lines.finish();
        let origin = Arc::new(Origin {
            source: format!("demo:{service}"),
            input: "demo".to_owned(),
            service: Some(service.to_owned()),
            zone: Some("UTC".to_owned()),
            ..Origin::default()
        });
        let records = lines.take(usize::MAX);
        let batch = RawBatch { origin, span: None, mark: None, received: at, records };
        answers.push(intake.submit(batch, SyncClass::Relaxed).map_err(Failure::failed)?);
    }
    Ok(answers)
}

/// A temporary directory that goes with the process.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Home, Failure> {
        let path = std::env::temp_dir().join(format!("logship-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|cause| Failure::failed(format!("cannot make {}: {cause}", path.display())))?;
        Ok(Home(path))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
