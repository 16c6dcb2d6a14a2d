//! `logship tail QUERY`: events as they arrive, over the server's live tail.

use super::{
    Failure, args,
    client::{Question, Remote},
    print::Printer,
    say::say,
};
use std::{
    io::{self, BufRead, BufReader},
    time::Duration,
};

/// How often a lost connection is tried again, and how long between.
const RETRIES_MAX: u32 = 30;
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub fn run(shared: &args::Shared, args: &args::Tail) -> Result<(), Failure> {
    let question = Question::new(&args.query, None, None)?;
    let Some(remote) = Remote::find(shared)? else {
        return Err(Failure::failed(
            "nothing is running here to follow: start `app | logship` or `logship server`, or name one with --server URL",
        ));
    };
    let mut printer = Printer::new(io::stdout().lock(), &args.print);
    let mut position: Option<String> = None;
    let mut retries = 0;
    loop {
        let mut pairs = vec![("q", question.text.as_str())];
        pairs.extend(position.as_deref().map(|position| ("after", position)));
        match remote.get("/api/v1/tail", &pairs) {
            Ok(stream) => {
                retries = 0;
                let mut events = BufReader::new(stream);
                let mut follow = Follow { printer: &mut printer, position: position.take(), quiet: shared.quiet };
                if !follow.run(&mut events)? {
                    return Ok(());
                }
                position = follow.position;
            }
            Err(failure) if retries == 0 && position.is_none() => return Err(failure),
            Err(failure) if retries >= RETRIES_MAX => return Err(failure),
            Err(_) => {}
        }
        retries += 1;
        std::thread::sleep(RETRY_PAUSE);
    }
}

struct Follow<'p, W: io::Write> {
    printer: &'p mut Printer<W>,
    position: Option<String>,
    quiet: bool,
}

impl<W: io::Write> Follow<'_, W> {
    /// Prints until the connection ends; whether anybody still reads what is printed.
    fn run(&mut self, events: &mut impl BufRead) -> Result<bool, Failure> {
        let (mut kind, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            match events.read_line(&mut line) {
                Ok(0) | Err(_) => return Ok(true),
                Ok(_) => {}
            }
            let text = line.trim_end_matches(['\n', '\r']);
            if let Some(name) = text.strip_prefix("event:") {
                name.trim().clone_into(&mut kind);
            } else if let Some(id) = text.strip_prefix("id:") {
                self.position = Some(id.trim().to_owned());
            } else if let Some(data) = text.strip_prefix("data:")
                && !self.event(&kind, data.trim())?
            {
                return Ok(false);
            }
        }
    }

    fn event(&mut self, kind: &str, data: &str) -> Result<bool, Failure> {
        match kind {
            "row" => Ok(self.printer.row(data)? && self.printer.flush()?),
            "drop" if !self.quiet => {
                let missed =
                    serde_json::from_str::<serde_json::Value>(data).ok().and_then(|drop| drop.get("count")?.as_u64());
                say(format_args!("too slow here: {} events were not shown", missed.unwrap_or_default()));
                Ok(true)
            }
            "gap" if !self.quiet => {
                say("some events came while the connection was down: `logship search` has them");
                Ok(true)
            }
            _ => Ok(true),
        }
    }
}
