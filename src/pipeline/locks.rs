//! Locks whose holder may have been killed a moment ago.

use crate::{
    clock,
    fs::{Fs, Lock},
};
use std::{io, path::Path, thread, time::Duration};

/// How long a process that holds a lock may take to die, and how often that is looked at.
const DYING_MAX: Duration = Duration::from_secs(2);
const DYING_POLL: Duration = Duration::from_millis(20);

/// Takes a lock; one of a process that was killed a moment ago is waited for. `None`: a living process has it.
///
/// # Errors
/// As the operating system says.
pub fn lock_of_dying(fs: &dyn Fs, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
    let begun = clock::instant();
    loop {
        let taken = fs.try_lock(path)?;
        if taken.is_some() || clock::since(begun) > DYING_MAX {
            return Ok(taken);
        }
        thread::sleep(DYING_POLL);
    }
}
