//! Text of files that is not UTF-8: UTF-16, and the encodings of before, by the names that the web knows (WHATWG: `windows-1252`,
//! `shift_jis`, `gbk`, `koi8-r`, ..). UTF-8 needs none of this: its bytes are the text.
//!
//! A line of the text must be found again in the file, so a [`Transcoder`] remembers for each line end of the text where it was
//! in the source, until that is confirmed. This works because a line end is one in all encodings here: no byte of a longer
//! character is 0x0A, and nothing before a line end changes what is behind it. ISO-2022-JP, where that is not so, is refused.
//!
//! What is no text in its encoding becomes U+FFFD and is counted. Limits: [`LINE_ENDS_MAX`].

use encoding_rs::{DecoderResult, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE};
use std::{collections::VecDeque, fmt};

/// Most line ends that are remembered; [`Transcoder::push`] takes no more before some were confirmed.
pub const LINE_ENDS_MAX: usize = 1 << 16;
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// How text is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Default for Encoding {
    fn default() -> Encoding {
        Encoding::UTF_8
    }
}

impl Encoding {
    /// What files have unless they say otherwise.
    pub const UTF_8: Encoding = Encoding(UTF_8);

    /// The encoding of a name, in any case, with the aliases of the WHATWG.
    ///
    /// # Errors
    /// There is no such encoding, or it cannot be read.
    pub fn parse(name: &str) -> Result<Encoding, String> {
        let known = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes());
        let known = known.ok_or_else(|| {
            format!("unknown encoding `{name}`: utf-8, utf-16le, utf-16be, windows-1252, shift_jis, gbk, big5, euc-kr, koi8-r or another name of https://encoding.spec.whatwg.org/#names-and-labels")
        })?;
        if known == ISO_2022_JP {
            return Err(format!(
                "encoding `{name}` is not supported: its lines cannot be read alone; convert the file"
            ));
        }
        Ok(Encoding(known))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether its bytes are the text already, so that no [`Transcoder`] is needed.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }
}

/// What the first bytes of a content say about its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrderMark {
    /// There is none.
    None,
    /// There may be one when more bytes have come.
    Undecided,
    /// There is one of so many bytes. It is no text, and it beats what was configured.
    Of(Encoding, u64),
}

impl ByteOrderMark {
    /// Looks for one at the beginning of a content; three bytes suffice.
    #[must_use]
    pub fn find(head: &[u8]) -> ByteOrderMark {
        if let Some((encoding, len)) = encoding_rs::Encoding::for_bom(head) {
            return ByteOrderMark::Of(Encoding(encoding), len as u64);
        }
        let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
        let may_come = marks.iter().any(|mark| mark.starts_with(head));
        if may_come { ByteOrderMark::Undecided } else { ByteOrderMark::None }
    }
}

/// Offsets of the same place, right behind a line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LineEnd {
    text: u64,
    source: u64,
}

/// Makes UTF-8 of a stream of bytes.
pub struct Transcoder {
    encoding: &'static encoding_rs::Encoding,
    decoder: encoding_rs::Decoder,
    /// How far bytes were taken, and text was made.
    reached: LineEnd,
    /// The last confirmed place: every text offset asked for is at or behind it.
    confirmed: LineEnd,
    line_ends: VecDeque<LineEnd>,
    half: Half,
    invalid: u64,
}

/// What is unfinished in UTF-16.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Half {
    /// The first byte of a unit.
    byte: Option<u8>,
    /// The last whole unit wants a second one.
    surrogate: bool,
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.encoding.name();
        out.debug_struct("Transcoder").field("encoding", &name).field("reached", &self.reached).finish_non_exhaustive()
    }
}

impl Transcoder {
    /// For bytes from `source` on, which is where a line begins, behind a byte order mark if there is one. Text is counted
    /// from 0 on.
    #[must_use]
    pub fn new(encoding: Encoding, source: u64) -> Transcoder {
        let start = LineEnd { text: 0, source };
        Transcoder {
            encoding: encoding.0,
            decoder: encoding.0.new_decoder_without_bom_handling(),
            reached: start,
            confirmed: start,
            line_ends: VecDeque::new(),
            half: Half::default(),
            invalid: 0,
        }
    }

    /// Takes bytes and appends their text to `out`; answers how many it took, all unless there are too many line ends.
    /// A character whose last bytes are missing is kept for the next call.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let before = self.line_ends.len();
        let taken = if self.is_utf16() { self.find_in_units(bytes) } else { self.find_in_bytes(bytes) };
        let start = out.len();
        self.decode(&bytes[..taken], false, out);
        let mut ends = self.line_ends.range_mut(before..);
        for at in memchr::memchr_iter(b'\n', &out[start..]) {
            if let Some(end) = ends.next() {
                end.text = self.reached.text + at as u64 + 1;
            }
        }
        self.reached.source += taken as u64;
        self.reached.text += (out.len() - start) as u64;
        taken
    }

    /// Nothing more comes: the beginning of a character whose rest is missing becomes U+FFFD.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        self.decode(&[], true, out);
        self.decoder = self.encoding.new_decoder_without_bom_handling();
        self.half = Half::default();
        self.reached.text += (out.len() - start) as u64;
        // A line ends here without a line end, and the next begins.
        if self.line_ends.back().unwrap_or(&self.confirmed).text < self.reached.text {
            self.line_ends.push_back(self.reached);
        }
    }

    /// Where in the source a place of the text is: the beginning of a line that is not confirmed yet, or the end of all text
    /// so far unless a character is unfinished there.
    #[must_use]
    pub fn source_of(&self, text: u64) -> Option<u64> {
        if text == self.confirmed.text {
            return Some(self.confirmed.source);
        }
        if text == self.reached.text && self.is_between_characters() {
            return Some(self.reached.source);
        }
        let place = self.line_ends.binary_search_by_key(&text, |end| end.text).ok()?;
        self.line_ends.get(place).map(|end| end.source)
    }

    /// Nobody asks for places before this one any more.
    pub fn confirm(&mut self, text: u64) {
        while let Some(end) = self.line_ends.front().filter(|end| end.text <= text) {
            self.confirmed = *end;
            self.line_ends.pop_front();
        }
    }

    /// How far bytes were taken.
    #[must_use]
    pub fn source(&self) -> u64 {
        self.reached.source
    }

    /// How often U+FFFD stands for bytes that are no text.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        self.invalid
    }

    fn is_utf16(&self) -> bool {
        self.encoding == UTF_16LE || self.encoding == UTF_16BE
    }

    /// Whether no character has begun and not ended.
    #[must_use]
    pub fn is_between_characters(&self) -> bool {
        if self.is_utf16() {
            return self.half == Half::default();
        }
        // Some(0) where nothing is unfinished, for every encoding that contains ASCII.
        self.decoder.latin1_byte_compatible_up_to(&[]).is_some()
    }

    fn has_room(&self) -> bool {
        self.line_ends.len() < LINE_ENDS_MAX
    }

    /// Their place in the text is filled in when they are decoded.
    fn found(&mut self, behind: usize) {
        self.line_ends.push_back(LineEnd { text: u64::MAX, source: self.reached.source + behind as u64 });
    }

    /// Remembers line ends; answers how many bytes may be taken.
    fn find_in_bytes(&mut self, bytes: &[u8]) -> usize {
        if !self.has_room() {
            return 0;
        }
        for at in memchr::memchr_iter(b'\n', bytes) {
            self.found(at + 1);
            if !self.has_room() {
                return at + 1;
            }
        }
        bytes.len()
    }

    fn find_in_units(&mut self, bytes: &[u8]) -> usize {
        if !self.has_room() {
            return 0;
        }
        let little = self.encoding == UTF_16LE;
        for (at, &byte) in bytes.iter().enumerate() {
            let Some(first) = self.half.byte.take() else {
                self.half.byte = Some(byte);
                continue;
            };
            let unit = if little { u16::from_le_bytes([first, byte]) } else { u16::from_be_bytes([first, byte]) };
            self.half.surrogate = (0xd800..0xdc00).contains(&unit);
            if unit == u16::from(b'\n') {
                self.found(at + 1);
                if !self.has_room() {
                    return at + 1;
                }
            }
        }
        bytes.len()
    }

    fn decode(&mut self, mut bytes: &[u8], last: bool, out: &mut Vec<u8>) {
        let mut end = out.len();
        loop {
            // An estimate, which does not know how many replacements there will be; beyond it, the loop goes round once more.
            // The room is kept on the way round: bytes that are all invalid must not cost more than others.
            let room = self.decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len());
            if out.len() < end + room {
                out.resize(end + room, 0);
            }
            let (result, taken, made) = self.decoder.decode_to_utf8_without_replacement(bytes, &mut out[end..], last);
            bytes = &bytes[taken..];
            end += made;
            match result {
                DecoderResult::InputEmpty => return out.truncate(end),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    if out.len() < end + REPLACEMENT.len() {
                        out.resize(end + REPLACEMENT.len(), 0);
                    }
                    out[end..end + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
                    end += REPLACEMENT.len();
                    self.invalid += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str) -> Encoding {
        Encoding::parse(name).unwrap()
    }

    /// The text of all bytes, and the sources of its line beginnings.
    fn whole(encoding: Encoding, source: u64, bytes: &[u8]) -> (String, Vec<(u64, u64)>) {
        let (mut transcoder, mut out) = (Transcoder::new(encoding, source), Vec::new());
        assert_eq!(transcoder.push(bytes, &mut out), bytes.len());
        let places = lines(&transcoder, &out);
        transcoder.finish(&mut out);
        (String::from_utf8(out).unwrap(), places)
    }

    fn lines(transcoder: &Transcoder, out: &[u8]) -> Vec<(u64, u64)> {
        let beginnings = memchr::memchr_iter(b'\n', out).map(|at| at as u64 + 1);
        beginnings.map(|text| (text, transcoder.source_of(text).unwrap())).collect()
    }

    fn check(encoding: &str, bytes: &[u8], text: &str, places: &[(u64, u64)], invalid: u64) {
        let mut transcoder = Transcoder::new(parse(encoding), 100);
        let mut out = Vec::new();
        transcoder.push(bytes, &mut out);
        assert_eq!(lines(&transcoder, &out), places, "{encoding} {bytes:?}");
        transcoder.finish(&mut out);
        assert_eq!((str::from_utf8(&out), transcoder.invalid()), (Ok(text), invalid), "{encoding} {bytes:?}");
        assert_eq!(transcoder.source_of(out.len() as u64), Some(100 + bytes.len() as u64));
    }

    #[test]
    fn text_and_places() {
        for (encoding, bytes, text, places, invalid) in [
            ("windows-1252", &b"\xe9t\xe9\nb"[..], "été\nb", &[(6, 104)][..], 0),
            ("latin1", b"\x80\n\n", "€\n\n", &[(4, 102), (5, 103)], 0),
            ("koi8-r", b"\xcc\xcf\xc7\r\n", "лог\r\n", &[(8, 105)], 0),
            ("shift_jis", b"\x93\xfa\x96\x7b\n", "日本\n", &[(7, 105)], 0),
            ("shift_jis", b"\x93\nx", "\u{fffd}\nx", &[(4, 102)], 1),
            ("gb18030", b"\x81\x30\nx\n", "\u{fffd}0\nx\n", &[(5, 103), (7, 105)], 1),
            ("gb18030", b"\x81\x30\x81\nx", "\u{fffd}0\u{fffd}\nx", &[(8, 104)], 2),
            ("utf-16le", b"a\0\n\0b\0", "a\nb", &[(2, 104)], 0),
            ("utf-16be", b"\0a\0\n\0b", "a\nb", &[(2, 104)], 0),
            ("utf-16le", b"\n\x0a\x0a\0", "\u{a0a}\n", &[(4, 104)], 0),
            ("utf-16be", b"\x0a\0\0\x0a", "\u{a00}\n", &[(4, 104)], 0),
            ("utf-16le", b"\0\xd8\n\0", "\u{fffd}\n", &[(4, 104)], 1),
            ("utf-16le", b"\n\0a", "\n\u{fffd}", &[(1, 102)], 1),
        ] {
            check(encoding, bytes, text, places, invalid);
        }
    }

    #[test]
    fn names_are_those_of_the_web() {
        for (name, expected) in [
            ("UTF-8", "UTF-8"),
            ("latin1", "windows-1252"),
            ("utf-16", "UTF-16LE"),
            ("cp1251", "windows-1251"),
            ("sjis", "Shift_JIS"),
        ] {
            assert_eq!(parse(name).name(), expected);
        }
        assert!(parse("utf8").is_utf8() && !parse("gbk").is_utf8());
        for (name, word) in [("ebcdic", "unknown"), ("iso-2022-jp", "alone"), ("iso-2022-kr", "unknown")] {
            let error = Encoding::parse(name).unwrap_err();
            assert!(error.contains(word) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn byte_order_marks() {
        for (head, expected) in [
            (&b""[..], ByteOrderMark::Undecided),
            (b"a", ByteOrderMark::None),
            (b"\xef\xbb", ByteOrderMark::Undecided),
            (b"\xef\xbb\xbfa", ByteOrderMark::Of(Encoding::UTF_8, 3)),
            (b"\xff", ByteOrderMark::Undecided),
            (b"\xff\xfe", ByteOrderMark::Of(parse("utf-16le"), 2)),
            (b"\xfe\xff\0a", ByteOrderMark::Of(parse("utf-16be"), 2)),
            (b"\xef\xbba", ByteOrderMark::None),
        ] {
            assert_eq!(ByteOrderMark::find(head), expected, "{head:?}");
        }
    }

    #[test]
    fn an_unfinished_character_has_no_place() {
        for (encoding, bytes, there) in [
            ("gbk", &b"a\x81"[..], false),
            ("gbk", b"a", true),
            ("utf-16le", b"a", false),
            ("utf-16le", b"\0\xd8", false),
            ("utf-16le", b"\0\xd8\0\xdc", true),
        ] {
            let (mut transcoder, mut out) = (Transcoder::new(parse(encoding), 7), b"\n".to_vec());
            transcoder.push(bytes, &mut out);
            let place = transcoder.source_of(out.len() as u64 - 1);
            let start = out.len() == 1;
            let expected = if there {
                Some(7 + bytes.len() as u64)
            } else if start {
                Some(7)
            } else {
                None
            };
            assert_eq!(place, expected, "{encoding} {bytes:?}");
        }
    }

    #[test]
    fn line_ends_are_limited_and_confirmed() {
        for (encoding, line) in [("windows-1252", &b"\n"[..]), ("utf-16be", b"\0\n")] {
            let (mut transcoder, mut out) = (Transcoder::new(parse(encoding), 0), Vec::new());
            let bytes = line.repeat(LINE_ENDS_MAX + 5);
            let taken = transcoder.push(&bytes, &mut out);
            assert_eq!((taken, out.len()), (LINE_ENDS_MAX * line.len(), LINE_ENDS_MAX));
            assert_eq!(transcoder.push(&bytes[taken..], &mut out), 0);
            transcoder.confirm(3);
            assert_eq!(transcoder.source_of(2), None);
            assert_eq!(transcoder.source_of(3), Some(3 * line.len() as u64));
            assert_eq!(transcoder.push(&bytes[taken..], &mut out), 3 * line.len());
            assert_eq!(transcoder.source(), (LINE_ENDS_MAX as u64 + 3) * line.len() as u64);
            transcoder.confirm(out.len() as u64);
            assert_eq!(transcoder.source_of(out.len() as u64), Some(transcoder.source()));
        }
    }

    fn encodings() -> impl Strategy<Value = Encoding> {
        let names = [
            "utf-16le",
            "utf-16be",
            "windows-1252",
            "koi8-r",
            "ibm866",
            "shift_jis",
            "euc-jp",
            "gbk",
            "gb18030",
            "big5",
            "euc-kr",
            "x-user-defined",
            "macintosh",
            "windows-1258",
        ];
        proptest::sample::select(names.map(parse).to_vec())
    }

    /// Bytes of text in any of them, and bytes that are none.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            4 => any::<u8>(),
            3 => Just(b'\n'),
            2 => Just(0_u8),
            2 => 0x30..0x3a_u8,
            2 => 0x81..0xff_u8,
            1 => Just(0xd8),
        ];
        proptest::collection::vec(bytes, 0..60)
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            encoding in encodings(),
            bytes in bytes(),
            piece in 1..9_usize,
        ) {
            let (text, places) = whole(encoding, 50, &bytes);
            let (mut transcoder, mut out) = (Transcoder::new(encoding, 50), Vec::new());
            for piece in bytes.chunks(piece) {
                prop_assert_eq!(transcoder.push(piece, &mut out), piece.len());
            }
            prop_assert_eq!(lines(&transcoder, &out), places);
            transcoder.finish(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }

        #[test]
        fn a_start_at_any_line_makes_the_same_text(encoding in encodings(), bytes in bytes()) {
            let (text, places) = whole(encoding, 0, &bytes);
            for (at, source) in places {
                let (from, source_index) = (usize::try_from(at).unwrap(), usize::try_from(source).unwrap());
                prop_assert_eq!(&whole(encoding, source, &bytes[source_index..]).0, &text[from..]);
            }
        }

        #[test]
        fn an_end_between_characters_is_a_start(encoding in encodings(), bytes in bytes(), cut in any::<proptest::sample::Index>()) {
            let text = whole(encoding, 0, &bytes).0;
            let cut = cut.index(bytes.len() + 1);
            let (mut transcoder, mut out) = (Transcoder::new(encoding, 0), Vec::new());
            transcoder.push(&bytes[..cut], &mut out);
            if transcoder.source_of(out.len() as u64) == Some(cut as u64) {
                let rest = whole(encoding, cut as u64, &bytes[cut..]).0;
                prop_assert_eq!(String::from_utf8(out).unwrap() + &rest, text);
            }
        }
    }
}
