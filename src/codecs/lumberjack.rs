//! Lumberjack, the protocol of Beats: frames of versions 1 and 2, compressed or not, from pieces of a stream.
//!
//! A window (`W`) says how many events follow; an event is JSON (`J`) or pairs of texts (`D`), which become JSON; a compressed
//! frame (`C`) holds frames. Whoever reads answers a sequence number with [`ack`] once that event and all before it are safe.
//!
//! Promises: it never panics, whatever the bytes are. What is compressed is inflated piece by piece as frames are asked for, so
//! that it holds one unfinished frame of at most [`EVENT_BYTES_MAX`] and one piece. Of a longer event a prefix is given, so
//! that its sender can go on.

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use std::fmt;

/// The longest event: what fits into a frame of the log.
pub const EVENT_BYTES_MAX: usize = 8 << 20;
/// What is kept of a longer one.
pub const PREFIX_BYTES: usize = 1 << 20;
/// Most pairs of an event of version 1.
pub const PAIRS_MAX: u32 = 10_000;
/// What is inflated at once.
const PIECE_BYTES: usize = 64 << 10;

/// What a sender says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// So many events follow.
    Window(u32),
    /// An event.
    Event {
        /// Its number in the window.
        sequence: u32,
        /// A JSON object, as long as the sender tells the truth.
        json: Bytes,
        /// Whether this is only the beginning of it.
        is_cut: bool,
    },
}

/// The stream makes no sense from here on: the sender should begin a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LumberjackError {
    /// A frame of no known version or kind.
    UnknownFrame(u8, u8),
    /// Compressed bytes are damaged.
    Corrupt,
    /// A compressed frame ends inside of a frame, or holds a compressed one.
    Nested,
    /// An event has more than [`PAIRS_MAX`] pairs, or one longer than [`EVENT_BYTES_MAX`].
    TooLarge,
}

impl fmt::Display for LumberjackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LumberjackError::UnknownFrame(version, kind) => {
                let (version, kind) = (char::from(*version), char::from(*kind));
                write!(f, "this is not the protocol of Beats: a frame begins with {version:?} and {kind:?}")
            }
            LumberjackError::Corrupt => f.write_str("a compressed frame is damaged"),
            LumberjackError::Nested => f.write_str("a compressed frame does not hold whole frames"),
            LumberjackError::TooLarge => f.write_str("an event has too many or too long fields"),
        }
    }
}

impl std::error::Error for LumberjackError {}

/// The answer that all events up to a number are safe; with 0, that the sender should be patient.
#[must_use]
pub fn ack(version: Version, sequence: u32) -> [u8; 6] {
    let [a, b, c, d] = sequence.to_be_bytes();
    [version as u8, b'A', a, b, c, d]
}

/// Which version a sender speaks, to be answered in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Version {
    /// Of `logstash-forwarder`.
    One = b'1',
    /// Of Beats.
    #[default]
    Two = b'2',
}

/// A stream of frames.
#[derive(Debug, Default)]
pub struct Lumberjack {
    input: Frames,
    compressed: Option<Compressed>,
}

/// A compressed frame that is being read.
struct Compressed {
    /// What of it is still to come.
    left: usize,
    zlib: Box<Decompress>,
    has_ended: bool,
    frames: Frames,
}

impl fmt::Debug for Compressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressed").field("left", &self.left).field("frames", &self.frames).finish_non_exhaustive()
    }
}

/// Bytes that frames are cut from.
#[derive(Debug, Default)]
struct Frames {
    version: Version,
    bytes: BytesMut,
    /// What of an event that is too long is still to come.
    skipping: usize,
}

/// What was cut.
enum Cut {
    Frame(Frame),
    Compressed(usize),
    /// More is needed.
    Nothing,
}

impl Lumberjack {
    /// Takes what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.bytes.extend_from_slice(bytes);
    }

    /// The version of the last frame.
    #[must_use]
    pub fn version(&self) -> Version {
        self.input.version
    }

    /// The next frame; `None` until more is pushed.
    ///
    /// # Errors
    /// The stream makes no sense from here on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, LumberjackError> {
        loop {
            let Some(compressed) = &mut self.compressed else {
                match self.input.cut()? {
                    Cut::Frame(frame) => return Ok(Some(frame)),
                    Cut::Nothing => return Ok(None),
                    Cut::Compressed(left) => {
                        let (zlib, frames) = (Box::new(Decompress::new(true)), Frames::default());
                        self.compressed = Some(Compressed { left, zlib, has_ended: false, frames });
                    }
                }
                continue;
            };
            match compressed.frames.cut()? {
                Cut::Frame(frame) => return Ok(Some(frame)),
                Cut::Compressed(_) => return Err(LumberjackError::Nested),
                Cut::Nothing => {}
            }
            match compressed.inflate(&mut self.input.bytes)? {
                Inflated::Some => {}
                Inflated::Wanting => return Ok(None),
                Inflated::Done if compressed.frames.is_empty() => self.compressed = None,
                Inflated::Done => return Err(LumberjackError::Nested),
            }
        }
    }
}

enum Inflated {
    /// There may be a frame now.
    Some,
    /// More input is needed.
    Wanting,
    /// There is nothing more in it.
    Done,
}

impl Compressed {
    fn inflate(&mut self, input: &mut BytesMut) -> Result<Inflated, LumberjackError> {
        let given = self.left.min(input.len());
        if self.has_ended {
            // What follows the end of the compressed text means nothing.
            input.advance(given);
            self.left -= given;
            return Ok(if self.left > 0 { Inflated::Wanting } else { Inflated::Done });
        }
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let before = self.zlib.total_in();
        let status = self.zlib.decompress_vec(&input[..given], &mut piece, FlushDecompress::None);
        let taken = usize::try_from(self.zlib.total_in() - before).unwrap_or(given).min(given);
        input.advance(taken);
        self.left -= taken;
        self.frames.push(&piece);
        match status {
            Ok(Status::StreamEnd) => self.has_ended = true,
            Ok(Status::Ok | Status::BufError) if taken > 0 || !piece.is_empty() => {}
            Ok(Status::Ok | Status::BufError) if given == 0 && self.left > 0 => return Ok(Inflated::Wanting),
            // All of it is there, and the text does not end.
            Ok(Status::Ok | Status::BufError) | Err(_) => return Err(LumberjackError::Corrupt),
        }
        Ok(Inflated::Some)
    }
}

impl Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.skipping == 0
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    }

    fn cut(&mut self) -> Result<Cut, LumberjackError> {
        let skipped = self.skipping.min(self.bytes.len());
        self.bytes.advance(skipped);
        self.skipping -= skipped;
        let &[version, kind, ..] = &self.bytes[..] else { return Ok(Cut::Nothing) };
        self.version = match version {
            b'1' => Version::One,
            b'2' => Version::Two,
            _ => return Err(LumberjackError::UnknownFrame(version, kind)),
        };
        let Some(number) = self.number(2) else { return Ok(Cut::Nothing) };
        match kind {
            b'W' => {
                self.bytes.advance(6);
                Ok(Cut::Frame(Frame::Window(number)))
            }
            b'C' => {
                self.bytes.advance(6);
                Ok(Cut::Compressed(number as usize))
            }
            b'J' => Ok(self.json(number)),
            b'D' => self.pairs(number),
            _ => Err(LumberjackError::UnknownFrame(version, kind)),
        }
    }

    fn json(&mut self, sequence: u32) -> Cut {
        const HEAD: usize = 10;
        let Some(length) = self.number(6).map(|length| length as usize) else { return Cut::Nothing };
        let kept = if length > EVENT_BYTES_MAX { PREFIX_BYTES } else { length };
        if self.bytes.len() < HEAD + kept {
            return Cut::Nothing;
        }
        self.bytes.advance(HEAD);
        let json = self.bytes.split_to(kept).freeze();
        self.skipping = length - kept;
        Cut::Frame(Frame::Event { sequence, json, is_cut: self.skipping > 0 })
    }

    /// An event of version 1: how many pairs, then each text with its length.
    fn pairs(&mut self, sequence: u32) -> Result<Cut, LumberjackError> {
        let Some(count) = self.number(6) else { return Ok(Cut::Nothing) };
        if count > PAIRS_MAX {
            return Err(LumberjackError::TooLarge);
        }
        let (mut at, mut parts) = (10, Vec::new());
        for _ in 0..2 * count {
            let Some(length) = self.number(at).map(|length| length as usize) else { return Ok(Cut::Nothing) };
            if length > EVENT_BYTES_MAX || at > EVENT_BYTES_MAX {
                return Err(LumberjackError::TooLarge);
            }
            at += 4;
            if self.bytes.len() < at + length {
                return Ok(Cut::Nothing);
            }
            parts.push(at..at + length);
            at += length;
        }
        let text = |part: &std::ops::Range<usize>| String::from_utf8_lossy(&self.bytes[part.clone()]).into_owned();
        let pair = |pair: &[std::ops::Range<usize>]| Some((text(pair.first()?), text(pair.get(1)?).into()));
        let object: serde_json::Map<String, serde_json::Value> = parts.chunks_exact(2).filter_map(pair).collect();
        let mut json = Bytes::from(serde_json::Value::Object(object).to_string());
        // Written as JSON it may be longer.
        let is_cut = json.len() > EVENT_BYTES_MAX;
        if is_cut {
            json.truncate(PREFIX_BYTES);
        }
        self.bytes.advance(at);
        Ok(Cut::Frame(Frame::Event { sequence, json, is_cut }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn window(count: u32) -> Vec<u8> {
        [b"2W".to_vec(), count.to_be_bytes().to_vec()].concat()
    }

    fn json(sequence: u32, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap();
        [b"2J", &sequence.to_be_bytes()[..], &length.to_be_bytes(), text.as_bytes()].concat()
    }

    fn pairs(sequence: u32, pairs: &[(&str, &str)]) -> Vec<u8> {
        let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        let body = pairs.iter().flat_map(|(name, value)| [text(name), text(value)]).flatten();
        let count = u32::try_from(pairs.len()).unwrap();
        [b"1D", &sequence.to_be_bytes()[..], &count.to_be_bytes()].concat().into_iter().chain(body).collect()
    }

    fn compressed(frames: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(frames).unwrap();
        let body = zlib.finish().unwrap();
        [b"2C", &u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    }

    /// What the frames of a stream are, taken in pieces of so many bytes.
    fn read(stream: &[u8], step: usize) -> Result<Vec<String>, LumberjackError> {
        let (mut lumberjack, mut seen) = (Lumberjack::default(), Vec::new());
        for piece in stream.chunks(step) {
            lumberjack.push(piece);
            while let Some(frame) = lumberjack.next_frame()? {
                seen.push(match frame {
                    Frame::Window(count) => format!("W{count}"),
                    Frame::Event { sequence, json, is_cut } => {
                        let shown = String::from_utf8_lossy(&json[..json.len().min(100)]).into_owned();
                        format!("{sequence}{} {shown}", if is_cut { "..." } else { "" })
                    }
                });
            }
        }
        Ok(seen)
    }

    #[test]
    fn frames_are_read_whatever_the_pieces() {
        let many: Vec<u8> =
            (1..=2_000).flat_map(|n| json(n, &format!("{{\"n\":{n},\"x\":\"{}\"}}", "x".repeat(99)))).collect();
        let long = json(2, &"y".repeat(EVENT_BYTES_MAX + 5));
        for step in [1, 7, 4_096, usize::MAX] {
            let check = |stream: &[&[u8]], expected: Result<&[&str], LumberjackError>| {
                let expected =
                    expected.map(|frames| frames.iter().map(|frame| (*frame).to_owned()).collect::<Vec<_>>());
                assert_eq!(read(&stream.concat(), step), expected);
            };
            check(&[&window(2), &json(1, "{}"), &json(2, "{\"a\":1}")], Ok(&["W2", "1 {}", "2 {\"a\":1}"]));
            check(&[&pairs(7, &[("line", "x"), ("file", "\"y\"")])], Ok(&[r#"7 {"line":"x","file":"\"y\""}"#]));
            let inside = compressed(&[json(1, "{}"), json(2, "{}")].concat());
            check(&[&window(2), &inside, &window(1)], Ok(&["W2", "1 {}", "2 {}", "W1"]));
            check(&[&compressed(&[]), &json(1, "{}")], Ok(&["1 {}"]));
            check(&[&compressed(&compressed(&json(1, "{}")))], Err(LumberjackError::Nested));
            check(&[&compressed(&json(1, "{}")[..9])], Err(LumberjackError::Nested));
            check(&[b"GET / HTTP/1.1\r\n"], Err(LumberjackError::UnknownFrame(b'G', b'E')));
            check(&[b"2C\0\0\0\x02xx"], Err(LumberjackError::Corrupt));
            if step > 1_000 {
                assert_eq!(read(&compressed(&many), step).unwrap().len(), 2_000);
                let seen = read(&[long.clone(), json(3, "{}")].concat(), step).unwrap();
                assert!(seen[0].starts_with("2... yyy") && seen[1] == "3 {}");
            }
        }
    }

    #[test]
    fn answers_are_frames() {
        assert_eq!(&ack(Version::Two, 258), b"2A\0\0\x01\x02");
        assert_eq!(&ack(Version::One, 0), b"1A\0\0\0\0");
    }

    proptest! {
        #[test]
        fn nothing_panics(pieces in prop::collection::vec(piece(), 0..8), step in 1_usize..50) {
            _ = read(&pieces.concat(), step);
        }
    }

    /// Frames, damaged frames, anything.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            bytes.clone(),
            any::<u32>().prop_map(window),
            (any::<u32>(), ".{0,20}").prop_map(|(sequence, text)| json(sequence, &text)),
            bytes.clone().prop_map(|bytes| compressed(&bytes)),
            (any::<[u8; 9]>(), prop::sample::select(&b"WJDCA"[..]), bytes)
                .prop_map(|(head, kind, bytes)| { [b"2", &[kind][..], &head, &bytes].concat() }),
        ]
    }
}
