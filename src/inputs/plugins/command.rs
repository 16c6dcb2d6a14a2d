//! Programs that inputs run by a shell, in a process group of their own, so that all of it can be ended.
//!
//! What they say on stderr goes where ours does.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

/// A program that runs. Dropped, it is ended.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// What it says.
    pub(super) stdout: ChildStdout,
}

impl Program {
    /// Starts a command of the shell.
    ///
    /// # Errors
    /// There is no shell, or no room for another process.
    pub(super) fn start(command: &str) -> io::Result<Program> {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child = shell.spawn().map_err(|cause| io::Error::new(cause.kind(), format!("`{command}`: {cause}")))?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Program { child, stdout })
    }

    /// Asks it, and what it has started, to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            _ = kill_process_group(group, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// Somebody else has waited for it.
    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        match self.child.try_wait()? {
            Some(status) => Ok(status),
            None => {
                self.signal(Signal::KILL);
                self.child.wait()
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.kill();
    }
}

/// The exit code, as a shell has it.
pub(super) fn code(status: ExitStatus) -> i64 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or_default().into()
}
