//! Where a gzip file goes on behind damage: the next bytes that begin as a member does and inflate.
//!
//! The search is a function of the file's bytes alone, so it ends at the same place after a restart. It begins behind the
//! first byte of the damaged member, since a decoder that was led astray may have taken whole members for its data. Limits:
//! a step reads [`STEP_BYTES`]; of what begins like a member and is none, [`DAMAGES_MAX`] a file are tried.

use super::{
    gunzip::{self, TRIAL_BYTES},
    tree::OpenFile,
};
use memchr::memmem;
use std::io;

/// Bytes of the file that are looked at in one step.
const STEP_BYTES: usize = 64 << 10;
/// Damaged members of a file, and what only looks like one, that are passed over; behind more of them nothing is looked for.
pub const DAMAGES_MAX: u32 = 1_000;

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A member begins here.
    Member(u64),
    /// There is more to look at.
    Further,
    /// There is none up to the end that the file has now.
    Nothing,
    /// There is too much that is damaged.
    TooMuch,
}

/// A search.
#[derive(Debug)]
pub struct Search {
    from: u64,
    looked: u64,
    /// Damaged members so far.
    pub damages: u32,
}

impl Search {
    /// From a place of the file on, after so many damaged members.
    pub fn new(from: u64, damages: u32) -> Search {
        Search { from, looked: from, damages }
    }

    /// How much of the file was looked at.
    pub fn looked(&self) -> u64 {
        self.looked
    }

    /// Looks at some bytes.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn step(&mut self, file: &dyn OpenFile) -> io::Result<Found> {
        let mut bytes = vec![0; STEP_BYTES];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], self.from + length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        let is_end = length < bytes.len();
        let begin = self.from;
        self.looked = self.looked.max(begin + length as u64);
        let mut at = 0;
        while let Some(found) = memmem::find(&bytes[at..length], gunzip::MAGIC) {
            at += found;
            self.from = begin + at as u64;
            if self.damages >= DAMAGES_MAX {
                return Ok(Found::TooMuch);
            }
            if !is_end && length - at < TRIAL_BYTES {
                return Ok(Found::Further);
            }
            match gunzip::begins_member(&bytes[at..length.min(at + TRIAL_BYTES)]) {
                Some(true) => return Ok(Found::Member(self.from)),
                Some(false) => (at, self.damages) = (at + 1, self.damages + 1),
                None => return Ok(Found::Nothing),
            }
        }
        // The next one may begin with the last bytes.
        self.from = self.from.max(begin + length.saturating_sub(gunzip::MAGIC.len() - 1).max(at.min(length)) as u64);
        Ok(if is_end { Found::Nothing } else { Found::Further })
    }
}
