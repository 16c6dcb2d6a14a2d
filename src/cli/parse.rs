//! `logship parse [FILE..]`: lines in, NDJSON out (or a table of templates), and nothing else. No store, no network.

use super::{
    Failure, args, is_read,
    say::say,
    settings,
    templates::{self, Gathered},
};
use crate::{
    clock,
    codecs::{inflate, lines::Lines},
    event::layout::Layouts,
    flow::{Frame, LogId, Origin, Pos, RawBatch},
    inputs::stdin::CHUNK_BYTES,
    plan::{Hint, Plan, StreamHints},
};
use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Records parsed at once.
const BATCH_RECORDS: usize = 4_096;

/// The file name of stdin.
const STDIN: &str = "-";

pub fn run(shared: &args::Shared, args: &args::Parse) -> Result<(), Failure> {
    let plan = settings::plan(shared, args.format_name.as_deref())?;
    let zone = settings::zone_name(shared)?;
    if args.explain && shared.templates == args::Templates::Count {
        return Err(Failure::usage("--explain and --templates=count print different things: choose one"));
    }
    let mut gathered = if args.explain { None } else { Gathered::new(shared.templates)? };
    let mut parse = |path: &Path, out: &mut dyn Write| {
        let is_stdin = path == Path::new(STDIN);
        let source = if is_stdin { "stdin".to_owned() } else { path.to_string_lossy().into_owned() };
        let origin = Arc::new(Origin { source, zone: zone.clone(), ..Origin::default() });
        let (hints, layouts, text) = (StreamHints::default(), Layouts::default(), String::new());
        let explained = args.explain.then_some(0);
        // A file is all there: whoever reads it waits for nobody.
        let live = is_stdin && !std::fs::metadata("/dev/stdin").is_ok_and(|stdin| stdin.is_file());
        let gathered = gathered.as_mut();
        let mut stream = Stream { plan: &plan, origin, hints, layouts, text, explained, gathered, live };
        if is_stdin {
            if io::stdin().is_terminal() && !shared.quiet {
                say("reading lines from the terminal; Ctrl-D ends them");
            }
            return stream.read(io::stdin().lock(), out);
        }
        stream.read(File::open(path).map_err(Stopped::Input)?, out)
    };
    let mut out = io::BufWriter::with_capacity(CHUNK_BYTES, io::stdout().lock());
    let (mut failures, mut written) = (Vec::new(), Ok(()));
    let stdin = [PathBuf::from(STDIN)];
    for path in if args.files.is_empty() { &stdin[..] } else { &args.files } {
        match parse(path, &mut out) {
            Ok(()) => {}
            Err(Stopped::Input(cause)) if path == Path::new(STDIN) => {
                failures.push(format!("cannot read stdin: {cause}"));
            }
            Err(Stopped::Input(cause)) => failures.push(format!("cannot read {}: {cause}", path.display())),
            Err(Stopped::Waiting(cause)) => return Err(templates::no_file(&cause)),
            Err(Stopped::Output(cause)) => {
                written = Err(cause);
                break;
            }
        }
    }
    if let Some(gathered) = gathered {
        gathered.print(&mut out)?;
    }
    is_read(written.and_then(|()| out.flush()))?;
    if failures.is_empty() { Ok(()) } else { Err(Failure::failed(failures.join("\nlogship: "))) }
}

/// Why parsing ended early.
enum Stopped {
    /// Reading failed.
    Input(io::Error),
    /// Nothing more can be printed.
    Output(io::Error),
    /// Events could not be kept until the end of the input.
    Waiting(io::Error),
}

/// One input on its way through the plan.
struct Stream<'p> {
    plan: &'p Plan,
    origin: Arc<Origin>,
    hints: StreamHints,
    layouts: Layouts,
    text: String,
    /// How many records have been explained, where they are to be.
    explained: Option<u64>,
    /// Where events go whose templates are asked for.
    gathered: Option<&'p mut Gathered>,
    /// Whether somebody may be writing the input right now.
    live: bool,
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
            if self.live && count < buffer.len() {
                // Whoever writes has nothing more for now: what is ready need not wait for it.
                self.write(&mut lines, out)?;
                out.flush().map_err(Stopped::Output)?;
            } else if lines.ready_bytes() >= CHUNK_BYTES {
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
            let batch =
                RawBatch { origin: self.origin.clone(), span: None, mark: None, received: clock::now(), records };
            let frame = Frame { log: LogId::from_bits(0), start: Pos(0), end: Pos(0), suspect: false, batch };
            let hint = self.hints.observe(&frame);
            self.text.clear();
            if self.explained.is_some() {
                self.explain(&frame, &hint);
            } else if let Some(gathered) = &mut self.gathered {
                gathered.gather(self.plan, &frame, &hint, &mut self.layouts).map_err(Stopped::Waiting)?;
            } else {
                self.plan.write(&frame, &hint, &mut self.layouts, &mut self.text);
            }
            out.write_all(self.text.as_bytes()).map_err(Stopped::Output)?;
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
