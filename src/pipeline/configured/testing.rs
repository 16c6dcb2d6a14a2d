//! One input of a config, running on its own, and the events that come of it: for the tests of inputs.

use super::arrival;
use crate::{
    config::{Ecs, Settings},
    event::{Event, Timestamp, json},
    filters::Scratch,
    flow::Stop,
    inputs::plugins::{Chunk, Entrance, InputError, Queue, Settle, Source, Ticket},
};
use crossbeam_channel::{Receiver, Sender, bounded};
use logship_parsers::config::{Diagnostic, Options, Source as Text, ast::Statement, parse};
use std::{
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

/// Longer than anything takes where it works.
const PATIENCE: Duration = Duration::from_secs(60);
/// When events of tests arrive: 2026-01-01.
pub(crate) const RECEIVED: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// An input that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) at: Option<SocketAddr>,
    events: Receiver<Event>,
    /// What is given for each chunk that must be settled by hand.
    tickets: Receiver<Sender<()>>,
    stop: Stop,
    thread: JoinHandle<Result<(), InputError>>,
}

struct Taking {
    arrival: arrival::Arrival,
    events: Sender<Event>,
    tickets: Option<Sender<Sender<()>>>,
}

struct Held(Receiver<()>);

impl Settle for Held {
    fn settle(self: Box<Self>) -> Result<(), InputError> {
        self.0.recv_timeout(PATIENCE).map_err(|_| InputError::Closed)
    }
}

impl Queue for Taking {
    fn give(&self, _: usize, chunk: Chunk) -> Result<Ticket, InputError> {
        let mut scratch = Scratch { received: RECEIVED, ..Scratch::default() };
        let mut given = Ok(());
        self.arrival.each(chunk, &mut scratch, |event, _| {
            given = self.events.send(event).map_err(|_| InputError::Closed);
        });
        given?;
        let Some(tickets) = &self.tickets else { return Ok(None) };
        let (settled, ticket) = bounded(1);
        tickets.send(settled).map_err(|_| InputError::Closed)?;
        Ok(Some(Box::new(Held(ticket))))
    }
}

fn settings(ecs: Ecs) -> Settings {
    Settings { ecs, host: "here", ..Settings::default() }
}

/// What is wrong with the text of an input.
pub(crate) fn mistakes(input: &str) -> Vec<Diagnostic> {
    built(input, Ecs::V8).1
}

/// An input and what becomes of its records.
type Built = (arrival::Arrival, Box<dyn Source>);

fn built(input: &str, ecs: Ecs) -> (Option<Built>, Vec<Diagnostic>) {
    let parsed = parse(&[Text::new("test", format!("input {{ {input} }}"))], &Options::default());
    let [Statement::Plugin(plugin)] = parsed.config.inputs.as_slice() else { panic!("{input}: {parsed:?}") };
    let mut diagnostics = parsed.diagnostics;
    (arrival::build(plugin, "test".to_owned(), &settings(ecs), &mut diagnostics), diagnostics)
}

/// Reads options of an input.
pub(crate) fn read<T>(input: &str, reader: impl FnOnce(&mut crate::config::Options<'_>) -> T) -> T {
    let parsed = parse(&[Text::new("test", format!("input {{ {input} }}"))], &Options::default());
    let [Statement::Plugin(plugin)] = parsed.config.inputs.as_slice() else { panic!("{input}: {parsed:?}") };
    let kind = crate::inputs::plugins::find(&plugin.name).unwrap();
    let (settings, mut told) = (settings(Ecs::V8), Vec::new());
    let role = (crate::config::Role::Input, kind.options);
    let value = reader(&mut crate::config::Options::new(plugin, role, &settings, &mut told));
    assert!(told.is_empty(), "{told:?}");
    value
}

/// Starts an input.
pub(crate) fn start(input: &str, ecs: Ecs) -> Running {
    started(input, ecs, false)
}

/// Starts an input whose chunks are safe only once [`Running::settle`] says so.
pub(crate) fn start_unsettled(input: &str, ecs: Ecs) -> Running {
    started(input, ecs, true)
}

fn started(input: &str, ecs: Ecs, is_held: bool) -> Running {
    let (arrival_and_source, diagnostics) = built(input, ecs);
    assert!(diagnostics.is_empty(), "{input}: {diagnostics:?}");
    let (arrival, mut source) = arrival_and_source.unwrap();
    source.open(&mut crate::inputs::plugins::Kept::default()).unwrap();
    let at = source.local();
    let (sender, events) = bounded(100_000);
    let (held, tickets) = bounded(100_000);
    let framing = arrival.framing();
    let queue: Arc<dyn Queue> = Arc::new(Taking { arrival, events: sender, tickets: is_held.then_some(held) });
    let stop = Stop::new().unwrap();
    let asked = stop.clone();
    let thread = thread::Builder::new()
        .spawn(move || {
            let entrance = Entrance::new(queue, (0, "test"), framing);
            source.run(&entrance, &asked)
        })
        .unwrap();
    Running { at, events, tickets, stop, thread }
}

impl Running {
    /// The next event.
    pub(crate) fn event(&self) -> Event {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    /// The next event as JSON without its time; `@metadata` is a field as others.
    pub(crate) fn json(&self) -> String {
        shown(self.event())
    }

    /// Whether there is an event.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next messages.
    pub(crate) fn messages(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.event().message().unwrap_or_default().to_owned()).collect()
    }

    /// Makes the next chunk safe.
    pub(crate) fn settle(&self) {
        self.tickets.recv_timeout(PATIENCE).unwrap().send(()).unwrap();
    }

    /// Stops it and gives the events that are left.
    pub(crate) fn end(self) -> Vec<Event> {
        self.stop.request();
        self.thread.join().unwrap().unwrap();
        self.events.try_iter().collect()
    }

    /// Waits for its own end and gives the events that are left.
    pub(crate) fn wait(self) -> Vec<Event> {
        self.thread.join().unwrap().unwrap();
        self.events.try_iter().collect()
    }
}

/// An event as JSON without its time; `@metadata` is a field as others.
pub(crate) fn shown(mut event: Event) -> String {
    event.has_time = false;
    event.fields.remove("@version");
    if event.meta.iter().next().is_some() {
        event.fields.insert("@metadata".into(), crate::event::Value::Map(std::mem::take(&mut event.meta)));
    }
    let mut text = String::new();
    json::write_event(&mut text, &event, None);
    text
}
