//! The one definition of text tokens, shared by the index and by the evaluator of queries.
//!
//! A token is a run of Unicode letters and digits in lower case; `_`, punctuation and whitespace separate. Han, Hiragana,
//! Katakana and Thai, which are written without spaces, give one token a character; Hangul has spaces and gives words. A
//! camelCase word is also found by its parts: they follow the whole word at the same position
//! (`ConnectTimeoutException`, `HTTPServer` gives `httpserver`, `http`, `server`); digits do not split. Lower case is
//! per character, without the rule for the final sigma, and nothing is normalised: a combining mark separates.
//!
//! A word longer than [`TOKEN_BYTES_MAX`] is cut, has no parts, and says so: who needs it exactly looks at the text.

/// The longest token in bytes of its lower-case text.
pub const TOKEN_BYTES_MAX: usize = 255;

const SEPARATOR: u8 = 0;
const LOWER: u8 = 1;
const DIGIT: u8 = 2;
const UPPER: u8 = 3;
const WIDE: u8 = 4;

/// What a byte is; everything beyond ASCII takes the slow path.
const CLASSES: [u8; 256] = {
    let mut classes = [SEPARATOR; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'a'..=b'z' => LOWER,
            b'0'..=b'9' => DIGIT,
            b'A'..=b'Z' => UPPER,
            128.. => WIDE,
            _ => SEPARATOR,
        };
        byte += 1;
    }
    classes
};

/// One token. Borrows from the text or from the cursor, so it lives until the next one is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The token in lower case.
    pub text: &'a str,
    /// Words before it; parts of a camelCase word share the position of the whole.
    pub position: u32,
    /// First byte in the text.
    pub start: usize,
    /// One past the last byte in the text, also where the token was cut.
    pub end: usize,
    /// Whether it is a part of the camelCase word before it.
    pub part: bool,
    /// Whether `text` is only the beginning of a word longer than [`TOKEN_BYTES_MAX`].
    pub cut: bool,
}

/// A cursor over the tokens of a text. Allocates only when a word must be changed to lower case, and then once.
#[derive(Debug)]
pub struct Tokens<'t> {
    text: &'t str,
    at: usize,
    position: u32,
    /// The rest of a camelCase word whose parts are still to come.
    parts: std::ops::Range<usize>,
    lower: String,
}

/// The tokens of a text.
#[must_use]
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens::new(text)
}

impl<'t> Tokens<'t> {
    /// A cursor at the start of the text.
    #[must_use]
    pub fn new(text: &'t str) -> Tokens<'t> {
        Tokens { text, at: 0, position: 0, parts: 0..0, lower: String::new() }
    }

    /// Starts over with another text, keeping the buffer.
    #[must_use]
    pub fn restart(self, text: &str) -> Tokens<'_> {
        Tokens { text, at: 0, position: 0, parts: 0..0, lower: self.lower }
    }

    /// The next token. Not an `Iterator`, since the token borrows from the cursor.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Option<Token<'_>> {
        if !self.parts.is_empty() {
            return Some(self.next_part());
        }
        let bytes = self.text.as_bytes();
        let mut start = self.at;
        while let Some(&byte) = bytes.get(start) {
            if CLASSES[usize::from(byte)] != SEPARATOR {
                break;
            }
            start += 1;
        }
        let mut end = start;
        let mut upper = false;
        while let Some(&byte) = bytes.get(end) {
            match CLASSES[usize::from(byte)] {
                SEPARATOR => break,
                UPPER => upper = true,
                WIDE => return self.next_wide(start, end),
                _ => {}
            }
            end += 1;
        }
        if start == end {
            self.at = end;
            return None;
        }
        self.at = end;
        let position = self.position;
        self.position = position.saturating_add(1);
        let word = &self.text[start..end];
        if !upper && word.len() <= TOKEN_BYTES_MAX {
            return Some(Token { text: word, position, start, end, part: false, cut: false });
        }
        Some(self.changed(start, end, position))
    }

    /// An ASCII word that must change: with upper case, or too long.
    fn changed(&mut self, start: usize, end: usize, position: u32) -> Token<'_> {
        let cut = end - start > TOKEN_BYTES_MAX;
        let kept = if cut { start + TOKEN_BYTES_MAX } else { end };
        self.lower.clear();
        self.lower.push_str(&self.text[start..kept]);
        self.lower.make_ascii_lowercase();
        if !cut && ascii_part_end(&self.text.as_bytes()[start..end]) < end - start {
            self.parts = start..end;
        }
        Token { text: &self.lower, position, start, end, part: false, cut }
    }

    /// A word that begins with the ASCII `start..seen`, which may be empty, and goes on beyond ASCII.
    #[cold]
    fn next_wide(&mut self, start: usize, seen: usize) -> Option<Token<'_>> {
        let (mut start, mut end) = (start, seen);
        for c in self.text[seen..].chars() {
            let next = end + c.len_utf8();
            if !c.is_alphanumeric() {
                if start < end {
                    break;
                }
                (start, end) = (next, next);
            } else if !stands_alone(c) {
                end = next;
            } else {
                end = if start < end { end } else { next };
                break;
            }
        }
        self.at = end;
        if start == end {
            return None;
        }
        let position = self.position;
        self.position = position.saturating_add(1);
        let cut = !lower_into(&mut self.lower, &self.text[start..end]);
        if !cut && part_end(&self.text[start..end]) < end - start {
            self.parts = start..end;
        }
        Some(Token { text: &self.lower, position, start, end, part: false, cut })
    }

    fn next_part(&mut self) -> Token<'_> {
        let start = self.parts.start;
        let rest = &self.text[self.parts.clone()];
        let len = if rest.is_ascii() { ascii_part_end(rest.as_bytes()) } else { part_end(rest) };
        let end = start + len;
        self.parts.start = end;
        lower_into(&mut self.lower, &self.text[start..end]);
        Token { text: &self.lower, position: self.position.saturating_sub(1), start, end, part: true, cut: false }
    }
}

/// Puts the lower-case form of a word in the buffer; false where it had to be cut.
fn lower_into(lower: &mut String, word: &str) -> bool {
    lower.clear();
    for c in word.chars() {
        let before = lower.len();
        lower.extend(c.to_lowercase());
        if lower.len() > TOKEN_BYTES_MAX {
            lower.truncate(before);
            return false;
        }
    }
    true
}

/// Where the first part of a camelCase word ends: before an upper-case letter that follows a lower-case one, or that
/// follows an upper-case one and begins a lower-case part.
fn ascii_part_end(word: &[u8]) -> usize {
    let mut before = SEPARATOR;
    for (at, &byte) in word.iter().enumerate() {
        let class = CLASSES[usize::from(byte)];
        if class == UPPER {
            let ahead = || word.get(at + 1).map_or(SEPARATOR, |&next| CLASSES[usize::from(next)]);
            if before == LOWER || (before == UPPER && ahead() == LOWER) {
                return at;
            }
        }
        before = class;
    }
    word.len()
}

fn part_end(word: &str) -> usize {
    let mut before = ' ';
    let mut chars = word.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_uppercase() {
            let ahead = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            if before.is_lowercase() || (before.is_uppercase() && ahead) {
                return at;
            }
        }
        before = c;
    }
    word.len()
}

/// Characters of scripts without spaces between words.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0e7f
        | 0x2e80..=0x2fdf
        | 0x3005..=0x3007
        | 0x3021..=0x3029
        | 0x3031..=0x3035
        | 0x3038..=0x303c
        | 0x3041..=0x30ff
        | 0x31f0..=0x31ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xf900..=0xfaff
        | 0xff66..=0xff9f
        | 0x1b000..=0x1b16f
        | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<(String, u32, usize, usize)> {
        let mut cursor = tokens(text);
        let mut out = Vec::new();
        while let Some(token) = cursor.next() {
            out.push((token.text.to_owned(), token.position, token.start, token.end));
        }
        out
    }

    /// `word@position` for each token.
    fn check(text: &str, expected: &str) {
        let found: Vec<String> = all(text).into_iter().map(|(word, at, ..)| format!("{word}@{at}")).collect();
        assert_eq!(found.join(" "), expected, "{text}");
    }

    #[test]
    fn text_becomes_tokens() {
        check("", "");
        check(" .-_ ", "");
        check("GET /api/v1 HTTP/1.1", "get@0 api@1 v1@2 http@3 1@4 1@5");
        check("snake_case host-1", "snake@0 case@1 host@2 1@3");
        check("ConnectTimeoutException x", "connecttimeoutexception@0 connect@0 timeout@0 exception@0 x@1");
        check("HTTPServer", "httpserver@0 http@0 server@0");
        check("parseJSON2Xml v2Beta", "parsejson2xml@0 parse@0 json2xml@0 v2beta@1");
        check("Error ERROR", "error@0 error@1");
        check("Überfluß ÄÖ", "überfluß@0 äö@1");
        check("naïveÜber", "naïveüber@0 naïve@0 über@0");
        check("日本語 log", "日@0 本@1 語@2 log@3");
        check("abc日本def", "abc@0 日@1 本@2 def@3");
        check("한국어 로그", "한국어@0 로그@1");
        check("カタ", "カ@0 タ@1");
        check("a—b … c🙂d", "a@0 b@1 c@2 d@3");
        check("— … 🙂", "");
        check("ΣΑΣ", "σασ@0");
    }

    #[test]
    fn offsets_point_into_the_text() {
        assert_eq!(
            all("é fooBar"),
            [
                ("é".to_owned(), 0, 0, 2),
                ("foobar".to_owned(), 1, 3, 9),
                ("foo".to_owned(), 1, 3, 6),
                ("bar".to_owned(), 1, 6, 9)
            ]
        );
    }

    #[test]
    fn long_words_are_cut() {
        for (word, kept) in [("a".repeat(300), 255), ("A".repeat(300), 255), ("é".repeat(200), 254)] {
            let text = format!("{word} b");
            let mut cursor = tokens(&text);
            let token = cursor.next().unwrap();
            assert_eq!((token.text.len(), token.cut, token.end), (kept, true, word.len()));
            let token = cursor.next().unwrap();
            assert_eq!((token.text, token.position, token.cut), ("b", 1, false));
            assert!(cursor.next().is_none());
        }
        assert_eq!(all(&"a".repeat(255)).len(), 1);
    }

    /// The definition once more, slowly: characters only.
    fn plainly(text: &str) -> Vec<(String, u32, usize, usize)> {
        let mut words: Vec<(usize, usize)> = Vec::new();
        let mut open = false;
        for (at, c) in text.char_indices() {
            let end = at + c.len_utf8();
            let single = stands_alone(c);
            if !c.is_alphanumeric() {
                open = false;
            } else if single || !open {
                words.push((at, end));
                open = !single;
            } else if let Some(last) = words.last_mut() {
                last.1 = end;
            }
        }
        let mut out = Vec::new();
        for (position, (start, end)) in words.into_iter().enumerate() {
            let lower = |from: usize, to: usize| text[from..to].chars().flat_map(char::to_lowercase);
            let whole: String = lower(start, end).collect();
            let mut kept = String::new();
            for c in text[start..end].chars() {
                let next: String = c.to_lowercase().collect();
                if kept.len() + next.len() > TOKEN_BYTES_MAX {
                    break;
                }
                kept.push_str(&next);
            }
            let position = position as u32;
            let cut = kept.len() < whole.len();
            out.push((kept, position, start, end));
            let mut from = start;
            while !cut && from < end {
                let to = from + part_end(&text[from..end]);
                if (from, to) != (start, end) {
                    out.push((lower(from, to).collect(), position, from, to));
                }
                from = to;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn the_fast_path_is_the_definition(text in "[a-cA-C0-2 ._é日한Σİ🙂-]{0,40}") {
            prop_assert_eq!(all(&text), plainly(&text));
        }

        #[test]
        fn any_text_has_tokens_in_order(text in any::<String>()) {
            let found = all(&text);
            prop_assert_eq!(&found, &plainly(&text));
            let mut last = 0;
            for (word, position, start, end) in found {
                prop_assert!(!word.is_empty() && word.len() <= TOKEN_BYTES_MAX);
                prop_assert!(text.get(start..end).is_some() && start < end);
                prop_assert!(position >= last && position <= last + 1);
                last = position;
            }
        }

        #[test]
        fn long_words_follow_the_definition(word in "[aBé]{200,300}", tail in "[ a-z]{0,5}") {
            let text = format!("{word}{tail}");
            prop_assert_eq!(all(&text), plainly(&text));
        }
    }
}
