//! gzip, member after member, by pieces of any size: the decoder keeps its place at every byte, so a file may still be
//! growing. The frame around the deflated data (RFC 1952) is read here, because the decoders of `flate2` for whole members
//! take an end of input for damage.

use flate2::{Crc, Decompress, FlushDecompress, Status};

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

/// What a step took and gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the input.
    pub taken: usize,
    /// Bytes put into the output.
    pub made: usize,
}

/// A decoder.
#[derive(Debug)]
pub struct Gunzip {
    inflate: Decompress,
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
        Gunzip { inflate: Decompress::new(false), crc: Crc::new(), place: Place::Header, kept: Vec::new(), members: 0 }
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
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, FlushDecompress::None);
        let status = status.map_err(|_| "the deflated data is not valid")?;
        // Both differences are at most the lengths of the slices.
        let taken = usize::try_from(self.inflate.total_in() - taken).unwrap_or(input.len());
        let made = usize::try_from(self.inflate.total_out() - made).unwrap_or(output.len());
        self.crc.update(&output[..made]);
        if status == Status::StreamEnd {
            self.place = Place::Trailer;
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
            self.inflate.reset(false);
            self.members += 1;
            self.place = Place::Header;
        }
        Ok(taken)
    }
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
                if input.is_empty() && made < output.len() {
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
