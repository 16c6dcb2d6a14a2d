//! Masks the values of a message, a block at a time. Where a block ends makes no difference to the masked text: what is
//! not all in a block begins the next one.
//!
//! Values are found by arithmetic on bits, one a byte of the block: adding the bits that make a token a value to the bits
//! of all tokens carries to the end of just those tokens. The work for a byte is the same whatever the byte is, and the only
//! branches are a few for each value.

use super::{
    TEXT_BYTES_MAX, TOKENS_MAX,
    bits::{Bits, Classes, below, end, is_break},
};

/// Bytes of a message that are looked at together.
pub(super) const BLOCK: usize = 128;
/// Most blocks of a message that are looked at.
const BLOCKS_MAX: usize = 16;
/// Bytes copied at once.
const STRIDE: usize = 16;
/// Shortest constant beginning of a value that stays: `blk_`, `port:`.
const LABEL_BYTES_MIN: usize = 4;
/// The longest group of an IPv6 address and the colon behind it.
const GROUP_BYTES_MAX: usize = 5;
/// The longest request method and the space behind it.
const METHOD_BYTES_MAX: usize = 8;

/// The masked text of a message.
pub(super) struct Masked {
    text: [u8; TEXT_BYTES_MAX + BLOCK + 2 * STRIDE],
    length: usize,
    /// Whether the last thing written stands for a value.
    behind_value: bool,
    /// Whether there are `"` and `'` that nothing closes, so that none is searched twice.
    unclosed: [bool; 2],
}

impl Masked {
    /// Of a message's first line.
    pub(super) fn of(line: &[u8]) -> Masked {
        let text = [0; TEXT_BYTES_MAX + BLOCK + 2 * STRIDE];
        let mut masked = Masked { text, length: 0, behind_value: false, unclosed: [false; 2] };
        let mut rest = line;
        for _ in 0..BLOCKS_MAX {
            if rest.is_empty() || masked.is_full() {
                break;
            }
            let mut copy = [0; BLOCK + STRIDE];
            let bytes = rest.first_chunk().unwrap_or_else(|| {
                copy[..rest.len()].copy_from_slice(rest);
                &copy
            });
            let classes = Classes::of(bytes.first_chunk().unwrap_or(&[0; BLOCK]), rest.len());
            let read = Block { bytes, rest, classes }.write(&mut masked);
            rest = rest.get(read..).unwrap_or_default();
        }
        masked
    }

    /// The text, cut at [`TOKENS_MAX`] and [`TEXT_BYTES_MAX`].
    pub(super) fn text(&self) -> &[u8] {
        let text = &self.text[..self.length.min(TEXT_BYTES_MAX)];
        let text = &text[..self.last_space().unwrap_or(text.len())];
        text.strip_suffix(b" ").unwrap_or(text)
    }

    fn is_full(&self) -> bool {
        self.length >= TEXT_BYTES_MAX || self.last_space().is_some()
    }

    /// Where the space is behind the last token that counts.
    fn last_space(&self) -> Option<usize> {
        let text = &self.text[..self.length.min(TEXT_BYTES_MAX)];
        // A token and its space are two bytes at least.
        if text.len() < 2 * TOKENS_MAX { None } else { memchr::memchr_iter(b' ', text).nth(TOKENS_MAX - 1) }
    }

    fn push(&mut self, byte: u8) {
        self.text[self.length] = byte;
        self.length += 1;
    }

    fn ends_with_space(&self) -> bool {
        self.length == 0 || self.text[self.length - 1] == b' '
    }
}

/// What of a message is looked at together.
struct Block<'m> {
    /// The first bytes of `rest`, then zeros.
    bytes: &'m [u8; BLOCK + STRIDE],
    /// The message from the block's beginning on.
    rest: &'m [u8],
    classes: Classes,
}

impl Block<'_> {
    /// Writes what the block masks to; how many bytes of the message that was.
    fn write(mut self, out: &mut Masked) -> usize {
        let length = self.rest.len().min(BLOCK);
        let cut = self.rest.len() > BLOCK;
        let mut read = length;
        if self.classes.quotes & below(length) != 0 {
            read = self.mark_quoted(out, length);
        }
        let mut tokens = !self.classes.breaks & below(length);
        if cut && read == BLOCK && tokens >> (BLOCK - 1) != 0 {
            // The last token is not all here.
            let begin = end(!tokens);
            if begin > 1 {
                read = begin - usize::from(self.bytes[begin - 1] == b'=');
                tokens &= below(read);
            } else {
                self.classes.marks |= 1 << begin;
                let more = &self.rest[BLOCK..];
                read += more.iter().position(|byte| is_break(*byte)).unwrap_or(more.len());
            }
        }
        let stop = read.min(BLOCK);
        let from = self.write_values(out, tokens);
        if from < stop {
            let joins = below(stop) & !below(from) & !self.classes.joints == 0;
            if joins && cut && out.behind_value && from > 0 {
                // Whether this joins two values is known when the second one is.
                return from;
            }
            self.copy(out, from, stop);
            out.behind_value = false;
        }
        read
    }

    /// Writes all up to the end of the last value, which it returns.
    fn write_values(&self, out: &mut Masked, tokens: Bits) -> usize {
        let classes = &self.classes;
        let alone = classes.colons & !(classes.colons << 1) & !(classes.colons >> 1);
        let strong = classes.marks | classes.equals << 1;
        let assigned = (classes.equals & !(classes.equals << 1)) << 2 & classes.spaces << 1;
        let marks = (strong | alone << 1 | assigned) & tokens;
        let values = tokens & (!tokens.wrapping_add(marks) | marks);
        let mut edges = values ^ values << 1;
        let mut from = if out.behind_value { self.unit_end(0) } else { 0 };
        while edges != 0 {
            let mark = edges.trailing_zeros() as usize;
            edges &= edges - 1;
            // The end of a value at the end of the block has no bit.
            let close = edges.trailing_zeros() as usize;
            edges &= edges.wrapping_sub(1);
            if self.bytes[close] == b'=' && strong & below(close) & !below(mark) == 0 {
                // A key: `rhost= uid=0`, `env:os.name=x`.
                continue;
            }
            let begin = self.value_begin(tokens, mark);
            let last = close - 1;
            let mut next = if last > mark && matches!(self.bytes[last], b'.' | b':') { last } else { close };
            next = self.unit_end(next);
            let repeats = begin == from + 2 && self.bytes[from] == b' ' && self.bytes[from + 1] == b'(';
            if out.behind_value && repeats && self.bytes[next] == b')' {
                // `1293 bytes (1.26 KB)`: the same number again, for people.
                next += 1;
            } else if !out.behind_value || below(begin) & !below(from) & !classes.joints != 0 {
                self.copy(out, from, begin);
                out.push(b'*');
                out.behind_value = true;
            }
            from = next;
        }
        from
    }

    /// Where the value begins whose token becomes one at `mark`: behind its label, where it has one.
    fn value_begin(&self, tokens: Bits, mark: usize) -> usize {
        let before = below(mark);
        let begin = end(!tokens & before);
        let mut label = end(self.classes.labels & before);
        if label < begin + LABEL_BYTES_MIN || self.bytes[begin..label].contains(&b'.') {
            return begin;
        }
        // The first group of an address: `fade:1::5`.
        if label <= begin + GROUP_BYTES_MAX && self.bytes[begin..label - 1].iter().all(u8::is_ascii_hexdigit) {
            return begin;
        }
        // The minus of `blk_-160` is the number's.
        if self.bytes[label - 1] == b'-' && matches!(self.bytes[label - 2], b'_' | b':') {
            label -= 1;
        }
        label
    }

    /// Past the unit, where one stands behind a number that ends here: `12 ms`.
    fn unit_end(&self, number_end: usize) -> usize {
        if self.bytes[number_end] != b' ' || !self.bytes[number_end + 1].is_ascii_alphabetic() {
            return number_end;
        }
        let begin = number_end + 1;
        let end = (self.classes.breaks & !below(begin)).trailing_zeros() as usize;
        let end = end.min(self.rest.len());
        if end == BLOCK && self.rest.len() > BLOCK {
            return number_end;
        }
        let end = end - usize::from(matches!(self.bytes[end - 1], b'.' | b':'));
        if is_unit(&self.bytes[begin..end]) { end } else { number_end }
    }

    /// Makes quoted text one token that is a value. How many bytes of the message are read then: quoted text may reach
    /// beyond the block.
    fn mark_quoted(&mut self, out: &mut Masked, length: usize) -> usize {
        let mut quotes = self.classes.quotes & below(length);
        while quotes != 0 {
            let open = quotes.trailing_zeros() as usize;
            quotes &= quotes - 1;
            let Some(close) = self.close_of(out, open, quotes) else { continue };
            let (begin, end) = match method(&self.bytes[open + 1..close.min(BLOCK).max(open + 1)]) {
                0 => (open, close + 1),
                method => (open + 1 + method, close),
            };
            let text = below(end) & !below(begin);
            self.classes.breaks &= !text;
            if text != 0 {
                self.classes.marks |= 1 << begin;
            }
            if end > BLOCK {
                return end;
            }
            quotes &= !below(close + 1);
        }
        length
    }

    /// The quote that closes the one at `open`; `later` are those behind it in the block.
    fn close_of(&self, out: &mut Masked, open: usize, mut later: Bits) -> Option<usize> {
        let quote = self.bytes[open];
        let kind = usize::from(quote == b'\'');
        if (open > 0 && is_word(self.bytes[open - 1])) || out.unclosed[kind] {
            return None;
        }
        let closes = |at: usize| {
            self.rest[at] == quote
                && self.rest[at - 1] != b'\\'
                && (quote == b'"' || !self.rest.get(at + 1).is_some_and(|byte| is_word(*byte)))
        };
        while later != 0 {
            let at = later.trailing_zeros() as usize;
            if closes(at) {
                return Some(at);
            }
            later &= later - 1;
        }
        let behind = self.rest.get(BLOCK..).unwrap_or_default();
        let close = memchr::memchr_iter(quote, behind).map(|at| BLOCK + at).find(|at| closes(*at));
        out.unclosed[kind] = close.is_none();
        close
    }

    /// Writes what stands between two places, white space as one space.
    fn copy(&self, out: &mut Masked, from: usize, to: usize) {
        let spaces = self.classes.spaces;
        let untidy = spaces & (spaces << 1 | Bits::from(out.ends_with_space())) | self.classes.controls;
        if untidy & below(to) & !below(from) != 0 {
            return self.copy_tidied(out, from, to);
        }
        let (mut at, mut into) = (from, out.length);
        while at < to {
            out.text[into..into + STRIDE].copy_from_slice(&self.bytes[at..at + STRIDE]);
            (at, into) = (at + STRIDE, into + STRIDE);
        }
        out.length += to - from;
    }

    fn copy_tidied(&self, out: &mut Masked, from: usize, to: usize) {
        for at in from..to {
            if self.classes.spaces >> at & 1 == 0 {
                out.push(self.bytes[at]);
            } else if !out.ends_with_space() {
                out.push(b' ');
            }
        }
    }
}

/// The length of a request method and the space behind it: they stay at the beginning of quoted text.
fn method(quoted: &[u8]) -> usize {
    if !quoted.first().is_some_and(u8::is_ascii_uppercase) {
        return 0;
    }
    let space = quoted.iter().take(METHOD_BYTES_MAX).position(|byte| *byte == b' ').unwrap_or(0);
    match &quoted[..space] {
        b"GET" | b"POST" | b"PUT" | b"DELETE" | b"HEAD" | b"PATCH" | b"OPTIONS" => space + 1,
        _ => 0,
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn is_unit(word: &[u8]) -> bool {
    matches!(
        word,
        b"B" | b"KB"
            | b"MB"
            | b"GB"
            | b"TB"
            | b"kB"
            | b"KiB"
            | b"MiB"
            | b"GiB"
            | b"TiB"
            | b"byte"
            | b"bytes"
            | b"Bytes"
            | b"kb"
            | b"mb"
            | b"gb"
            | b"ns"
            | b"us"
            | b"ms"
            | b"s"
            | b"sec"
            | b"secs"
            | b"second"
            | b"seconds"
            | b"msec"
            | b"msecs"
            | b"millis"
            | b"min"
            | b"mins"
            | b"minute"
            | b"minutes"
            | b"h"
            | b"hour"
            | b"hours"
            | b"day"
            | b"days"
    )
}
