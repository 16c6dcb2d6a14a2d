//! What is in a file: its bytes as they are, or inflated when they begin as gzip or zstd does.
//!
//! Offsets are always those of the content, so nobody else needs to know about compression. Plain files are read where asked;
//! compressed ones are decoded forwards, so going on where one stopped costs nothing, a later offset costs decoding up to it
//! (a bounded part of it a call: [`Step::Skipping`]), and an earlier one starts again from the beginning. What a file is known
//! again by, its first [`FileMark::PREFIX_BYTES`] and the [`BACK_BYTES`] before where one is, is kept and costs nothing.
//!
//! A compressed file that ends too early is one that is still being written: there is nothing more *yet*, until it grows or
//! [`Content::finish`] says that it will not. Behind [`Damage`] the content goes on with the next gzip member (`members`), on a
//! line of its own; where there is none, and behind damaged zstd, it ends. Text of two bytes a character may be out of step
//! there. Memory: a window of the decoder ([`ZSTD_WINDOW_LOG_MAX`]), [`INPUT_BYTES`] and what is kept, however much the file
//! inflates to.

use super::{
    decoder::{Decoder, given},
    gunzip,
    tree::OpenFile,
};
use crate::flow::FileMark;
use std::{fmt, io};

/// Compressed bytes read at once.
pub const INPUT_BYTES: usize = 32 << 10;
/// Content kept that was given last.
pub const BACK_BYTES: usize = 4 << 10;
/// Content kept from the beginning on.
pub(super) const HEAD_BYTES: usize = FileMark::PREFIX_BYTES as usize;
/// Most content decoded in one call without giving any of it, on the way to an offset.
pub const SKIPPED_BYTES_MAX: u64 = 4 << 20;
/// Largest window of a zstd frame, as a power of two: 8 MiB, which RFC 8878 asks of every decoder and all levels up to 19
/// keep to. `--ultra` and `--long` may need more, and are refused.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;

const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Behind a first byte from 0x50 to 0x5f: a frame with no content, which some writers begin with.
const ZSTD_SKIPPABLE_REST: &[u8] = &[0x2a, 0x4d, 0x18];
/// Enough of a file to know its form.
const MAGIC_BYTES: usize = 4;

/// How the bytes of a file hold its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Too short to tell: empty, or its few bytes could begin a compressed file.
    Undecided,
    /// They are the content.
    Plain,
    /// gzip members.
    Gzip,
    /// zstd frames.
    Zstd,
}

/// What reading gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes, at least one.
    Bytes(usize),
    /// None yet, but on the way to the offset: call again.
    Skipping,
    /// There is no more now.
    Nothing,
}

/// Why there is no content.
#[derive(Debug)]
pub enum ContentError {
    /// Reading failed; it may work later.
    Io(io::Error),
    /// The compressed file became shorter than what was read of it: it is another one now, and wants a new [`Content`].
    Shrunk,
}

/// What is wrong with a compressed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The byte of the file at which it was noticed.
    pub at: u64,
    /// The content before it, which was read, has this many bytes.
    pub content: u64,
    /// What is wrong.
    pub problem: String,
    /// Where in the file the content goes on, if that is known.
    pub goes_on: Option<u64>,
}

impl fmt::Display for ContentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentError::Io(cause) => cause.fmt(out),
            ContentError::Shrunk => out.write_str("the compressed file became shorter while it was read"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "damaged at byte {}: {}", self.at, self.problem)?;
        match self.goes_on {
            Some(at) => write!(out, "; it is read on from byte {at}"),
            None => write!(out, "; nothing behind it can be read"),
        }
    }
}

impl std::error::Error for ContentError {}

impl From<io::Error> for ContentError {
    fn from(cause: io::Error) -> ContentError {
        ContentError::Io(cause)
    }
}

/// The content of one file.
#[derive(Default)]
pub struct Content {
    state: State,
    finished: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Undecided,
    Plain,
    Compressed(Box<Decoder>),
}

impl fmt::Debug for Content {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Content").field("form", &self.form()).field("finished", &self.finished).finish()
    }
}

impl Content {
    /// The content of a file that has not been looked at.
    #[must_use]
    pub fn new() -> Content {
        Content::default()
    }

    /// Reads content at an offset. Only ever give it the same file.
    ///
    /// # Errors
    /// Reading failed, or the file shrank.
    pub fn read(&mut self, file: &dyn OpenFile, offset: u64, into: &mut [u8]) -> Result<Step, ContentError> {
        if into.is_empty() {
            return Ok(Step::Nothing);
        }
        if matches!(self.state, State::Undecided) {
            self.state = decide(file, self.finished)?;
        }
        match &mut self.state {
            State::Undecided => Ok(Step::Nothing),
            State::Plain => Ok(given(file.read_at(into, offset)?)),
            State::Compressed(decoder) => decoder.read(file, offset, into, self.finished),
        }
    }

    /// How the file holds it.
    #[must_use]
    pub fn form(&self) -> Form {
        match &self.state {
            State::Undecided => Form::Undecided,
            State::Plain => Form::Plain,
            State::Compressed(decoder) => decoder.form(),
        }
    }

    /// Nobody writes to the file any more: what looks like the beginning of a compressed file is text, and a compressed
    /// file that ends too early is damaged.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The length of the content of a compressed file that was read to its end, which is the end of a member.
    #[must_use]
    pub fn whole_len(&self) -> Option<u64> {
        match &self.state {
            State::Compressed(decoder) => decoder.whole_len(),
            State::Undecided | State::Plain => None,
        }
    }

    /// The last damage that was come upon, once it is known what comes behind it, and how many bytes of the file are lost by
    /// all of it.
    #[must_use]
    pub fn damage(&self) -> Option<(&Damage, u64)> {
        let State::Compressed(decoder) = &self.state else { return None };
        decoder.damage()
    }

    /// How many bytes of a compressed file were read: its lag is measured in them.
    #[must_use]
    pub fn bytes_read(&self) -> Option<u64> {
        match &self.state {
            State::Compressed(decoder) => Some(decoder.taken()),
            State::Undecided | State::Plain => None,
        }
    }
}

fn decide(file: &dyn OpenFile, finished: bool) -> io::Result<State> {
    let mut head = [0; MAGIC_BYTES];
    let mut len = 0;
    while len < MAGIC_BYTES {
        match file.read_at(&mut head[len..], len as u64)? {
            0 => break,
            count => len += count,
        }
    }
    let form = form_of(&head[..len]);
    Ok(match form {
        Form::Undecided if finished && len > 0 => State::Plain,
        Form::Undecided => State::Undecided,
        Form::Plain => State::Plain,
        Form::Gzip | Form::Zstd => State::Compressed(Box::new(Decoder::new(form)?)),
    })
}

/// The form of a file that begins so.
#[must_use]
pub fn form_of(head: &[u8]) -> Form {
    let begins = |magic: &[u8]| head.iter().zip(magic).all(|(byte, magic)| byte == magic);
    let skippable = head.first().is_some_and(|first| (0x50..0x60).contains(first))
        && head[1..].iter().zip(ZSTD_SKIPPABLE_REST).all(|(byte, magic)| byte == magic);
    let (gzip, zstd) = (begins(gunzip::MAGIC), begins(ZSTD_MAGIC) || skippable);
    match (gzip, zstd) {
        (true, _) if head.len() >= gunzip::MAGIC.len() => Form::Gzip,
        (_, true) if head.len() >= MAGIC_BYTES => Form::Zstd,
        (false, false) => Form::Plain,
        _ => Form::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::files::tree::{Kind, Stat};
    use proptest::prelude::*;
    use std::{cell::Cell, io::Write};

    /// A file of which only so many bytes are there yet.
    struct Growing {
        bytes: Vec<u8>,
        there: Cell<usize>,
        /// Most bytes a read gives.
        most: usize,
        reads: Cell<usize>,
    }

    impl Growing {
        fn new(bytes: Vec<u8>) -> Growing {
            Growing { there: Cell::new(bytes.len()), bytes, most: usize::MAX, reads: Cell::new(0) }
        }
    }

    impl OpenFile for Growing {
        fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
            self.reads.set(self.reads.get() + 1);
            let from = usize::try_from(offset).unwrap().min(self.there.get());
            let count = (self.there.get() - from).min(into.len()).min(self.most);
            into[..count].copy_from_slice(&self.bytes[from..from + count]);
            Ok(count)
        }

        fn stat(&self) -> io::Result<Stat> {
            Ok(Stat { device: 1, inode: 1, size: self.there.get() as u64, modified_ns: 0, kind: Kind::File })
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn skippable(len: u8) -> Vec<u8> {
        [&[0x5a][..], ZSTD_SKIPPABLE_REST, &[len, 0, 0, 0], &vec![9; usize::from(len)]].concat()
    }

    /// Reads from an offset until there is nothing.
    fn read(content: &mut Content, file: &Growing, from: usize, piece: usize) -> Result<Vec<u8>, ContentError> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match content.read(file, (from + all.len()) as u64, &mut buffer)? {
                Step::Bytes(count) => all.extend_from_slice(&buffer[..count]),
                Step::Skipping => {}
                Step::Nothing => return Ok(all),
            }
        }
    }

    fn damage(bytes: Vec<u8>) -> Damage {
        let (file, mut content) = (Growing::new(bytes), Content::new());
        content.finish();
        let text = read(&mut content, &file, 0, 100).unwrap();
        let (damage, lost) = content.damage().expect("no damage");
        assert_eq!((text.len() as u64, damage.goes_on), (damage.content, None));
        assert_eq!(lost, file.bytes.len() as u64 - damage.at);
        assert_eq!(content.bytes_read(), Some(file.bytes.len() as u64), "nothing is behind");
        damage.clone()
    }

    #[test]
    fn forms_are_known_by_their_first_bytes() {
        for (head, expected) in [
            (&b""[..], Form::Undecided),
            (b"a", Form::Plain),
            (b"\x1f", Form::Undecided),
            (b"\x1f\x8b", Form::Undecided),
            (b"\x1f\x8b\x08", Form::Gzip),
            (b"\x1f\x8b\x07", Form::Plain),
            (b"(", Form::Undecided),
            (b"(\xb5/\xfd", Form::Zstd),
            (b"(a", Form::Plain),
            (b"P", Form::Undecided),
            (b"P*M\x18", Form::Zstd),
            (b"POST", Form::Plain),
            (b"`*M\x18", Form::Plain),
        ] {
            assert_eq!(form_of(head), expected, "{head:?}");
        }
    }

    #[test]
    fn short_files_wait_until_they_are_finished() {
        let (file, mut content) = (Growing::new(b"(".to_vec()), Content::new());
        assert_eq!(read(&mut content, &file, 0, 10).unwrap(), b"");
        content.finish();
        assert_eq!(read(&mut content, &file, 0, 10).unwrap(), b"(");
        assert_eq!((content.form(), content.whole_len(), content.bytes_read()), (Form::Plain, None, None));
    }

    #[test]
    fn damage_has_its_place() {
        let good = gzip(b"text\n");
        let behind = damage([&good[..], b"text"].concat());
        assert_eq!((behind.at, behind.content), (good.len() as u64, 5));
        let cut = damage(good[..good.len() - 3].to_vec());
        assert_eq!((cut.at, cut.content), (good.len() as u64 - 3, 5));
        assert!(cut.problem.contains("ends"), "{cut:?}");
        let good = zstd(&b"text\n".repeat(1000));
        assert_eq!(damage(good[..good.len() - 3].to_vec()).content, 5000);
        let mut wrong = [&good[..], &good].concat();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(damage(wrong).at, 2 * good.len() as u64 - 4);
        assert_eq!(damage([&good[..], b"text"].concat()).at, good.len() as u64);
    }

    /// Five members of two lines each, and where each begins.
    fn members() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut begins) = (Vec::new(), Vec::new());
        for number in 0..5 {
            begins.push(bytes.len());
            bytes.extend(gzip(format!("{number} one\n{number} two\n").as_bytes()));
        }
        (bytes, begins)
    }

    #[test]
    fn content_goes_on_behind_damage() {
        let (bytes, begins) = members();
        let all: Vec<_> = (0..5).flat_map(|number| [format!("{number} one\n"), format!("{number} two\n")]).collect();
        let check = |at: usize, with: &[u8], left: &[usize], lost: Option<usize>| {
            let mut bytes = bytes.clone();
            bytes[at..at + with.len()].copy_from_slice(with);
            let (file, mut content) = (Growing::new(bytes), Content::new());
            let text = read(&mut content, &file, 0, 1000).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), left.iter().map(|line| &*all[*line]).collect::<String>());
            let found = content.damage().unwrap().1;
            assert!(lost.is_none_or(|lost| found == lost as u64), "{at}: {found} instead of {lost:?}");
            assert_eq!(content.bytes_read(), Some(file.bytes.len() as u64));
        };
        // Its checksum, its header, the magic number, the type of its block, the last header.
        check(begins[2] - 5, &[0], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], Some(8));
        check(begins[2] + 3, &[0xff], &[0, 1, 2, 3, 6, 7, 8, 9], Some(begins[3] - begins[2]));
        check(begins[2], b"\0\0\0", &[0, 1, 2, 3, 6, 7, 8, 9], Some(begins[3] - begins[2] - 8));
        check(begins[1] + 10, &[0xff], &[0, 1, 4, 5, 6, 7, 8, 9], None);
        check(begins[4], b"x", &[0, 1, 2, 3, 4, 5, 6, 7], Some(bytes.len() - begins[4]));
    }

    #[test]
    fn a_line_that_damage_cut_ends_there() {
        let begin = gzip(b"cut ");
        let bytes = [&begin[..begin.len() - 4], b"\x1f\x8b\x08 noise", &gzip(b"whole\n")].concat();
        let (file, mut content) = (Growing::new(bytes), Content::new());
        assert_eq!(read(&mut content, &file, 0, 3).unwrap(), b"cut \nwhole\n");
        assert_eq!(read(&mut content, &file, 6, 3).unwrap(), b"hole\n");
        let (damage, _) = content.damage().unwrap();
        assert_eq!((damage.content, damage.goes_on.is_some()), (4, true));
        assert!(damage.to_string().contains("; it is read on from byte "), "{damage}");
    }

    #[test]
    fn what_is_appended_behind_damage_is_read() {
        let (bytes, begins) = members();
        let mut bytes = bytes;
        bytes[begins[3]] = 0xff;
        let (file, mut content) = (Growing::new(bytes), Content::new());
        file.there.set(begins[4] + 9);
        let first = read(&mut content, &file, 0, 1000).unwrap();
        assert_eq!((first.len(), content.damage().unwrap().0.goes_on), (36, None));
        assert_eq!(content.bytes_read(), Some(begins[4] as u64 + 9));
        file.there.set(file.bytes.len());
        assert_eq!(read(&mut content, &file, 36, 1000).unwrap(), b"4 one\n4 two\n");
        assert_eq!(content.damage().unwrap().0.goes_on, Some(begins[4] as u64));
        assert_eq!(content.whole_len(), Some(48));
    }

    #[test]
    fn there_is_an_end_to_what_is_tried() {
        let bytes = [gzip(b"a\n"), b"\x1f\x8b\x08\xff".repeat(2_000), gzip(b"b\n")].concat();
        assert!(damage(bytes).to_string().ends_with("nothing behind it can be read"));
    }

    #[test]
    fn a_window_that_is_too_large_is_refused() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).unwrap();
        encoder.write_all(&vec![b'a'; (8 << 20) + 1]).unwrap();
        let problem = damage(encoder.finish().unwrap()).problem;
        assert!(problem.contains("memory"), "{problem}");
    }

    #[test]
    fn a_bomb_is_skipped_by_bounded_steps() {
        let len = 5 * SKIPPED_BYTES_MAX;
        let zeros = vec![0; usize::try_from(len).unwrap()];
        for bytes in [gzip(&zeros), zstd(&zeros)] {
            let (file, mut content, mut buffer) = (Growing::new(bytes), Content::new(), [1; 1000]);
            for _ in 0..4 {
                assert_eq!(content.read(&file, len - 1, &mut buffer).unwrap(), Step::Skipping);
            }
            assert_eq!(content.read(&file, len - 1, &mut buffer).unwrap(), Step::Bytes(1));
            assert_eq!(content.read(&file, len, &mut buffer).unwrap(), Step::Nothing);
            assert_eq!(content.whole_len(), Some(len));
            assert_eq!(content.bytes_read(), Some(file.bytes.len() as u64));
            assert_eq!(content.read(&file, len + 1, &mut buffer).unwrap(), Step::Nothing);
        }
    }

    #[test]
    fn a_file_that_shrinks_is_another() {
        let (file, mut content) = (Growing::new(gzip(b"text\n")), Content::new());
        read(&mut content, &file, 0, 100).unwrap();
        file.there.set(3);
        assert!(matches!(read(&mut content, &file, 5, 100), Err(ContentError::Shrunk)));
    }

    #[test]
    fn real_files_are_read() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&gzip(b"text\n")).unwrap();
        let mut buffer = [0; 9];
        assert_eq!(Content::new().read(&file, 1, &mut buffer).unwrap(), Step::Bytes(4));
        assert_eq!(&buffer[..4], b"ext\n");
    }

    #[test]
    fn what_a_file_is_known_by_is_kept() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for bytes in [gzip(&text), zstd(&text)] {
            let (file, mut content, mut buffer) = (Growing::new(bytes), Content::new(), vec![0; 300_000]);
            let mut at = 0;
            while let Step::Bytes(count) = content.read(&file, at, &mut buffer).unwrap() {
                at += count as u64;
                let reads = file.reads.get();
                for (from, len) in [(0, HEAD_BYTES), (100, 9), (at as usize - 256, 256)] {
                    assert_eq!(content.read(&file, from as u64, &mut buffer[..len]).unwrap(), Step::Bytes(len));
                    assert_eq!(buffer[..len], text[from..from + len]);
                }
                assert_eq!(file.reads.get(), reads);
                // With what comes behind, in one reading.
                let count = match content.read(&file, at - 256, &mut buffer).unwrap() {
                    Step::Bytes(count) => count,
                    other => panic!("{other:?}"),
                };
                assert!(count > 256 || at == text.len() as u64);
                assert_eq!(buffer[..count], text[at as usize - 256..][..count]);
                at += count as u64 - 256;
            }
            assert_eq!(at, text.len() as u64);
        }
    }

    /// Texts, and files that hold them one behind the other.
    fn files() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let text = ("[a-z0-9 \n]{0,40}", 1..60_usize).prop_map(|(piece, times)| piece.repeat(times));
        let text = proptest::collection::vec(text, 1..5);
        (text, 0..3_u8, 0..20_u8).prop_map(|(texts, form, skipped)| {
            let members = texts.iter().map(|text| match form {
                0 => text.clone().into_bytes(),
                1 => gzip(text.as_bytes()),
                _ => [skippable(skipped), zstd(text.as_bytes())].concat(),
            });
            (texts.concat().into_bytes(), members.collect::<Vec<_>>().concat())
        })
    }

    proptest! {
        #[test]
        fn content_is_the_same_from_any_offset(
            (text, bytes) in files(),
            piece in 1..5000_usize,
            most in prop_oneof![1..20_usize, Just(usize::MAX)],
            offsets in proptest::collection::vec(any::<proptest::sample::Index>(), 3),
        ) {
            let file = Growing { most, ..Growing::new(bytes) };
            let mut content = Content::new();
            content.finish();
            for offset in offsets {
                let offset = offset.index(text.len() + 1);
                prop_assert_eq!(&read(&mut content, &file, offset, piece).unwrap(), &text[offset..]);
            }
        }

        #[test]
        fn damage_has_one_meaning(
            texts in proptest::collection::vec("[a-z \n]{0,300}", 1..6),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
            piece in 1..5000_usize,
            most in prop_oneof![1..20_usize, Just(usize::MAX)],
            offset in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = texts.iter().flat_map(|text| gzip(text.as_bytes())).collect::<Vec<_>>();
            for (at, byte) in changes {
                let at = at.index(bytes.len() - 3) + 3;
                bytes[at] = byte;
            }
            let file = Growing { most, ..Growing::new(bytes) };
            let (mut content, mut other) = (Content::new(), Content::new());
            let whole = read(&mut content, &file, 0, 1 << 16).unwrap();
            prop_assert_eq!(&read(&mut other, &file, 0, piece).unwrap(), &whole);
            prop_assert_eq!(content.damage(), other.damage());
            let offset = offset.index(whole.len() + 1);
            prop_assert_eq!(&read(&mut Content::new(), &file, offset, piece).unwrap(), &whole[offset..]);
        }

        #[test]
        fn a_growing_file_is_read_as_it_comes(
            (text, bytes) in files(),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let (file, mut content, mut all) = (Growing::new(bytes), Content::new(), Vec::new());
            for cut in cuts {
                file.there.set(cut);
                // Polling does no harm.
                for _ in 0..20 {
                    all.extend(read(&mut content, &file, all.len(), 100).unwrap());
                }
            }
            content.finish();
            all.extend(read(&mut content, &file, all.len(), 100).unwrap());
            prop_assert_eq!(&all, &text);
            if !matches!(content.form(), Form::Plain | Form::Undecided) {
                prop_assert_eq!(content.whole_len(), Some(text.len() as u64));
            }
        }
    }
}
