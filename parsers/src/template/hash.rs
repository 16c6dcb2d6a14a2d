//! The hash of template ids. Fixed for ever: ids are stored.

use super::Out;

/// Odd constants without structure (digits of pi and of the golden ratio).
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// A 64-bit hash of bytes that come in pieces; where they are cut makes no difference. Not for hostile keys: whoever
/// can choose messages can make two templates one.
pub(super) struct Hash64 {
    state: u64,
    /// Bytes that do not fill a word yet, the first one lowest.
    word: u64,
    filled: u32,
    len: u64,
}

impl Default for Hash64 {
    fn default() -> Hash64 {
        Hash64 { state: SEED, word: 0, filled: 0, len: 0 }
    }
}

fn mixed(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word).wrapping_mul(u128::from(FACTOR));
    ((product as u64) ^ ((product >> 64) as u64)).rotate_left(29).wrapping_add(word)
}

impl Hash64 {
    /// Takes the lowest `count` bytes of `word`, 1 to 8; those above are zero.
    fn take(&mut self, word: u64, count: u32) {
        self.word |= word << (8 * self.filled);
        let total = self.filled + count;
        if total < 8 {
            self.filled = total;
            return;
        }
        self.state = mixed(self.state, self.word);
        self.word = word.checked_shr(8 * (8 - self.filled)).unwrap_or(0);
        self.filled = total - 8;
    }

    pub(super) fn finish(&self) -> u64 {
        let state = mixed(self.state, self.word);
        let state = mixed(state, self.len);
        (state ^ (state >> 32)).wrapping_mul(FACTOR) ^ (state >> 29)
    }
}

impl Out for Hash64 {
    fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.take(u64::from_le_bytes(*word), 8);
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.take(u64::from_le_bytes(word), rest.len() as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(pieces: &[&[u8]]) -> u64 {
        let mut hash = Hash64::default();
        pieces.iter().for_each(|piece| hash.push(piece));
        hash.finish()
    }

    #[test]
    fn where_bytes_are_cut_makes_no_difference() {
        let text = b"Accepted password for * from * port * ssh*";
        for at in 0..text.len() {
            for second in at..text.len() {
                let (a, b, c) = (&text[..at], &text[at..second], &text[second..]);
                assert_eq!(hash(&[a, b, c]), hash(&[text]), "{at} {second}");
            }
        }
    }

    #[test]
    fn ids_never_change() {
        let check = |text: &str, expected: u64| assert_eq!(hash(&[text.as_bytes()]), expected, "{text}");
        check("", 0x5c65_5d36_b5a7_824b);
        check("*", 0x5aa3_e3cd_f23d_f9c6);
        check("Accepted password for * from * port * ssh*", 0xa4b5_465c_8421_1ee3);
    }

    #[test]
    fn near_texts_are_far_apart() {
        let mut seen = std::collections::HashSet::new();
        for n in 0..100_000u32 {
            assert!(seen.insert(hash(&[format!("{n} failed").as_bytes()])));
            assert!(seen.insert(hash(&[format!("failed {n}").as_bytes()])));
        }
        assert_ne!(hash(&[b"a\0"]), hash(&[b"a"]));
    }
}
