//! Sets of bytes with which lines of a format may begin.

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starts([u64; 4]);

impl Starts {
    /// Any byte, and no byte at all (an empty line).
    pub const ANY: Starts = Starts([u64::MAX; 4]);
    /// `0` to `9`.
    pub const DIGIT: Starts = Starts::between(b'0', b'9');
    /// `A` to `Z`.
    pub const UPPER: Starts = Starts::between(b'A', b'Z');
    /// `a` to `z`.
    pub const LOWER: Starts = Starts::between(b'a', b'z');

    /// These bytes.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Starts {
        let mut set = Starts([0; 4]);
        let mut at = 0;
        while at < bytes.len() {
            set.0[(bytes[at] / 64) as usize] |= 1 << (bytes[at] % 64);
            at += 1;
        }
        set
    }

    /// The bytes from one to another.
    #[must_use]
    pub const fn between(first: u8, last: u8) -> Starts {
        let mut set = Starts([0; 4]);
        let mut byte = first;
        while byte < last {
            set = set.or(Starts::of(&[byte]));
            byte += 1;
        }
        set.or(Starts::of(&[last]))
    }

    /// The bytes of either.
    #[must_use]
    pub const fn or(self, other: Starts) -> Starts {
        let (a, b) = (self.0, other.0);
        Starts([a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]])
    }

    /// Whether it has the byte.
    #[must_use]
    pub const fn has(self, byte: u8) -> bool {
        self.0[(byte / 64) as usize] >> (byte % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_what_was_put_in() {
        let set = Starts::DIGIT.or(Starts::of(b"<\xff"));
        let found: Vec<u8> = (0..=255).filter(|byte| set.has(*byte)).collect();
        assert_eq!(found, b"0123456789<\xff");
        assert!((0..=255).all(|byte| Starts::ANY.has(byte)));
    }
}
