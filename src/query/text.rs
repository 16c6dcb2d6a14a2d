//! Tests of text: words, phrases, wildcards and regular expressions over a message or one other value.

use super::{
    QueryFailure,
    field_test::{expression, regex},
    leaf::folded,
};
use logship_parsers::query::{
    ast::{Pattern, PatternPart, Text},
    tokens::{TOKEN_BYTES_MAX, Token, Tokens},
};
use regex::Regex;

/// A test of text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    /// Consecutive words, in the message or in one other value.
    Word(Sequence),
    /// Words of the message.
    Phrase(Sequence),
    /// One word of the message or of another value.
    OneWord {
        /// Over the word in lower case.
        regex: Regex,
        /// With which every match begins, in lower case.
        prefix: String,
    },
    /// The message across words, in words of its own.
    Across {
        /// Over the message.
        regex: Regex,
        /// Words that every match has whole.
        words: Vec<Word>,
    },
    /// The message, unanchored.
    Regex(Regex),
}

/// A word of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    /// In lower case.
    pub(super) text: String,
    /// How the index has it: cut where it is longer than [`TOKEN_BYTES_MAX`].
    pub(super) indexed: String,
}

/// Words that follow each other.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// The words.
    pub(super) words: Vec<Word>,
    /// How far they may be apart.
    pub(super) slop: u32,
    /// Whether the last is the beginning of a word.
    pub(super) prefix: bool,
    /// The text in lower case: what is looked for where it has no word.
    pub(super) lower: String,
}

impl TextTest {
    /// The test that `text` is.
    pub(super) fn new(text: &Text) -> Result<TextTest, QueryFailure> {
        Ok(match text {
            Text::Word(word) => TextTest::Word(Sequence::new(word, 0, false)),
            Text::Phrase { text, slop, prefix } => TextTest::Phrase(Sequence::new(text, *slop, *prefix)),
            Text::Wildcard(pattern) => TextTest::wildcard(pattern)?,
            Text::Regex(asked) => TextTest::Regex(regex(&asked.pattern, asked.ignore_case)?),
        })
    }

    fn wildcard(pattern: &Pattern) -> Result<TextTest, QueryFailure> {
        let one_word = pattern.0.iter().all(|part| match part {
            PatternPart::Literal(text) => text.chars().all(char::is_alphanumeric),
            PatternPart::AnyRun | PatternPart::AnyOne => true,
        });
        if one_word {
            let lower = Pattern(pattern.0.iter().map(lower_part).collect());
            let prefix = match lower.0.first() {
                Some(PatternPart::Literal(text)) => text.clone(),
                _ => String::new(),
            };
            let regex = regex(&format!(r"(?s)\A{}\z", expression(&lower)), false)?;
            return Ok(TextTest::OneWord { regex, prefix });
        }
        // The ends of the pattern are the ends of words: `web-*` is not found in `cobweb-1`.
        let edge = |part: Option<&PatternPart>, last: bool| match part {
            Some(PatternPart::Literal(text)) => {
                let ch = if last { text.chars().next_back() } else { text.chars().next() };
                ch.is_some_and(|ch| ch.is_alphanumeric() && !stands_alone(ch))
            }
            _ => false,
        };
        let start = if edge(pattern.0.first(), false) { EDGE_START } else { "" };
        let end = if edge(pattern.0.last(), true) { EDGE_END } else { "" };
        let regex = regex(&format!("(?is){start}{}{end}", expression(pattern)), false)?;
        Ok(TextTest::Across { regex, words: whole_words(pattern) })
    }
}

const EDGE_START: &str = r"(?:\A|[^\p{Alphabetic}\p{N}]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])";
const EDGE_END: &str = r"(?:\z|[^\p{Alphabetic}\p{N}]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])";

/// Whether a character is a word of its own.
fn stands_alone(ch: char) -> bool {
    let mut text = String::from(ch);
    text.push(ch);
    let mut tokens = Tokens::new(&text);
    tokens.next().is_some_and(|token| token.end == ch.len_utf8())
}

fn lower_part(part: &PatternPart) -> PatternPart {
    match part {
        PatternPart::Literal(text) => PatternPart::Literal(text.chars().flat_map(char::to_lowercase).collect()),
        other => other.clone(),
    }
}

/// The words of a pattern that lie between separators or its own ends. Only ASCII ones, whose matches under
/// ignored case have no other form, `k` and `s` excepted.
fn whole_words(pattern: &Pattern) -> Vec<Word> {
    let mut found = Vec::new();
    for (at, part) in pattern.0.iter().enumerate() {
        let PatternPart::Literal(text) = part else { continue };
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            let open_left = token.start == 0 && at > 0;
            let open_right = token.end == text.len() && at + 1 < pattern.0.len();
            let plain = token.text.bytes().all(|b| b.is_ascii() && !matches!(b, b'k' | b's'));
            if !token.part && !token.cut && plain && !open_left && !open_right {
                found.push(Word { text: token.text.to_owned(), indexed: token.text.to_owned() });
            }
        }
    }
    found
}

impl Sequence {
    /// The words of a text.
    pub(super) fn new(text: &str, slop: u32, prefix: bool) -> Sequence {
        let mut words = Vec::new();
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            if !token.part {
                let whole = if token.cut { lower(&text[token.start..token.end]) } else { token.text.to_owned() };
                words.push(Word { text: whole, indexed: token.text.to_owned() });
            }
        }
        Sequence { words, slop, prefix, lower: text.chars().flat_map(folded).collect() }
    }

    /// Whether a text has the words. Where there are none to look for, the text itself is looked for.
    pub(super) fn found_in(&self, text: &str) -> bool {
        match self.words.as_slice() {
            [] => text.chars().flat_map(folded).collect::<String>().contains(&self.lower),
            [word] => any_token(text, |token| is_word(token, text, word, self.prefix)),
            _ if self.slop > 0 => self.found_apart(text),
            _ => self.found_consecutive(text),
        }
    }

    fn is_at(&self, token: &Token<'_>, text: &str, at: usize) -> bool {
        let last = at + 1 == self.words.len();
        self.words.get(at).is_some_and(|word| is_word(token, text, word, self.prefix && last))
    }

    /// Walks over the text once: `reached[i]` says that the first i + 1 words end at the position before.
    fn found_consecutive(&self, text: &str) -> bool {
        let mut reached = vec![false; self.words.len()];
        let mut here = vec![false; self.words.len()];
        let mut position = 0;
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            if token.position != position {
                std::mem::swap(&mut reached, &mut here);
                here.fill(false);
                position = token.position;
            }
            for at in 0..self.words.len() {
                if (at == 0 || reached[at - 1]) && self.is_at(&token, text, at) {
                    here[at] = true;
                }
            }
            if here.last() == Some(&true) {
                return true;
            }
        }
        false
    }

    /// Whether there is a place for each word such that the places, each less the word's own number, lie within the slop.
    fn found_apart(&self, text: &str) -> bool {
        let mut places = vec![Vec::new(); self.words.len()];
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            for (at, places) in places.iter_mut().enumerate() {
                if self.is_at(&token, text, at) {
                    places.push(i64::from(token.position) - i64::try_from(at).unwrap_or(i64::MAX));
                }
            }
        }
        let mut next = vec![0usize; places.len()];
        loop {
            let (mut least, mut most, mut at) = (i64::MAX, i64::MIN, 0);
            for (word, places) in places.iter().enumerate() {
                let Some(&place) = places.get(next[word]) else { return false };
                most = most.max(place);
                if place < least {
                    (least, at) = (place, word);
                }
            }
            if most - least <= i64::from(self.slop) {
                return true;
            }
            next[at] += 1;
        }
    }
}

/// Whether a token of `text` is the word, or begins with it.
fn is_word(token: &Token<'_>, text: &str, word: &Word, prefix: bool) -> bool {
    if token.cut {
        let whole = lower(&text[token.start..token.end]);
        return if prefix { whole.starts_with(&word.text) } else { whole == word.text };
    }
    if prefix { token.text.starts_with(&word.text) } else { token.text == word.text }
}

/// Whether a word of the text passes, given in lower case and whole.
pub(super) fn any_word(text: &str, mut test: impl FnMut(&str) -> bool) -> bool {
    any_token(text, |token| if token.cut { test(&lower(&text[token.start..token.end])) } else { test(token.text) })
}

fn any_token(text: &str, mut test: impl FnMut(&Token<'_>) -> bool) -> bool {
    let mut tokens = Tokens::new(text);
    while let Some(token) = tokens.next() {
        if test(&token) {
            return true;
        }
    }
    false
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Tokens of the index that are this long may be the beginning of a longer word.
pub(super) const TOKEN_CUT_MIN: usize = TOKEN_BYTES_MAX - 8;
