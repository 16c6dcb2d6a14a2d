//! How a file is known again: by what it holds, not by its name.
//!
//! Device and inode say which file to look at first, and prove nothing: inodes are used again, and a file may be truncated
//! and written anew. What proves it are two hashes of its content, of the first 1,024 bytes and of the 256 bytes before
//! the position, with a length that reaches the position. They are of the *content*, so a compressed copy is known too.

use crate::flow::FileMark;
use std::io;

/// What a file holds, unpacked where it is compressed.
pub trait Content {
    /// Reads at an offset, as much as there is up to the buffer's length; 0 at the end.
    ///
    /// # Errors
    /// As the operating system says; or what is compressed is damaged.
    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A hash for content: two checksums of different polynomials, which stay what they are in every later version.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    u64::from(crc32c::crc32c(bytes)) << 32 | u64::from(crc32fast::hash(bytes))
}

/// The first bytes of a content: kept until nobody asks for the hash of fewer of them than a mark covers.
#[derive(Clone, Debug, Default)]
pub struct Prefix {
    bytes: Vec<u8>,
    whole: Option<u64>,
}

impl Prefix {
    /// Takes the bytes at `offset`, which follow those before.
    pub fn push(&mut self, offset: u64, bytes: &[u8]) {
        let wanted = FileMark::PREFIX_BYTES as usize;
        if self.whole.is_some() || offset != self.bytes.len() as u64 {
            return;
        }
        let room = wanted - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.bytes.len() == wanted {
            self.whole = Some(hash(&self.bytes));
        }
    }

    /// The hash of the first bytes that lie before a position.
    #[must_use]
    pub fn before(&self, position: u64) -> u64 {
        match self.whole {
            Some(whole) if position >= FileMark::PREFIX_BYTES => whole,
            _ => hash(&self.bytes[..(position as usize).min(self.bytes.len())]),
        }
    }

    /// Whether the content begins with these bytes, as far as its own are kept.
    #[must_use]
    pub fn begins_with(&self, head: &[u8]) -> bool {
        !head.is_empty() && self.bytes.starts_with(head)
    }

    /// Nobody asks for the hash at a place before this one any more.
    pub fn forget_before(&mut self, position: u64) {
        if self.whole.is_some() && position >= FileMark::PREFIX_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// Reads it from a content of which everything before `position` is known to be there.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn read(content: &mut dyn Content, position: u64) -> io::Result<Prefix> {
        let mut prefix = Prefix::default();
        prefix.push(0, &read(content, 0, position.min(FileMark::PREFIX_BYTES))?);
        prefix.forget_before(position);
        Ok(prefix)
    }
}

/// Whether a content is the one that was read up to `position` when its hashes were these.
///
/// # Errors
/// As the operating system says.
pub fn is_same(content: &mut dyn Content, position: u64, prefix: u64, marker: u64) -> io::Result<bool> {
    let first = position.min(FileMark::PREFIX_BYTES);
    let before = position.min(FileMark::MARKER_BYTES);
    let head = read(content, 0, first)?;
    if head.len() as u64 != first || hash(&head) != prefix {
        return Ok(false);
    }
    let tail = read(content, position - before, before)?;
    Ok(tail.len() as u64 == before && hash(&tail) == marker)
}

/// So many bytes at an offset, or as many as there are.
///
/// # Errors
/// As the operating system says.
pub fn read(content: &mut dyn Content, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    let mut filled = 0;
    while filled < bytes.len() {
        match content.read(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Content for Vec<u8> {
        fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
            let rest = self.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(into.len()).min(100);
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
    }

    fn content(seed: u8, length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + i / 251) as u8 ^ seed).collect()
    }

    #[test]
    fn a_content_is_known_by_its_beginning_and_by_what_lies_before_the_position() {
        for position in [0, 1, 255, 256, 257, 1_023, 1_024, 1_025, 5_000] {
            let mut whole = content(1, 6_000);
            let read_once = Prefix::read(&mut whole, position).unwrap();
            let mut grown = Prefix::default();
            for (at, byte) in whole[..position as usize].iter().enumerate() {
                grown.push(at as u64, &[*byte]);
            }
            assert_eq!(grown.before(position), read_once.before(position), "{position}");
            let mut further = Prefix::default();
            further.push(0, &whole);
            assert_eq!(further.before(position), read_once.before(position), "{position}, after more was read");
            let before = position.min(FileMark::MARKER_BYTES);
            let marker = hash(&whole[(position - before) as usize..position as usize]);
            let same = |mut content: Vec<u8>| is_same(&mut content, position, grown.before(position), marker).unwrap();
            assert!(same(whole.clone()), "{position}");
            assert!(same(whole[..position as usize].to_vec()), "{position}");
            if position > 0 {
                assert!(!same(whole[..position as usize - 1].to_vec()), "{position}");
                assert!(!same(content(2, 6_000)), "{position}");
                let mut changed = whole.clone();
                changed[position as usize - 1] ^= 1;
                assert!(!same(changed), "{position}");
            }
        }
    }
}
