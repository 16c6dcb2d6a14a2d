//! Sets of bytes, and classes of characters laid out for scanning UTF-8 byte by byte.

use memchr::{memchr, memchr2, memchr3};
use regex_syntax::hir::ClassUnicode;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet(pub(super) [u64; 4]);

impl ByteSet {
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline(always)]
    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn union(&mut self, other: &ByteSet) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }

    pub(super) fn is_disjoint(&self, other: &ByteSet) -> bool {
        self.0.iter().zip(other.0).all(|(word, other)| word & other == 0)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|byte| self.contains(*byte))
    }

    /// The only byte of the set.
    pub(super) fn single(&self) -> Option<u8> {
        if self.count() == 1 { self.iter().next() } else { None }
    }

    /// The bytes that a character of the class may begin with.
    pub(super) fn leads(class: &ClassUnicode) -> ByteSet {
        let mut set = ByteSet::default();
        let lead = |c: char| c.encode_utf8(&mut [0; 4]).as_bytes()[0];
        for range in class.ranges() {
            // Characters and the bytes they begin with are in one order, but for the bytes between ASCII's and the others.
            let (start, end) = (lead(range.start()), lead(range.end()));
            let bytes = (start..=end).filter(|byte| !(0x80..0xc2).contains(byte));
            bytes.for_each(|byte| set.insert(byte));
        }
        set
    }
}

/// What a class holds of the characters beyond ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Beyond {
    Nothing,
    All,
    Some(Box<[(char, char)]>),
}

/// The fastest way to the end of a run of the class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    Everything,
    Until(u8),
    UntilTwo(u8, u8),
    UntilThree(u8, u8, u8),
    Table,
    Decode,
}

/// A class of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    table: Box<[bool; 256]>,
    beyond: Beyond,
    scan: Scan,
    /// What a character of the class may begin with.
    pub leads: ByteSet,
}

impl Set {
    pub(super) fn new(class: &ClassUnicode) -> Set {
        let leads = ByteSet::leads(class);
        let wide: Vec<(char, char)> = (class.ranges().iter())
            .filter(|range| !range.end().is_ascii())
            .map(|range| (range.start().max('\u{80}'), range.end()))
            .collect();
        // The surrogates, which no text holds, do not part what is before and behind them.
        let all = wide.first().is_some_and(|first| first.0 == '\u{80}')
            && wide.last().is_some_and(|last| last.1 == char::MAX)
            && wide.windows(2).all(|pair| pair[0].1 == '\u{d7ff}' && pair[1].0 == '\u{e000}');
        let beyond = match wide.len() {
            0 => Beyond::Nothing,
            _ if all => Beyond::All,
            _ => Beyond::Some(wide.into()),
        };
        let mut table = Box::new([beyond == Beyond::All; 256]);
        (0..128).for_each(|byte| table[usize::from(byte)] = leads.contains(byte));
        let out: Vec<u8> = (0..128).filter(|byte| !table[usize::from(*byte)]).collect();
        let scan = match (&beyond, out[..].iter().as_slice()) {
            (Beyond::Some(_), _) => Scan::Decode,
            (Beyond::All, []) => Scan::Everything,
            (Beyond::All, [a]) => Scan::Until(*a),
            (Beyond::All, [a, b]) => Scan::UntilTwo(*a, *b),
            (Beyond::All, [a, b, c]) => Scan::UntilThree(*a, *b, *c),
            _ => Scan::Table,
        };
        Set { table, beyond, scan, leads }
    }

    /// The place behind a character of the class at this place.
    #[inline(always)]
    pub(super) fn one(&self, text: &[u8], at: usize) -> Option<usize> {
        let byte = *text.get(at)?;
        if byte < 0x80 {
            return self.table[usize::from(byte)].then_some(at + 1);
        }
        let (found, length) = self.wide(text, at);
        found.then_some(at + length)
    }

    /// Whether a character beyond ASCII is of the class, and its length.
    #[cold]
    fn wide(&self, text: &[u8], at: usize) -> (bool, usize) {
        let (c, length) = decode(text, at);
        let found = match &self.beyond {
            Beyond::Nothing => false,
            Beyond::All => true,
            Beyond::Some(ranges) => {
                let behind = ranges.partition_point(|range| range.1 < c);
                ranges.get(behind).is_some_and(|range| range.0 <= c)
            }
        };
        (found, length)
    }

    /// The place where a run of at most so many characters of the class ends, and whether it has at least `min`.
    #[inline(always)]
    pub(super) fn run(&self, text: &[u8], at: usize, min: u32, max: u32) -> Option<usize> {
        if max == u32::MAX && min <= 1 {
            let end = self.longest(text, at);
            return (end > at || min == 0).then_some(end);
        }
        self.counted(text, at, min, max)
    }

    #[inline(always)]
    fn longest(&self, text: &[u8], at: usize) -> usize {
        let rest = &text[at..];
        let found = match self.scan {
            Scan::Everything => None,
            Scan::Until(a) => memchr(a, rest),
            Scan::UntilTwo(a, b) => memchr2(a, b, rest),
            Scan::UntilThree(a, b, c) => memchr3(a, b, c, rest),
            Scan::Table => rest.iter().position(|byte| !self.table[usize::from(*byte)]),
            Scan::Decode => return self.counted(text, at, 0, u32::MAX).unwrap_or(at),
        };
        found.map_or(text.len(), |length| at + length)
    }

    fn counted(&self, text: &[u8], at: usize, min: u32, max: u32) -> Option<usize> {
        if self.beyond == Beyond::Nothing {
            let rest = &text[at..];
            let rest = &rest[..rest.len().min(max as usize)];
            let count = rest.iter().position(|byte| !self.table[usize::from(*byte)]).unwrap_or(rest.len());
            return (count >= min as usize).then_some(at + count);
        }
        let (mut end, mut count) = (at, 0);
        while count < max
            && let Some(next) = self.one(text, end)
        {
            end = next;
            count += 1;
        }
        (count >= min).then_some(end)
    }

    /// The place behind so many characters of the class.
    pub(super) fn exactly(&self, text: &[u8], at: usize, count: u32) -> Option<usize> {
        self.counted(text, at, count, count)
    }

    /// Whether the character that ends here is of the class; none does at the beginning of the text.
    pub(super) fn before(&self, text: &[u8], at: usize) -> bool {
        match text[..at].last() {
            None => false,
            Some(byte) if *byte < 0x80 => self.table[usize::from(*byte)],
            Some(_) => self.one(text, back(text, at)) == Some(at),
        }
    }
}

/// The place of the character that ends here; the text must have one.
pub(super) fn back(text: &[u8], at: usize) -> usize {
    let mut at = at.saturating_sub(1);
    while at > 0 && text[at] & 0xc0 == 0x80 {
        at -= 1;
    }
    at
}

/// The place behind the character at this one, or behind the end of the text.
pub(super) fn forth(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) {
        at += 1;
    }
    at
}

/// The character at a place and its length. Text is UTF-8, and places are where characters begin.
pub(super) fn decode(text: &[u8], at: usize) -> (char, usize) {
    let end = forth(text, at).min(text.len());
    let c = std::str::from_utf8(&text[at..end]).ok().and_then(|text| text.chars().next());
    (c.unwrap_or(char::REPLACEMENT_CHARACTER), end - at)
}

/// Whether the character that ends here is a letter, a digit or the like.
pub(super) fn word_before(text: &[u8], at: usize) -> bool {
    match text[..at].last() {
        None => false,
        Some(byte) if *byte < 0x80 => is_word_byte(*byte),
        Some(_) => is_word(decode(text, back(text, at)).0),
    }
}

/// Whether the character that begins here is a letter, a digit or the like.
pub(super) fn word_after(text: &[u8], at: usize) -> bool {
    match text.get(at) {
        None => false,
        Some(byte) if *byte < 0x80 => is_word_byte(*byte),
        Some(_) => is_word(decode(text, at).0),
    }
}

pub(super) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_word(c: char) -> bool {
    regex_syntax::try_is_word_character(c).unwrap_or(false)
}
