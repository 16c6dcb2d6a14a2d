//! Passing on what an app prints: what sees its bytes first, and what is said of those that were not stored.

use super::{Failure, rows::JsonRows, settings};
use crate::{
    flow::{AppendError, Origin},
    inputs::stdin::{HANDOVER_WAIT, PipeCounters},
    outputs::{
        pretty::PrettyLines,
        screen::{self, Printing},
        tee::{NoTee, RawTee, Tee},
        terminal::{Format, Look},
    },
    plan::{self, Plan},
};
use jiff::tz::TimeZone;
use std::{
    io::{self, IsTerminal, Write},
    sync::atomic::Ordering,
};

/// What shows a stream on `out`, and the printing to wait for at the end.
pub fn shown<W: Write + IsTerminal + Send + 'static>(
    out: W,
    format: Format,
    plan: Plan,
    origin: &Origin,
) -> Result<(Box<dyn Tee>, Option<Printing>), Failure> {
    let started = match format {
        Format::None => return Ok((Box::new(NoTee), None)),
        Format::Raw => return Ok((Box::new(RawTee::new(out)), None)),
        Format::Pretty => {
            let look = Look { color: out.is_terminal() && settings::colors(), zone: TimeZone::system(), date: false };
            let zone = origin.zone.as_deref().and_then(plan::zone).unwrap_or(TimeZone::UTC);
            screen::start(PrettyLines::new(out, look, plan, zone))
        }
        Format::Json => screen::start(JsonRows::new(out, plan, origin.clone())),
    };
    let (screen, printing) = started.map_err(no_thread)?;
    Ok((Box::new(screen), Some(printing)))
}

/// Why a thread is missing.
pub fn no_thread(cause: io::Error) -> Failure {
    Failure::failed(format!("cannot start a thread: {cause}"))
}

/// What was passed on and not stored, and why.
pub fn loss(counters: &PipeCounters, failure: Option<AppendError>) -> Option<String> {
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
