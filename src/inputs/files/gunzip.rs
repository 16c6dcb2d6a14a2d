//! gzip, member after member, by pieces of any size: the decoder keeps its place at every byte, so a file may still be
//! growing. The frame around the deflated data (RFC 1952) is read here, because the decoders of `flate2` for whole members
//! take an end of input for damage, and inflating is `miniz_oxide`'s own call, because what flate2's streams give of a damaged
//! member depends on the sizes of the buffers: a place in the content must mean the same bytes after a restart.

use flate2::Crc;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress_with_limit, inflate_flags::TINFL_FLAG_HAS_MORE_INPUT},
};

/// A member begins with this: the magic number and the only method there is.
pub const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
/// Longest header of a member: its flags, an extra field, a file name and a comment.
const HEADER_BYTES_MAX: usize = 192 << 10;
/// Header without the optional fields.
const HEADER_BYTES: usize = 10;
/// Checksum and length of a member.
const TRAILER_BYTES: usize = 8;
const HAS_HEADER_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;
/// What deflated data may refer back to.
const WINDOW_BYTES: usize = 32 << 10;
/// What looks like a member is one if so many bytes of it inflate without a mistake, its header included, or all of it does,
pub const TRIAL_BYTES: usize = 16 << 10;
/// or so much comes of it.
const TRIAL_MADE_BYTES: usize = 1 << 20;

/// What a step took and gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the input.
    pub taken: usize,
    /// Bytes put into the output.
    pub made: usize,
}

/// A decoder.
pub struct Gunzip {
    inflate: DecompressorOxide,
    window: Vec<u8>,
    /// Where in the window the next byte goes.
    at: usize,
    /// There is more to give or to say, without any input.
    holds_more: bool,
    failed: bool,
    crc: Crc,
    place: Place,
    /// The bytes of an unfinished header or trailer.
    kept: Vec<u8>,
    members: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Trailer,
}

impl Default for Gunzip {
    fn default() -> Gunzip {
        Gunzip {
            inflate: DecompressorOxide::new(),
            window: vec![0; WINDOW_BYTES],
            at: 0,
            holds_more: false,
            failed: false,
            crc: Crc::new(),
            place: Place::Header,
            kept: Vec::new(),
            members: 0,
        }
    }
}

impl Gunzip {
    /// Takes some of `input` and fills some of `output`; neither only if there is no input.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, &'static str> {
        match self.place {
            Place::Header => self.header(input).map(|taken| Progress { taken, made: 0 }),
            Place::Body => self.body(input, output),
            Place::Trailer => self.trailer(input).map(|taken| Progress { taken, made: 0 }),
        }
    }

    /// Whether the bytes so far are whole members.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.place == Place::Header && self.kept.is_empty() && self.members > 0
    }

    /// Whether nothing of a member was taken yet.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        self.place == Place::Header && self.kept.is_empty()
    }

    /// Whether a step without input may give more.
    #[must_use]
    pub fn holds_more(&self) -> bool {
        self.holds_more
    }

    fn header(&mut self, input: &[u8]) -> Result<usize, &'static str> {
        // Behind the last member there may be zeros, from tapes and block devices.
        if self.is_between() && input.first() == Some(&0) {
            return Ok(input.iter().take_while(|byte| **byte == 0).count());
        }
        let before = self.kept.len();
        self.kept.extend_from_slice(&input[..input.len().min(HEADER_BYTES_MAX - before)]);
        let Some(whole) = header_len(&self.kept)? else {
            if self.kept.len() == HEADER_BYTES_MAX {
                return Err("the header of a member is too long");
            }
            return Ok(self.kept.len() - before);
        };
        self.kept.clear();
        self.place = Place::Body;
        Ok(whole - before)
    }

    fn body(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, &'static str> {
        if self.failed {
            return Err("the deflated data is not valid");
        }
        let (mut taken, mut made) = (0, 0);
        loop {
            let (input, output) = (&input[taken..], &mut output[made..]);
            let (window, room, more) = (&mut self.window, output.len(), TINFL_FLAG_HAS_MORE_INPUT);
            let (status, used, given) = decompress_with_limit(&mut self.inflate, input, window, self.at, room, more);
            output[..given].copy_from_slice(&window[self.at..self.at + given]);
            (taken, made, self.at) = (taken + used, made + given, (self.at + given) % WINDOW_BYTES);
            self.crc.update(&output[..given]);
            self.holds_more = status == TINFLStatus::HasMoreOutput;
            match status {
                TINFLStatus::HasMoreOutput if given < room => continue,
                TINFLStatus::HasMoreOutput | TINFLStatus::NeedsMoreInput => {}
                TINFLStatus::Done => self.place = Place::Trailer,
                // What was whole before it is given first.
                _ => (self.failed, self.holds_more) = (true, true),
            }
            break;
        }
        Ok(Progress { taken, made })
    }

    fn trailer(&mut self, input: &[u8]) -> Result<usize, &'static str> {
        let taken = input.len().min(TRAILER_BYTES - self.kept.len());
        self.kept.extend_from_slice(&input[..taken]);
        if self.kept.len() == TRAILER_BYTES {
            let expected = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
            if self.kept != expected {
                return Err("the checksum of a member is wrong");
            }
            self.kept.clear();
            self.crc.reset();
            self.inflate.init();
            self.members += 1;
            self.place = Place::Header;
        }
        Ok(taken)
    }
}

/// Whether these bytes begin a member, the last ones of the file if there are fewer than [`TRIAL_BYTES`]; nothing if that
/// cannot be told yet.
#[must_use]
pub fn begins_member(bytes: &[u8]) -> Option<bool> {
    let (mut gunzip, mut output) = (Gunzip::default(), vec![0; WINDOW_BYTES]);
    let (mut rest, mut all) = (bytes, 0);
    while !rest.is_empty() || gunzip.holds_more() {
        let Ok(Progress { taken, made }) = gunzip.step(rest, &mut output) else { return Some(false) };
        (rest, all) = (&rest[taken..], all + made);
        if gunzip.is_between() || all >= TRIAL_MADE_BYTES {
            return Some(true);
        }
    }
    (bytes.len() >= TRIAL_BYTES).then_some(gunzip.place != Place::Header)
}

/// The length of a header, or `None` if more of it has to come.
fn header_len(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    if bytes.iter().zip(MAGIC).any(|(byte, magic)| byte != magic) {
        return Err("there is something else behind a member");
    }
    let Some(&flags) = bytes.get(3) else { return Ok(None) };
    if flags & RESERVED != 0 {
        return Err("the header of a member has unknown flags");
    }
    let mut end = HEADER_BYTES;
    if flags & HAS_EXTRA != 0 {
        let Some(len) = bytes.get(end..end + 2) else { return Ok(None) };
        end += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for text in [HAS_NAME, HAS_COMMENT] {
        if flags & text != 0 {
            let Some(zero) = bytes.get(end..).and_then(|rest| memchr::memchr(0, rest)) else { return Ok(None) };
            end += zero + 1;
        }
    }
    if flags & HAS_HEADER_CRC != 0 {
        end += 2;
    }
    Ok((bytes.len() >= end).then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A member with every optional field.
    fn member(text: &[u8]) -> Vec<u8> {
        let builder = flate2::GzBuilder::new().filename("a.log").comment("of us").extra([7; 300]);
        let mut encoder = builder.write(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn gunzip(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, bool), &'static str> {
        let (mut gunzip, mut text, mut output) = (Gunzip::default(), Vec::new(), vec![0; 1000]);
        for mut input in bytes.chunks(piece) {
            loop {
                let Progress { taken, made } = gunzip.step(input, &mut output)?;
                text.extend_from_slice(&output[..made]);
                input = &input[taken..];
                if input.is_empty() && !gunzip.holds_more() {
                    break;
                }
            }
        }
        Ok((text, gunzip.is_between()))
    }

    #[test]
    fn members_come_in_pieces() {
        let text = b"line\n".repeat(10_000);
        let bytes = [member(&text), member(b""), member(b"last"), vec![0; 100]].concat();
        for piece in [1, 2, 3, 7, 1000, bytes.len()] {
            assert_eq!(gunzip(&bytes, piece), Ok(([&text[..], b"last"].concat(), true)), "{piece}");
        }
        for cut in 1..member(b"text").len() {
            assert!(!gunzip(&member(b"text")[..cut], cut).unwrap().1, "{cut}");
        }
    }

    #[test]
    fn what_is_whole_of_a_damaged_member_does_not_depend_on_pieces() {
        let text: Vec<u8> = (0..60_000_u32).flat_map(|number| format!("{number:x} ").into_bytes()).collect();
        let good = member(&text);
        for at in [good.len() / 7, good.len() / 2, good.len() - 100] {
            let mut bytes = good.clone();
            bytes[at..at + 3].fill(0xff);
            let given = |piece: usize, room: usize| {
                let (mut gunzip, mut all, mut output) = (Gunzip::default(), Vec::new(), vec![0; room]);
                for mut input in bytes.chunks(piece) {
                    while !input.is_empty() || gunzip.holds_more() {
                        match gunzip.step(input, &mut output) {
                            Ok(Progress { taken, made }) => {
                                all.extend_from_slice(&output[..made]);
                                input = &input[taken..];
                            }
                            Err(_) => return all,
                        }
                    }
                }
                panic!("no damage");
            };
            let whole = given(bytes.len(), 1 << 20);
            for (piece, room) in [(1, 1 << 20), (7, 1), (1000, 1000), (32 << 10, 256), (bytes.len(), 33_000)] {
                assert!(given(piece, room) == whole, "{at} {piece} {room}");
            }
        }
    }

    #[test]
    fn members_are_told_from_what_begins_like_one() {
        // The finalizer of splitmix64.
        let mixed = |number: u64| {
            let bits = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 31) as u8
        };
        let small = member(b"some text\n");
        let noise: Vec<u8> = (0..20_000_u64).map(mixed).collect();
        let large = member(&noise);
        assert!(large.len() > TRIAL_BYTES);
        for (bytes, expected) in [
            (&small[..], Some(true)),
            (&[&small[..], b"behind"].concat(), Some(true)),
            (&small[..small.len() - 1], None),
            (&large[..TRIAL_BYTES], Some(true)),
            (&large[..TRIAL_BYTES - 1], None),
            (&[MAGIC, &[0; 7], &noise[..]].concat(), Some(false)),
            (&[MAGIC, &[HAS_NAME], &[1; TRIAL_BYTES]].concat(), Some(false)),
        ] {
            assert_eq!(begins_member(bytes), expected, "{}", bytes.len());
        }
    }

    #[test]
    fn damage_is_named() {
        let good = member(b"some text\n");
        let changed = |at: usize, by: u8| {
            let mut bytes = good.clone();
            bytes[at] ^= by;
            bytes
        };
        for (bytes, word) in [
            (changed(3, 0x80), "flags"),
            (changed(good.len() - 8, 1), "checksum"),
            (changed(good.len() - 1, 1), "checksum"),
            (changed(good.len() - 20, 0xff), "deflated data"),
            ([&good[..], b"x"].concat(), "behind"),
            ([MAGIC, &[HAS_NAME], &[1; HEADER_BYTES_MAX]].concat(), "too long"),
        ] {
            let error = gunzip(&bytes, 4096).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
