//! The pass over a message that tells values from words.

use super::{
    Out, Writer,
    shape::{self, DIGIT, JOINT, LETTER, LINK, SEPARATOR, SPACE, WORD, is},
};

/// Writes the masked message.
pub(super) fn scan<O: Out>(message: &str, out: &mut O) {
    let bytes = message.trim_start().as_bytes();
    let bytes = &bytes[..memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())];
    let mut scan = Scan { bytes, at: 0, writer: Writer::new(out), unclosed: [false; 3] };
    scan.run();
    scan.writer.finish();
}

struct Scan<'m, 'o, O> {
    bytes: &'m [u8],
    at: usize,
    writer: Writer<'o, O>,
    /// Quotes that no later quote closes, so that none is searched twice.
    unclosed: [bool; 3],
}

impl<O: Out> Scan<'_, '_, O> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at)
            && !self.writer.full
        {
            match byte {
                _ if self.is(self.at, LETTER) => self.word(),
                _ if self.is(self.at, DIGIT) => self.number(self.at),
                _ if self.is(self.at, SPACE) => {
                    self.writer.space();
                    self.at += 1;
                }
                _ => self.punctuation(byte),
            }
        }
    }

    fn is(&self, at: usize, class: u8) -> bool {
        is(self.bytes, at, class)
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b' ')
    }

    fn text(&mut self, begin: usize, end: usize) {
        self.writer.text(&self.bytes[begin..end]);
        self.at = end;
    }

    fn mask(&mut self, end: usize) {
        self.writer.mask();
        self.at = end;
    }

    fn word(&mut self) {
        let begin = self.at;
        let letters = shape::run(self.bytes, begin, LETTER);
        if !self.is(letters, DIGIT | JOINT | LINK) {
            return self.letters(begin, letters);
        }
        let end = shape::name(self.bytes, begin);
        match self.byte(end) {
            b':' => self.colon(begin, end),
            b'=' if !matches!(self.byte(end + 1), b'=' | b'>' | b'~') => {
                self.name(begin, end);
                self.writer.text(b"=");
                self.value(end + 1);
            }
            b'@' if self.is(end + 1, WORD) => self.at_sign(begin, end),
            b'/' | b'\\' => self.slash(begin, end),
            b'\'' if self.is(end + 1, LETTER) => self.text(begin, shape::run(self.bytes, end + 1, LETTER)),
            _ if end == letters => self.letters(begin, letters),
            _ => self.name(begin, end),
        }
    }

    /// A word of letters alone: some are values or parts of a date.
    fn letters(&mut self, begin: usize, end: usize) {
        let value = match &self.bytes[begin..end] {
            b"true" | b"false" | b"null" => true,
            word if word.len() != 3 || !word[0].is_ascii_uppercase() => false,
            word if shape::is_month(word) => self.is(shape::run(self.bytes, end, SPACE), DIGIT),
            word if shape::is_weekday(word) => {
                let comma = usize::from(self.byte(end) == b',');
                let next = shape::run(self.bytes, end + comma, SPACE);
                self.is(next, DIGIT) || shape::is_month(self.bytes.get(next..next + 3).unwrap_or_default())
            }
            _ => false,
        };
        if value { self.mask(end) } else { self.text(begin, end) }
    }

    /// Letters, digits and what joins them: from the first digits on, all but words behind a dot is one value.
    fn name(&mut self, begin: usize, end: usize) {
        if !self.bytes[begin..end].iter().any(u8::is_ascii_digit) {
            return self.text(begin, end);
        }
        if let Some(end) = shape::uuid(self.bytes, begin) {
            return self.mask(end);
        }
        let (mut at, mut written) = (begin, begin);
        while at < end {
            let run = shape::run(self.bytes, at, WORD).min(end);
            if let Some((from, to)) = shape::digits_of(&self.bytes[at..run]) {
                let (from, to) = (at + from, at + to);
                // The minus of `blk_-160` belongs to the number.
                let signed = from >= begin + 2 && self.bytes[from - 1] == b'-' && !self.is(from - 2, WORD);
                let kept = if signed { from - 1 } else { from };
                if kept > written {
                    self.text(written, kept);
                }
                written = if to == run { self.rest_of_id(run, end) } else { to };
                self.mask(written);
                at = written.max(run);
            } else {
                at = run;
            }
            at = shape::run(self.bytes, at, JOINT).min(end);
        }
        if written < end {
            self.text(written, end);
        }
    }

    /// The end of the parts that follow the first one with digits.
    fn rest_of_id(&self, mut at: usize, end: usize) -> usize {
        while at < end {
            let next = shape::run(self.bytes, at, JOINT).min(end);
            let part = shape::run(self.bytes, next, WORD).min(end);
            let word_behind_dot =
                self.bytes[at..next].contains(&b'.') && !self.bytes[next..part].iter().any(u8::is_ascii_digit);
            if word_behind_dot || part == next {
                break;
            }
            at = part;
        }
        at
    }

    /// `host:80`, `key:value`, `http://`, `C:\`, `fe80::1`, `a::b`, `word:`
    fn colon(&mut self, begin: usize, end: usize) {
        let behind = end + 1;
        if self.bytes[behind..].starts_with(b"//") {
            return self.mask(shape::url(self.bytes, behind));
        }
        if let Some(end) = shape::colon_hex(self.bytes, begin) {
            return self.mask(end);
        }
        if self.byte(behind) == b'\\' && end == begin + 1 {
            return self.mask(shape::path(self.bytes, begin));
        }
        let name = &self.bytes[begin..end];
        if let Some(port) = shape::port(self.bytes, behind)
            && (name.iter().any(|byte| *byte == b'.' || byte.is_ascii_digit()) || name == b"localhost")
        {
            return self.mask(port);
        }
        self.name(begin, end);
        if self.is(behind, WORD) {
            self.writer.text(b":");
            self.at = behind;
            if self.byte(shape::name(self.bytes, behind)) != b'=' {
                self.value(behind);
            }
        }
    }

    /// What stands behind a key.
    fn value(&mut self, begin: usize) {
        self.at = begin;
        if matches!(self.byte(begin), b'"' | b'\'' | b'`' | b'(' | b'[' | b'{' | b'<') {
            return;
        }
        let end = shape::value(self.bytes, begin);
        self.mask(if end > begin && self.is(end - 1, DIGIT) { shape::unit(self.bytes, end) } else { end });
    }

    /// `ann@example.com`, `Class@1f2e3d`
    fn at_sign(&mut self, begin: usize, end: usize) {
        let behind = shape::name(self.bytes, end + 1);
        let host = &self.bytes[end + 1..behind];
        if !host.contains(&b'.') && host.iter().any(u8::is_ascii_digit) && host.iter().all(u8::is_ascii_hexdigit) {
            self.name(begin, end);
            self.writer.text(b"@");
        }
        self.mask(behind);
    }

    /// A path, or words with a slash between them.
    fn slash(&mut self, begin: usize, end: usize) {
        let path = shape::path(self.bytes, begin);
        if path > end && shape::is_path(&self.bytes[begin..path]) {
            return self.mask(path);
        }
        self.name(begin, end);
        self.text(end, end + 1);
    }

    fn number(&mut self, digit: usize) {
        let end = self.number_end(digit);
        self.mask(shape::unit(self.bytes, end));
    }

    fn number_end(&self, digit: usize) -> usize {
        let end = shape::uuid(self.bytes, digit).or_else(|| shape::colon_hex(self.bytes, digit));
        let end = end.unwrap_or_else(|| shape::number(self.bytes, digit));
        if self.byte(end) == b'@' && self.is(end + 1, WORD) { shape::name(self.bytes, end + 1) } else { end }
    }

    fn punctuation(&mut self, byte: u8) {
        let next = self.at + 1;
        match byte {
            b'*' => self.mask(next),
            b'"' | b'\'' | b'`' => self.quote(byte),
            b'=' => self.equals(),
            b'/' if self.is(next, WORD) || matches!(self.byte(next), b'.' | b'_' | b'~' | b'-' | b'/') => {
                self.mask(shape::path(self.bytes, self.at).max(next));
            }
            b'.' | b'~' if self.byte(next) == b'/' || self.bytes[next..].starts_with(b"./") => {
                self.mask(shape::path(self.bytes, self.at).max(next));
            }
            b'\\' if self.byte(next) == b'\\' && self.is(next + 1, WORD) => {
                self.mask(shape::path(self.bytes, self.at));
            }
            b'-' | b'+' | b'.' | b'<' | b'>' | b'~' if self.is(next, DIGIT) && !self.is_tag(byte, next) => {
                self.number(next);
            }
            b':' if self.byte(next) == b':' && shape::colon_hex(self.bytes, self.at).is_some() => {
                self.mask(shape::colon_hex(self.bytes, self.at).unwrap_or(next));
            }
            b'(' if self.writer.behind_mask => self.parenthesis(),
            _ if self.is(self.at, SEPARATOR) => {
                self.writer.separator(byte);
                self.at = next;
            }
            _ => self.text(self.at, next),
        }
    }

    /// `<6>`, which is no comparison.
    fn is_tag(&self, byte: u8, digit: usize) -> bool {
        byte == b'<' && self.byte(self.number_end(digit)) == b'>'
    }

    /// `1293 (1.26 KB)`: the same number again, for people.
    fn parenthesis(&mut self) {
        let inside = self.at + 1;
        let end = if self.is(inside, DIGIT) { shape::number(self.bytes, inside) } else { inside };
        let end = shape::unit(self.bytes, end);
        if end > inside && self.byte(end) == b')' {
            self.writer.unspace();
            self.at = end + 1;
        } else {
            self.text(self.at, inside);
        }
    }

    /// `=` behind something that is not a name, or alone: `total = 5`.
    fn equals(&mut self) {
        let (begin, next) = (self.at, self.at + 1);
        let before = begin.checked_sub(1).map_or(b' ', |at| self.bytes[at]);
        if matches!(self.byte(next), b'=' | b'>' | b'~') || matches!(before, b'!' | b'<' | b'>' | b':' | b'~' | b'=') {
            let mut end = next;
            while matches!(self.byte(end), b'=' | b'>' | b'~') {
                end += 1;
            }
            return self.text(begin, end);
        }
        self.text(begin, next);
        if before != b' ' || self.byte(next) != b' ' {
            return self.value(next);
        }
        let value = shape::run(self.bytes, next, SPACE);
        if value == self.bytes.len() || self.is(value, WORD | JOINT) {
            self.writer.space();
            self.value(value);
        }
    }

    fn quote(&mut self, quote: u8) {
        let open = self.at;
        let kind = usize::from(quote == b'\'') + 2 * usize::from(quote == b'`');
        let inside_word = open > 0 && self.is(open - 1, WORD);
        let close = if inside_word || self.unclosed[kind] { None } else { self.closing(open + 1, quote) };
        let Some(close) = close else {
            self.unclosed[kind] |= !inside_word;
            return self.text(open, open + 1);
        };
        let inside = &self.bytes[open + 1..close];
        if self.byte(close + 1) == b':' && shape::name(self.bytes, open + 1) == close && !inside.is_empty() {
            // A key of JSON.
            return self.text(open, close + 1);
        }
        if let Some(method) = ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"]
            .into_iter()
            .find(|method| inside.strip_prefix(method.as_bytes()).is_some_and(|rest| rest.starts_with(b" ")))
        {
            self.text(open, open + 1 + method.len());
            self.writer.space();
            self.writer.mask();
            return self.text(close, close + 1);
        }
        self.mask(close + 1);
    }

    /// The quote that closes.
    fn closing(&self, begin: usize, quote: u8) -> Option<usize> {
        memchr::memchr_iter(quote, &self.bytes[begin..]).map(|at| begin + at).find(|&at| {
            let escaped = at > begin && self.bytes[at - 1] == b'\\';
            !escaped && (quote == b'"' || !self.is(at + 1, WORD))
        })
    }
}
