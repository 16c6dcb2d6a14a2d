//! A child process whose output is read.

use super::journald::{CHUNK_BYTES, CHUNKS_MAX};
use crate::clock;
use crossbeam_channel::{Receiver, bounded};
use std::{
    ffi::OsString,
    io::{self, Read},
    path::Path,
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

/// How much is kept of what a child says on stderr: its end.
pub const SAID_BYTES_MAX: usize = 1_024;

/// How long a child may take to end once its output has.
const END_WAIT: Duration = Duration::from_secs(1);

/// A running child. Ended and waited for when it is dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    chunks: Receiver<Vec<u8>>,
    said: Receiver<String>,
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) success: bool,
    /// Its status, and what it said.
    pub(super) said: String,
}

impl Child {
    pub(super) fn start(program: &Path, arguments: &[OsString]) -> io::Result<Child> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let (chunk, chunks) = bounded(CHUNKS_MAX);
        let (word, said) = bounded(1);
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let child = Child { process, chunks, said };
        if let (Some(mut stdout), Some(stderr)) = (stdout, stderr) {
            let read = move || {
                let mut buffer = vec![0; CHUNK_BYTES];
                while let Some(count) = some(stdout.read(&mut buffer)) {
                    if chunk.send(buffer[..count].to_vec()).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().name("child".to_owned()).spawn(read)?;
            // Nobody listens any more only when the child is given up.
            let listen = move || {
                let _ = word.send(last_of(stderr));
            };
            thread::Builder::new().name("child-stderr".to_owned()).spawn(listen)?;
        }
        Ok(child)
    }

    pub(super) fn chunks(&self) -> &Receiver<Vec<u8>> {
        &self.chunks
    }

    /// Waits for its end, which its output's end announces; kills it where that is not wanted or takes too long.
    pub(super) fn end(mut self, wanted: bool) -> Ended {
        let since = clock::instant();
        while wanted && matches!(self.process.try_wait(), Ok(None)) && clock::since(since) < END_WAIT {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let status = self.process.wait();
        let said = self.said.recv_timeout(END_WAIT).unwrap_or_default();
        let (success, status) = match status {
            Ok(status) => (status.success(), status.to_string()),
            Err(cause) => (false, cause.to_string()),
        };
        Ended { success, said: [status, said].join(": ").trim_end_matches(": ").to_owned() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How many bytes were read; `None` at the end.
fn some(read: io::Result<usize>) -> Option<usize> {
    match read {
        Ok(0) => None,
        Ok(count) => Some(count),
        Err(cause) if cause.kind() == io::ErrorKind::Interrupted => Some(0),
        Err(_) => None,
    }
}

/// The end of what is said, in one line.
fn last_of(mut stderr: impl Read) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; SAID_BYTES_MAX]);
    while let Some(count) = some(stderr.read(&mut buffer)) {
        said.extend_from_slice(&buffer[..count]);
        said.drain(..said.len().saturating_sub(SAID_BYTES_MAX));
    }
    String::from_utf8_lossy(&said).trim().replace('\n', "; ")
}
