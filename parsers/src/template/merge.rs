//! Joins templates that differ in words where values stand: `login of ann`, `login of bob` -> `login of *`.
//!
//! In the manner of Drain's tree: only templates of as many tokens with the same first token are compared, and they are
//! one pattern when most of their words are the same. Unlike Drain, all templates are there when patterns are asked for,
//! so a place is a value only if it takes several words: `session opened` and `session closed` stay two patterns.
//!
//! # Promises
//! Bounded by [`TEMPLATES_MAX`], [`TEXT_BYTES_MAX`] and [`COMPARED_MAX`]. The same templates and counts give the same
//! patterns, in whatever order they came.

use super::masked;
use crate::time::{MONTHS_SHORT, WEEKDAYS_SHORT};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most templates that are told apart; messages of further ones are counted together.
pub const TEMPLATES_MAX: usize = 10_000;
/// Longest text of a template that is kept.
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Most patterns of one length and first token that a template is compared with.
pub const COMPARED_MAX: usize = 256;

/// As many different words in a place make it a value. Fewer are a choice of words: opened, closed.
const WORDS_OF_VALUE: usize = 4;

/// Templates with their counts.
#[derive(Debug, Default)]
pub struct Templates {
    known: HashMap<u64, Template>,
    other: u64,
}

#[derive(Debug)]
struct Template {
    text: String,
    count: u64,
}

/// Messages of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The id of its most frequent template.
    pub id: u64,
    /// Its text, `*` where values stand.
    pub text: String,
    /// How many messages there were.
    pub count: u64,
}

/// Patterns, the most frequent first.
#[derive(Debug, Default)]
pub struct Patterns {
    /// The patterns.
    pub patterns: Vec<Pattern>,
    /// Messages beyond [`TEMPLATES_MAX`] templates.
    pub other: u64,
    of: HashMap<u64, usize>,
}

impl Patterns {
    /// The pattern that a template became part of; none where it was one too many.
    #[must_use]
    pub fn of(&self, id: u64) -> Option<&Pattern> {
        self.patterns.get(*self.of.get(&id)?)
    }
}

impl Templates {
    /// Counts a message by its template's id. The message is looked at only when the id is new.
    pub fn add(&mut self, id: u64, message: &str) {
        if let Some(template) = self.known.get_mut(&id) {
            template.count += 1;
        } else if self.known.len() < TEMPLATES_MAX {
            let mut text = masked(message);
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            self.known.insert(id, Template { text, count: 1 });
        } else {
            self.other += 1;
        }
    }

    /// The patterns of what was counted.
    #[must_use]
    pub fn merged(&self) -> Patterns {
        let mut alike: BTreeMap<(usize, &str), Vec<Member<'_>>> = BTreeMap::new();
        for (&id, template) in &self.known {
            let tokens: Vec<&str> = template.text.split(' ').collect();
            let first = tokens.first().map_or("", |first| if first.contains('*') { "*" } else { first });
            alike.entry((tokens.len(), first)).or_default().push(Member { id, count: template.count, tokens });
        }
        let mut merged: Vec<(Pattern, Vec<u64>)> = Vec::new();
        for mut members in alike.into_values() {
            members.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.tokens.cmp(&b.tokens)).then(a.id.cmp(&b.id)));
            for cluster in clusters(members) {
                split(cluster.members, &mut vec![false; cluster.tokens.len()], &mut merged);
            }
        }
        merged.sort_by(|(a, _), (b, _)| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
        let of = merged.iter().enumerate().flat_map(|(at, (_, ids))| ids.iter().map(move |id| (*id, at))).collect();
        Patterns { patterns: merged.into_iter().map(|(pattern, _)| pattern).collect(), other: self.other, of }
    }
}

struct Member<'t> {
    id: u64,
    count: u64,
    tokens: Vec<&'t str>,
}

/// Templates alike, and what is the same in all of them.
struct Cluster<'t> {
    members: Vec<Member<'t>>,
    /// `*` where members differ.
    tokens: Vec<&'t str>,
}

/// Puts each member with those it is most like. All have as many tokens.
fn clusters(members: Vec<Member<'_>>) -> Vec<Cluster<'_>> {
    let mut clusters: Vec<Cluster<'_>> = Vec::new();
    for member in members {
        let mut best: Option<(usize, &mut Cluster<'_>)> = None;
        for cluster in clusters.iter_mut().take(COMPARED_MAX) {
            if let Some(same) = alike(&cluster.tokens, &member.tokens)
                && best.as_ref().is_none_or(|(most, _)| same > *most)
            {
                best = Some((same, cluster));
            }
        }
        let Some((_, cluster)) = best else {
            clusters.push(Cluster { tokens: member.tokens.clone(), members: vec![member] });
            continue;
        };
        for (known, token) in cluster.tokens.iter_mut().zip(&member.tokens) {
            if known != token {
                *known = "*";
            }
        }
        cluster.members.push(member);
    }
    clusters
}

/// How many words two token lists share, where that is most of their words. Masks say nothing about likeness.
fn alike(pattern: &[&str], tokens: &[&str]) -> Option<usize> {
    let (mut same, mut differing) = (0, 0);
    for (ours, theirs) in pattern.iter().zip(tokens) {
        if ours == theirs {
            same += usize::from(*ours != "*");
        } else if *ours != "*" && *theirs != "*" && !(is_date_or_truth(ours) && is_date_or_truth(theirs)) {
            differing += 1;
        }
    }
    (same > 0 && same > differing).then_some(same)
}

/// Takes a cluster apart where members differ in a choice of words, and adds what remains as patterns. `values` says
/// which places are known to hold values.
fn split(members: Vec<Member<'_>>, values: &mut [bool], merged: &mut Vec<(Pattern, Vec<u64>)>) {
    let mut choice: Option<(usize, usize)> = None;
    for (place, is_value) in values.iter_mut().enumerate() {
        if *is_value {
            continue;
        }
        let words: BTreeSet<&str> = members.iter().map(|member| member.tokens[place]).collect();
        let named = words.len() > 1 && words.iter().any(|word| word.contains('*'));
        let all = |is: fn(&str) -> bool| words.len() > 1 && words.iter().all(|word| is(word));
        *is_value = words.len() >= WORDS_OF_VALUE || named || all(is_name) || all(is_date_or_truth);
        if !*is_value && words.len() > 1 && choice.is_none_or(|(fewest, _)| words.len() < fewest) {
            choice = Some((words.len(), place));
        }
    }
    let Some((_, place)) = choice else {
        merged.extend(joined(&members, values));
        return;
    };
    let mut parts: BTreeMap<&str, Vec<Member<'_>>> = BTreeMap::new();
    for member in members {
        parts.entry(member.tokens[place]).or_default().push(member);
    }
    for part in parts.into_values() {
        split(part, &mut values.to_vec(), merged);
    }
}

/// Whether a token is a name rather than a word: something stands between its letters.
fn is_name(token: &str) -> bool {
    let inside = token.trim_matches(|c: char| !c.is_alphanumeric());
    inside.bytes().any(|byte| matches!(byte, b'.' | b'_' | b'-' | b'$' | b'/' | b'\\' | b'@'))
}

/// Months, weekdays and truth values: never a choice of words.
fn is_date_or_truth(token: &str) -> bool {
    let word = token.trim_matches(|c: char| !c.is_alphanumeric());
    [&MONTHS_SHORT[..], &WEEKDAYS_SHORT, &["true", "false", "null"]].iter().any(|words| words.contains(&word))
}

fn joined(members: &[Member<'_>], values: &[bool]) -> Option<(Pattern, Vec<u64>)> {
    let first = members.iter().max_by_key(|member| (member.count, std::cmp::Reverse(&member.tokens)))?;
    let mut text = String::new();
    for (place, token) in first.tokens.iter().enumerate() {
        if place > 0 {
            text.push(' ');
        }
        let same = members.iter().all(|member| member.tokens[place] == *token);
        text.push_str(if same || !values[place] { token } else { "*" });
    }
    let count = members.iter().map(|member| member.count).sum();
    Some((Pattern { id: first.id, text, count }, members.iter().map(|member| member.id).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::id;

    fn merged<'m>(messages: impl IntoIterator<Item = &'m str>) -> Patterns {
        let mut templates = Templates::default();
        messages.into_iter().for_each(|message| templates.add(id(message), message));
        templates.merged()
    }

    fn check(messages: &[&str], expected: &[(u64, &str)]) {
        let mut turned = messages.to_vec();
        for _ in 0..messages.len() {
            turned.rotate_left(1);
            let patterns = merged(turned.iter().copied());
            let found: Vec<_> = patterns.patterns.iter().map(|found| (found.count, found.text.as_str())).collect();
            assert_eq!(found, expected);
            for message in messages {
                assert!(patterns.of(id(message)).is_some(), "{message}");
            }
        }
    }

    #[test]
    fn words_in_the_place_of_a_value_are_one_pattern() {
        check(
            &["login of ann from 1.2.3.4", "login of bob from 1.2.3.5", "login of cy from x", "login of di from x"],
            &[(4, "login of * from *")],
        );
        check(&["load of a.B done", "load of c.D done"], &[(2, "load of * done")]);
        check(&["port 22 is open", "port ssh is open"], &[(2, "port * is open")]);
    }

    #[test]
    fn a_choice_of_words_is_no_value() {
        check(
            &["session opened for user ann", "session closed for user ann"],
            &[(1, "session closed for user ann"), (1, "session opened for user ann")],
        );
        let users = ["ann", "bob", "cy", "di"];
        let lines: Vec<String> = ["opened", "closed"]
            .iter()
            .flat_map(|verb| users.iter().map(move |user| format!("session {verb} for user {user}")))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        check(&lines, &[(4, "session closed for user *"), (4, "session opened for user *")]);
    }

    #[test]
    fn templates_of_another_length_or_first_token_stay_apart() {
        check(&["a b c", "a b c d", "x b c"], &[(1, "a b c"), (1, "a b c d"), (1, "x b c")]);
    }

    #[test]
    fn what_is_too_much_is_counted_together() {
        let word = |mut n: usize| {
            std::iter::from_fn(|| {
                let letter = char::from(b'a' + (n % 26) as u8);
                n /= 26;
                Some(letter)
            })
            .take(4)
            .collect::<String>()
        };
        let lines: Vec<String> = (0..TEMPLATES_MAX + 5).map(word).collect();
        let patterns = merged(lines.iter().map(String::as_str));
        assert_eq!((patterns.patterns.len(), patterns.other), (TEMPLATES_MAX, 5));
        assert_eq!(patterns.of(id(&lines[TEMPLATES_MAX])), None);
        let long = merged([format!("long {}", "é".repeat(TEXT_BYTES_MAX)).as_str()]);
        assert!(long.patterns[0].text.len() <= TEXT_BYTES_MAX);
        assert_eq!(merged([]).patterns, []);
    }
}
