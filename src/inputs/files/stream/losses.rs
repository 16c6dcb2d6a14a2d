//! How far a content is behind its file, and what of it nobody can read any more: truncated before it was read, or damaged.

use super::{Stat, Stream};
use std::mem;

/// What a content lost to damage of its compressed file.
#[derive(Debug)]
pub struct Damaged {
    /// Where and why, for people.
    pub text: String,
    /// Bytes of the file.
    pub lost: u64,
    /// More can be read behind it.
    pub goes_on: bool,
}

impl Stream {
    /// How much of the file is durable: of a compressed one about, until all that was read of it is.
    pub fn durable_of_file(&self) -> u64 {
        match (self.durable_to(), self.read) {
            (durable, read) if durable >= read => self.taken,
            (durable, _) if !self.is_compressed() => durable,
            (durable, read) => (u128::from(self.taken) * u128::from(durable) / u128::from(read)) as u64,
        }
    }

    /// Whether something of it cannot be read or stored.
    pub fn is_failing(&self) -> bool {
        self.failure.is_some() || self.damage.is_some()
    }

    /// What was seen of the file without opening it; whether it has changed since it was read.
    pub fn seen(&mut self, stat: &Stat) -> bool {
        let changed = stat.size != self.taken || stat.modified_ns != self.modified_ns;
        if stat.size < self.size {
            // Reading may be kept waiting until the file has grown again: what was there is known only now.
            let held = if self.is_cut { stat.size } else { self.taken.max(stat.size) };
            self.lost += self.size.saturating_sub(held);
            self.is_cut |= stat.size < self.taken;
        }
        (self.size, self.modified_ns) = (stat.size, stat.modified_ns);
        self.at_end &= !changed;
        changed
    }

    /// The bytes that it had and that nobody can read any more, if it `ends` here; before that, those that its file lost.
    pub fn take_lost(&mut self, ends: bool) -> u64 {
        let rest = if ends && !self.is_cut { self.size.saturating_sub(self.taken) } else { 0 };
        if ends || !self.is_cut { mem::take(&mut self.lost) + rest } else { 0 }
    }

    /// What was lost to damage since the last call: bytes of the file, and what to say of it, which is little of a file with
    /// much damage.
    pub fn take_damage(&mut self) -> Option<(u64, Option<String>)> {
        let (damage, lost) = self.file.as_ref()?.damage()?;
        let before = self.damage.as_ref().map_or(0, |before| before.lost);
        let goes_on = damage.goes_on.is_some();
        let is_known = self.damage.as_ref().is_some_and(|before| lost <= before.lost && goes_on == before.goes_on);
        // What a life before this one came upon it has told.
        let is_old = damage.content < self.from && goes_on;
        if is_known || is_old {
            return None;
        }
        let lost = lost.max(before);
        let text = format!("{damage}; {lost} bytes of it are lost");
        let ended = self.damage.as_ref().is_some_and(|before| before.goes_on && !goes_on);
        let say = (self.damage.is_none() || ended).then(|| text.clone());
        self.damage = Some(Damaged { text, lost, goes_on });
        Some((lost - before, say))
    }
}
