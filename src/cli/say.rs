//! Messages on stderr. One that nobody can read is dropped: a terminal that has gone must not end what it watched.

use std::{
    fmt::Display,
    io::{self, Write},
};

/// Says something about this process.
pub fn say(what: impl Display) {
    // In one write, so that nobody else's words come between.
    let _ = Stderr.write(format!("logship: {what}\n").as_bytes());
}

/// Standard error, without errors: `eprintln!` and the diagnostics would panic on theirs, in whichever thread that is.
#[derive(Clone, Copy, Debug)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
