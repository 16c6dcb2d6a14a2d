//! What lines have in common.

use super::names::Names;
use super::token::{Kind, Token};
use std::fmt::Write as _;

/// How much it is worth to take two pieces as one.
const SAME_TEXT: u32 = 5;
const SAME_KIND: u32 = 3;
const BOTH_WORDS: u32 = 1;
/// So many words that differ, one behind the other, are a message.
const MESSAGE_WORDS: usize = 3;

/// A place of all lines: a text that is the same in all, or what there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) kind: Kind,
    /// The text, where it is the same in all lines.
    pub(super) text: Option<String>,
}

/// What all lines are.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    slots: Vec<Slot>,
}

impl Shape {
    /// That of one line.
    pub(super) fn of(tokens: Vec<Token<'_>>) -> Shape {
        let slot = |token: Token<'_>| Slot {
            kind: token.kind,
            text: (token.kind != Kind::Any).then(|| token.text.to_owned()),
        };
        Shape { slots: tokens.into_iter().map(slot).collect() }
    }

    /// That of one more line.
    pub(super) fn merged(&self, tokens: &[Token<'_>]) -> Shape {
        let (rows, columns) = (self.slots.len(), tokens.len());
        // What the best alignment of all behind is worth.
        let mut worth = vec![vec![0_u32; columns + 1]; rows + 1];
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                let both = match score(&self.slots[row], &tokens[column]) {
                    0 => 0,
                    score => score + worth[row + 1][column + 1],
                };
                worth[row][column] = both.max(worth[row + 1][column]).max(worth[row][column + 1]);
            }
        }
        let (mut row, mut column, mut slots) = (0, 0, Vec::<Slot>::new());
        let any = |slots: &mut Vec<Slot>| {
            if slots.last().is_none_or(|slot| slot.kind != Kind::Any) {
                slots.push(Slot { kind: Kind::Any, text: None });
            }
        };
        while row < rows && column < columns {
            let score = score(&self.slots[row], &tokens[column]);
            if score > 0 && worth[row][column] == score + worth[row + 1][column + 1] {
                match joined(&self.slots[row], &tokens[column]) {
                    Slot { kind: Kind::Any, .. } => any(&mut slots),
                    slot => slots.push(slot),
                }
                (row, column) = (row + 1, column + 1);
                continue;
            }
            any(&mut slots);
            if worth[row][column] == worth[row + 1][column] { row += 1 } else { column += 1 }
        }
        if row < rows || column < columns {
            any(&mut slots);
        }
        Shape { slots }
    }

    /// With words that differ put together where they are a message.
    pub(super) fn tidied(self) -> Shape {
        let is_loose = |slot: &Slot| slot.text.is_none() && matches!(slot.kind, Kind::Word | Kind::Text | Kind::Any);
        let is_blank = |slot: &Slot| slot.text.as_deref() == Some(" ");
        let mut slots: Vec<Slot> = Vec::with_capacity(self.slots.len());
        let mut at = 0;
        while at < self.slots.len() {
            let run = self.slots[at..].iter().take_while(|slot| is_loose(slot) || is_blank(slot)).count();
            let run = &self.slots[at..at + run];
            let words = run.iter().filter(|slot| is_loose(slot)).count();
            let from = run.iter().position(is_loose).unwrap_or_default();
            let to = run.iter().rposition(is_loose).unwrap_or_default();
            if words >= MESSAGE_WORDS || words > 1 && run.iter().any(|slot| slot.kind == Kind::Any) {
                slots.extend_from_slice(&run[..from]);
                slots.push(Slot { kind: Kind::Any, text: None });
                slots.extend_from_slice(&run[to + 1..]);
                at += run.len();
            } else {
                slots.extend_from_slice(&self.slots[at..at + run.len().max(1)]);
                at += run.len().max(1);
            }
        }
        Shape { slots }
    }

    /// The pattern.
    pub(super) fn pattern(&self, is_ecs: bool) -> String {
        let mut names = Names::new(is_ecs);
        let mut out = String::from("^");
        let last = self.slots.len().saturating_sub(1);
        for (n, slot) in self.slots.iter().enumerate() {
            if let Some(text) = &slot.text {
                escape(&mut out, text);
                continue;
            }
            let name = names.of(&self.slots[..n], slot, &self.slots[n + 1..]);
            let (pattern, kind) = match slot.kind {
                Kind::Timestamp(pattern) => (pattern, ""),
                Kind::Uuid => ("UUID", ""),
                Kind::Email => ("EMAILADDRESS", ""),
                Kind::Uri => ("URI", ""),
                Kind::Mac => ("MAC", ""),
                Kind::Ip => ("IP", ""),
                Kind::Quoted => ("QS", ""),
                Kind::Path => ("URIPATHPARAM", ""),
                Kind::Level => ("LOGLEVEL", ""),
                Kind::Int => ("INT", ":int"),
                Kind::Number => ("NUMBER", ":float"),
                Kind::Word | Kind::Method => ("WORD", ""),
                Kind::Text => ("NOTSPACE", ""),
                Kind::Any | Kind::Separator if n == last => ("GREEDYDATA", ""),
                Kind::Any | Kind::Separator => ("DATA", ""),
            };
            _ = write!(out, "%{{{pattern}:{name}{kind}}}");
        }
        out.push('$');
        out
    }
}

/// Appends a text as an expression that matches it.
fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        if "\\.[](){}^$*+?|".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// What it is worth to take both as one; 0 where they are not.
fn score(slot: &Slot, token: &Token<'_>) -> u32 {
    let is_word = |kind| !matches!(kind, Kind::Separator | Kind::Any | Kind::Quoted | Kind::Timestamp(_));
    match (slot.kind, token.kind) {
        (Kind::Separator, Kind::Separator) if slot.text.as_deref() == Some(token.text) => SAME_KIND,
        (Kind::Separator, _) | (_, Kind::Separator) => 0,
        (one, other) if slot.text.as_deref() == Some(token.text) && one == other => SAME_TEXT,
        (Kind::Int, Kind::Number) | (Kind::Number, Kind::Int) => SAME_KIND,
        (one, other) if one == other => SAME_KIND,
        (one, other) if is_word(one) && is_word(other) => BOTH_WORDS,
        _ => 0,
    }
}

/// What both are.
fn joined(slot: &Slot, token: &Token<'_>) -> Slot {
    let kind = match (slot.kind, token.kind) {
        (one, other) if one == other => one,
        (Kind::Int, Kind::Number) | (Kind::Number, Kind::Int) => Kind::Number,
        (Kind::Level | Kind::Method | Kind::Word, Kind::Level | Kind::Method | Kind::Word) => Kind::Word,
        (Kind::Any, _) | (_, Kind::Any) => Kind::Any,
        _ => Kind::Text,
    };
    let text = slot.text.as_ref().filter(|text| *text == token.text && slot.kind == token.kind).cloned();
    Slot { kind, text }
}
