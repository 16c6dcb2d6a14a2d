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

/// Most words of a phrase whose words may be apart.
pub const SLOP_WORDS_MAX: usize = 64;

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
        /// What every match has of words.
        words: Vec<WordPart>,
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

/// What a wildcard pattern tells of a word in its matches: the characters between two separators, two wildcards, or one
/// of each. ASCII in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WordPart {
    /// What the word has.
    pub(super) text: String,
    /// Whether the word begins with it.
    pub(super) begins: bool,
    /// Whether the word ends with it.
    pub(super) ends: bool,
}

impl WordPart {
    /// The beginnings of the words of the index that may agree: under ignored case any `s` may be `ſ`.
    pub(super) fn beginnings(&self) -> Vec<String> {
        if !self.begins {
            return vec![String::new()];
        }
        let long = self.text.match_indices('s').map(|(at, _)| format!("{}ſ", &self.text[..at]));
        std::iter::once(self.text.clone()).chain(long).collect()
    }

    /// Whether a word of the index agrees. What is not ASCII may under ignored case: `ſ` is an `s`.
    pub(super) fn agrees(&self, word: &str) -> bool {
        if !word.is_ascii() {
            return true;
        }
        match (self.begins, self.ends) {
            (true, true) => word == self.text,
            (true, false) => word.starts_with(&self.text),
            (false, true) => word.ends_with(&self.text),
            (false, false) => word.contains(&self.text),
        }
    }
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
            Text::Phrase { text, slop, prefix } => {
                let words = Sequence::new(text, *slop, *prefix);
                if *slop > 0 && words.words.len() > SLOP_WORDS_MAX {
                    return Err(QueryFailure::Invalid(format!(
                        "a phrase with `~` has {} words, more than the {SLOP_WORDS_MAX} allowed; leave out `~{slop}`",
                        words.words.len()
                    )));
                }
                TextTest::Phrase(words)
            }
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
        Ok(TextTest::Across { regex, words: word_parts(pattern) })
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

/// What a pattern tells of words, rarest form first: what lies between separators or the pattern's own ends is whole.
fn word_parts(pattern: &Pattern) -> Vec<WordPart> {
    let mut found = Vec::new();
    for (at, part) in pattern.0.iter().enumerate() {
        let PatternPart::Literal(text) = part else { continue };
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            if !token.part && !token.cut && token.text.is_ascii() {
                let begins = token.start > 0 || at == 0;
                let ends = token.end < text.len() || at + 1 == pattern.0.len();
                found.push(WordPart { text: token.text.to_owned(), begins, ends });
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

    /// Walks over the text once, with the numbers of the words at which a match may stand.
    fn found_consecutive(&self, text: &str) -> bool {
        let (mut reached, mut here): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut position = 0;
        let mut tokens = Tokens::new(text);
        while let Some(token) = tokens.next() {
            if token.position != position {
                std::mem::swap(&mut reached, &mut here);
                here.clear();
                position = token.position;
            }
            for at in reached.iter().map(|at| at + 1).chain([0]) {
                if self.is_at(&token, text, at) && !(token.part && here.contains(&at)) {
                    if at + 1 == self.words.len() {
                        return true;
                    }
                    here.push(at);
                }
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
