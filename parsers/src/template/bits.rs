//! Which bytes of a block are of which class: a bit a byte, the first byte lowest.

use super::block::BLOCK;
use wide::u8x16;

/// One bit for each byte of a block.
pub(super) type Bits = u128;
const _: () = assert!(BLOCK == Bits::BITS as usize);

/// Bytes classed at once.
const LANES: usize = 16;
/// Bytes that fill a word of bits.
const HALF: usize = 64;
const CLASSES: usize = 9;

/// The bits before a place.
pub(super) fn below(place: usize) -> Bits {
    if place < BLOCK { (1 << place) - 1 } else { Bits::MAX }
}

/// The place behind the last bit; 0 where there is none.
pub(super) fn end(bits: Bits) -> usize {
    BLOCK - bits.leading_zeros() as usize
}

/// The classes of a block's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes {
    /// White space and control characters.
    pub spaces: Bits,
    /// Those of them that are written as another: all but the blank.
    pub controls: Bits,
    /// What is no part of a token: white space, quotes, brackets and `& , ; < = > |`.
    pub breaks: Bits,
    /// What makes its token a value: digits and `/ @ \`.
    pub marks: Bits,
    /// What may stand between the values of a list: white space and `+ , - : ; =`.
    pub joints: Bits,
    /// What ends the constant beginning of a value: `- : _`.
    pub labels: Bits,
    pub colons: Bits,
    pub equals: Bits,
    /// `"` and `'`
    pub quotes: Bits,
}

impl Classes {
    /// Of so many bytes at the beginning, and of some behind them.
    pub(super) fn of(bytes: &[u8; BLOCK], count: usize) -> Classes {
        let (halves, _) = bytes.as_chunks::<HALF>();
        let low = half(&halves[0]);
        let high = if count > HALF { half(&halves[1]) } else { [0; CLASSES] };
        let [spaces, controls, breaks, marks, joints, labels, colons, equals, quotes] =
            std::array::from_fn(|class| Bits::from(low[class]) | Bits::from(high[class]) << HALF);
        Classes { spaces, controls, breaks, marks, joints, labels, colons, equals, quotes }
    }
}

/// The bits of each class, in the order of [`Classes`].
fn half(bytes: &[u8; HALF]) -> [u64; CLASSES] {
    let mut bits = [0; CLASSES];
    for (at, lanes) in bytes.as_chunks::<LANES>().0.iter().enumerate() {
        for (bits, found) in bits.iter_mut().zip(classed(u8x16::new(*lanes))) {
            *bits |= u64::from(found.to_bitmask()) << (at * LANES);
        }
    }
    bits
}

#[inline(always)]
fn classed(bytes: u8x16) -> [u8x16; CLASSES] {
    let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
    let within = |bytes: u8x16, first: u8, last: u8| {
        let above = bytes - u8x16::splat(first);
        above.min(u8x16::splat(last - first)).simd_eq(above)
    };
    let (colons, equals, backslashes, double) = (is(b':'), is(b'='), is(b'\\'), is(b'"'));
    let spaces = bytes.min(u8x16::splat(b' ')).simd_eq(bytes);
    // `{ | }`, and one bit lower `[ \ ]`.
    let brackets = within(bytes | u8x16::splat(0x20), b'{', b'}') & !backslashes;
    let breaks = spaces | double | is(b',') | brackets | within(bytes, b'&', b')') | within(bytes, b';', b'>');
    let marks = within(bytes, b'/', b'9') | backslashes | is(b'@');
    let joints = spaces | equals | within(bytes, b'+', b'-') | within(bytes, b':', b';');
    let labels = colons | is(b'-') | is(b'_');
    [spaces, spaces & !is(b' '), breaks, marks, joints, labels, colons, equals, double | is(b'\'')]
}

/// Whether a byte is no part of a token.
pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'&'..=b')' | b',' | b';'..=b'>' | b'[' | b']' | b'{'..=b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_of_its_classes() {
        let set = |text: &str| text.bytes().collect::<Vec<_>>();
        let digits = set("0123456789");
        let controls: Vec<u8> = (0..=b' ').collect();
        for byte in 0..=u8::MAX {
            let place = usize::from(byte) % BLOCK;
            let mut bytes = [b'x'; BLOCK];
            bytes[place] = byte;
            let classes = Classes::of(&bytes, BLOCK);
            let check = |found: Bits, expected: &[&[u8]]| {
                let bit = Bits::from(expected.concat().contains(&byte));
                assert_eq!(found, bit << place, "{byte:#x}");
            };
            check(classes.spaces, &[&controls]);
            check(classes.controls, &[&controls[..32]]);
            check(classes.breaks, &[&controls, b"\"'()[]{}<>&,;=|"]);
            check(classes.marks, &[&digits, b"/@\\"]);
            check(classes.joints, &[&controls, b"+,-:;="]);
            check(classes.labels, &[b"-:_"]);
            check(classes.colons, &[b":"]);
            check(classes.equals, &[b"="]);
            check(classes.quotes, &[b"\"'"]);
            assert_eq!(classes.breaks != 0, is_break(byte), "{byte:#x}");
        }
    }

    #[test]
    fn places_are_counted_from_the_lowest_bit() {
        assert_eq!((below(0), below(3), below(BLOCK), below(BLOCK + 1)), (0, 0b111, Bits::MAX, Bits::MAX));
        assert_eq!((end(0), end(1), end(0b100), end(Bits::MAX)), (0, 1, 3, BLOCK));
    }
}
