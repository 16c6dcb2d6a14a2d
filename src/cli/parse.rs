//! `logship parse [FILE..]`: lines in, NDJSON out (or a table of templates), and nothing else. No store, no network.

use super::{
    Failure, args, settings,
    templates::{self, Gathered},
};
use crate::{
    clock,
    codecs::{inflate, lines::Lines},
    event::json,
    flow::{Frame, LogId, Origin, Pos, RawBatch},
    inputs::stdin::CHUNK_BYTES,
    plan::{Hint, Plan, StreamHints},
};
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

/// Records parsed at once.
const BATCH_RECORDS: usize = 4_096;

pub fn run(shared: &args::Shared, args: &args::Parse) -> Result<(), Failure> {
    let plan = settings::plan(shared, args.format_name.as_deref())?;
    let zone = settings::zone_name(shared)?;
    let mut gathered = if args.explain { None } else { Gathered::new(shared.templates)? };
    let mut parse = |source: &str, input: &mut dyn Read, out: &mut dyn Write| {
        let origin = Origin { source: source.to_owned(), zone: zone.clone(), ..Origin::default() };
        let origin = Arc::new(origin);
        let (hints, text) = (StreamHints::default(), String::new());
        let explained = args.explain.then_some(0);
        let mut stream = Stream { plan: &plan, origin, hints, text, explained, gathered: gathered.as_mut() };
        stream.read(input, out)
    };
    let mut out = io::BufWriter::with_capacity(CHUNK_BYTES, io::stdout().lock());
    let mut failures = Vec::new();
    let mut outcome = Ok(());
    if args.files.is_empty() {
        outcome = parse("stdin", &mut io::stdin().lock(), &mut out);
    }
    for path in &args.files {
        match File::open(path) {
            Ok(mut file) => match parse(&path.to_string_lossy(), &mut file, &mut out) {
                Err(Stopped::Input(cause)) => failures.push(unreadable(path, &cause)),
                Ok(()) => {}
                stopped => {
                    outcome = stopped;
                    break;
                }
            },
            Err(cause) => failures.push(unreadable(path, &cause)),
        }
    }
    if let Some(gathered) = gathered
        && !matches!(outcome, Err(Stopped::Waiting(_)))
    {
        gathered.print(&mut out)?;
    }
    finish(outcome, &mut out)?;
    if failures.is_empty() { Ok(()) } else { Err(Failure::failed(failures.join("\nlogship: "))) }
}

fn unreadable(path: &Path, cause: &io::Error) -> String {
    format!("cannot read {}: {cause}", path.display())
}

/// Why parsing ended early.
enum Stopped {
    /// Reading failed.
    Input(io::Error),
    /// Whoever reads the output went away: nothing more to do, and no error.
    Output,
    /// Events could not be kept until the end of the input.
    Waiting(io::Error),
}

fn finish(outcome: Result<(), Stopped>, out: &mut impl Write) -> Result<(), Failure> {
    let flushed = out.flush();
    match outcome {
        Err(Stopped::Input(cause)) => Err(Failure::failed(format!("cannot read stdin: {cause}"))),
        Err(Stopped::Output) => Ok(()),
        Err(Stopped::Waiting(cause)) => Err(templates::no_file(&cause)),
        Ok(()) if flushed.as_ref().is_err_and(|cause| cause.kind() != io::ErrorKind::BrokenPipe) => {
            Err(Failure::failed(format!(
                "cannot write to stdout: {}",
                flushed.err().map(|c| c.to_string()).unwrap_or_default()
            )))
        }
        Ok(()) => Ok(()),
    }
}

/// One input on its way through the plan.
struct Stream<'p> {
    plan: &'p Plan,
    origin: Arc<Origin>,
    hints: StreamHints,
    text: String,
    /// How many records have been explained, where they are to be.
    explained: Option<u64>,
    /// Where events go whose templates are asked for.
    gathered: Option<&'p mut Gathered>,
}

impl Stream<'_> {
    fn read(&mut self, input: impl Read, out: &mut dyn Write) -> Result<(), Stopped> {
        let mut input = inflate::reader(input).map_err(Stopped::Input)?;
        let mut lines = Lines::default();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                Err(cause) => {
                    lines.finish();
                    self.write(&mut lines, out)?;
                    return Err(Stopped::Input(cause));
                }
            };
            lines.push(&buffer[..count]);
            if lines.ready_bytes() >= CHUNK_BYTES {
                self.write(&mut lines, out)?;
            }
        }
        lines.finish();
        self.write(&mut lines, out)
    }

    fn write(&mut self, lines: &mut Lines, out: &mut dyn Write) -> Result<(), Stopped> {
        loop {
            let records = lines.take(BATCH_RECORDS);
            if records.is_empty() {
                return Ok(());
            }
            let batch = RawBatch { origin: self.origin.clone(), span: None, received: clock::now(), records };
            let frame = Frame { log: LogId::from_bits(0), start: Pos(0), end: Pos(0), suspect: false, batch };
            let hint = self.hints.observe(&frame);
            self.text.clear();
            if self.explained.is_some() {
                self.explain(&frame, &hint);
            } else if let Some(gathered) = &mut self.gathered {
                for stored in self.plan.run(&frame, &hint) {
                    gathered.take(&stored.event, &mut self.text).map_err(Stopped::Waiting)?;
                }
                self.text.clear();
            } else {
                for stored in self.plan.run(&frame, &hint) {
                    json::write_event(&mut self.text, &stored.event, None);
                    self.text.push('\n');
                }
            }
            out.write_all(self.text.as_bytes()).map_err(|_| Stopped::Output)?;
        }
    }

    fn explain(&mut self, frame: &Frame, hint: &Hint) {
        let (text, explained) = (&mut self.text, &mut self.explained);
        self.plan.explain(frame, hint, |found| {
            let number = explained.get_or_insert_default();
            *number += 1;
            super::explain::record(text, *number, found);
        });
    }
}
