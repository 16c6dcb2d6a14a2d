//! The hash of template ids. Fixed for ever: ids are stored.

/// Odd constants without structure (digits of pi and of the golden ratio).
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

fn mixed(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word).wrapping_mul(u128::from(FACTOR));
    ((product as u64) ^ ((product >> 64) as u64)).rotate_left(29).wrapping_add(word)
}

/// A 64-bit hash. Not for hostile keys: whoever can choose messages can make two templates one.
pub(super) fn hash(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let state = words.iter().fold(SEED, |state, word| mixed(state, u64::from_le_bytes(*word)));
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let state = mixed(mixed(state, last), text.len() as u64);
    (state ^ (state >> 32)).wrapping_mul(FACTOR) ^ (state >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_change() {
        let check = |text: &str, expected: u64| assert_eq!(hash(text.as_bytes()), expected, "{text}");
        check("", 0x5c65_5d36_b5a7_824b);
        check("*", 0x5aa3_e3cd_f23d_f9c6);
        check("Accepted password for * from * port * ssh*", 0xa4b5_465c_8421_1ee3);
    }

    #[test]
    fn near_texts_are_far_apart() {
        let mut seen = std::collections::HashSet::new();
        for n in 0..100_000u32 {
            assert!(seen.insert(hash(format!("{n} failed").as_bytes())));
            assert!(seen.insert(hash(format!("failed {n}").as_bytes())));
        }
        assert_ne!(hash(b"a\0"), hash(b"a"));
    }
}
