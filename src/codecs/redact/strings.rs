//! Which parts of a line of JSON are inside of its strings.

use super::escape;

/// Walks through a line. Ask about one place behind the other.
#[derive(Debug)]
pub(super) struct Strings<'t> {
    text: &'t [u8],
    at: usize,
    inside: bool,
    /// Where the string ends that was asked about last.
    end: usize,
}

impl Strings<'_> {
    /// Of a line that begins as an object.
    pub(super) fn of(text: &[u8]) -> Option<Strings<'_>> {
        text.trim_ascii_start().starts_with(b"{").then_some(Strings { text, at: 0, inside: false, end: 0 })
    }

    /// Whether a place is inside of a string.
    pub(super) fn is_inside(&mut self, place: usize) -> bool {
        while let Some(quote) =
            memchr::memchr(b'"', &self.text[self.at..place.max(self.at)]).map(|quote| self.at + quote)
        {
            self.inside = !self.inside || escape::is_escaped(self.text, quote);
            self.at = quote + 1;
        }
        self.at = self.at.max(place);
        self.inside
    }

    /// Where the string ends that a place is inside of, or the line does.
    pub(super) fn end(&mut self, place: usize) -> Option<usize> {
        if !self.is_inside(place) {
            return None;
        }
        if self.end < place {
            let mut quotes = memchr::memchr_iter(b'"', &self.text[place..]).map(|quote| place + quote);
            self.end = quotes.find(|quote| !escape::is_escaped(self.text, *quote)).unwrap_or(self.text.len());
        }
        Some(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_insides_and_ends() {
        assert!(Strings::of(b"[1]").is_none());
        let text = br#" {"a":"b\\\"c","d":1}"#;
        let mut strings = Strings::of(text).unwrap();
        let found: Vec<_> = (0..text.len()).map(|at| strings.end(at)).collect();
        let mut expected = vec![None; text.len()];
        expected[3..=4].fill(Some(4));
        expected[7..=13].fill(Some(13));
        expected[16..=17].fill(Some(17));
        assert_eq!(found, expected);
    }
}
