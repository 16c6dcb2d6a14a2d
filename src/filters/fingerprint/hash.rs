//! Hash functions by one interface.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use ring::digest;
use std::fmt::Write as _;

/// A cryptographic hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::filters) enum Digest {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    /// The hash of pieces, one behind the other.
    pub(in crate::filters) fn of(self, pieces: &[&[u8]]) -> Vec<u8> {
        let algorithm = match self {
            Digest::Md5 => {
                let mut hasher = Md5::new();
                pieces.iter().for_each(|piece| hasher.update(piece));
                return hasher.finalize().to_vec();
            }
            Digest::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &digest::SHA256,
            Digest::Sha384 => &digest::SHA384,
            Digest::Sha512 => &digest::SHA512,
        };
        let mut context = digest::Context::new(algorithm);
        pieces.iter().for_each(|piece| context.update(piece));
        context.finish().as_ref().to_vec()
    }

    /// The keyed hash of RFC 2104.
    pub(in crate::filters) fn hmac(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let block = match self {
            Digest::Md5 | Digest::Sha1 | Digest::Sha256 => 64,
            Digest::Sha384 | Digest::Sha512 => 128,
        };
        let mut key = if key.len() > block { self.of(&[key]) } else { key.to_vec() };
        key.resize(block, 0);
        let padded = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
        let inner = self.of(&[&padded(0x36), text]);
        self.of(&[&padded(0x5c), &inner])
    }
}

/// A hash as hexadecimal digits or in base 64.
pub(in crate::filters) fn shown(bytes: &[u8], is_base64: bool) -> String {
    if is_base64 {
        return STANDARD.encode(bytes);
    }
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        _ = write!(out, "{byte:02x}");
        out
    })
}

/// MurmurHash3 of 32 bits with the seed 0.
pub(in crate::filters) fn murmur32(bytes: &[u8]) -> u32 {
    let mixed = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = blocks.iter().fold(0_u32, |hash, block| {
        let hash = hash ^ mixed(u32::from_le_bytes(*block));
        hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= mixed(tail.iter().rev().fold(0, |k, byte| k << 8 | u32::from(*byte)));
    // Longer texts than 4 GiB do not come here.
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// MurmurHash3 of 128 bits for machines of 64 with the seed 0.
pub(super) fn murmur128(bytes: &[u8]) -> u128 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mixed1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mixed2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |k, byte| k << 8 | u64::from(*byte));
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        h1 ^= mixed1(word(&block[..8]));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mixed2(word(&block[8..]));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (first, second) = tail.split_at(tail.len().min(8));
    h1 ^= mixed1(word(first)) ^ bytes.len() as u64;
    h2 ^= mixed2(word(second)) ^ bytes.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    let last = |mut k: u64| {
        k = (k ^ k >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        k = (k ^ k >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        k ^ k >> 33
    };
    (h1, h2) = (last(h1), last(h2));
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    u128::from(h1) << 64 | u128::from(h2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_their_inventors() {
        assert_eq!(murmur32(b""), 0);
        assert_eq!(murmur32(b"hello"), 0x248b_fa47);
        assert_eq!(murmur128(b"hello"), 0xcbd8_a7b3_41bd_9b02_5b1e_906a_48ae_1d19);
        let check = |digest: Digest, expected: &str| assert_eq!(shown(&digest.of(&[b"a", b"bc"]), false), expected);
        check(Digest::Md5, "900150983cd24fb0d6963f7d28e17f72");
        check(Digest::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(Digest::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let keyed = Digest::Md5.hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(shown(&keyed, false), "750c783e6ab0b503eaa86e310a5db738");
        assert_eq!(shown(b"abc", true), "YWJj");
    }
}
