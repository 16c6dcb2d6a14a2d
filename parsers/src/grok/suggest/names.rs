//! Names of fields: by the key that stands before a value, else by what the value is.

use super::shape::Slot;
use super::token::Kind;

/// Words that say nothing of what follows them.
const EMPTY_WORDS: [&str; 15] =
    ["an", "and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "with"];
/// Units that tell what a number is.
const UNITS: [(&str, &str); 6] =
    [("ns", "duration"), ("us", "duration"), ("ms", "duration"), ("s", "duration"), ("bytes", "size"), ("kb", "size")];

/// Gives each field another name.
pub(super) struct Names {
    is_ecs: bool,
    used: Vec<String>,
}

impl Names {
    pub(super) fn new(is_ecs: bool) -> Names {
        Names { is_ecs, used: Vec::new() }
    }

    /// The name of a slot between those before and behind it.
    pub(super) fn of(&mut self, before: &[Slot], slot: &Slot, behind: &[Slot]) -> String {
        let name = match (self.known(before, slot), key(before, slot.kind)) {
            (Some(known), _) => known,
            (None, Some(key)) => key,
            (None, None) if behind.is_empty() && slot.kind == Kind::Any => "message".to_owned(),
            (None, None) => unit(slot.kind, behind).unwrap_or_else(|| by_kind(slot.kind).to_owned()),
        };
        self.unused(name)
    }

    /// What the schema calls it.
    fn known(&self, before: &[Slot], slot: &Slot) -> Option<String> {
        let used = |name: &str| self.used.iter().any(|used| used == name);
        let pick = |ecs: &str, flat: &str| Some(if self.is_ecs { ecs } else { flat }.to_owned());
        let colon = before.last().is_some_and(|slot| slot.text.as_deref() == Some(":"));
        match slot.kind {
            Kind::Timestamp(_) => pick("timestamp", "timestamp"),
            Kind::Level => pick("[log][level]", "level"),
            Kind::Method => pick("[http][request][method]", "verb"),
            Kind::Uri => pick("[url][original]", "url"),
            Kind::Ip if !used("[source][ip]") => pick("[source][ip]", "ip"),
            Kind::Ip => pick("[destination][ip]", "ip"),
            Kind::Int if colon && before.iter().rev().nth(1).is_some_and(|slot| slot.kind == Kind::Ip) => {
                match used("[destination][ip]") {
                    true => pick("[destination][port]", "port"),
                    false => pick("[source][port]", "port"),
                }
            }
            _ => None,
        }
    }

    fn unused(&mut self, name: String) -> String {
        let is_used = |name: &String| self.used.contains(name);
        let mut unused = name.clone();
        let mut number = 2;
        while is_used(&unused) {
            unused = match name.strip_suffix(']') {
                Some(inside) => format!("{inside}_{number}]"),
                None => format!("{name}_{number}"),
            };
            number += 1;
        }
        self.used.push(unused.clone());
        unused
    }
}

/// The word before a value: `key=`, `key: `, `key `.
fn key(before: &[Slot], kind: Kind) -> Option<String> {
    let mut slots = before.iter().rev().map(|slot| (slot.kind, slot.text.as_deref()));
    let mut next = slots.next()?;
    let mut is_key = false;
    while let (Kind::Separator, Some(text)) = next {
        match text {
            " " => {}
            "=" if !is_key => is_key = true,
            // What follows a colon up to the end is a message.
            ":" if !is_key && kind != Kind::Any => is_key = true,
            "\"" | "'" | "[" | "(" | "#" if !is_key => {}
            _ => return None,
        }
        next = slots.next()?;
    }
    let (Kind::Word | Kind::Path, Some(word)) = next else { return None };
    // A word before a word is a sentence.
    let names = is_key || !matches!(kind, Kind::Word | Kind::Text | Kind::Any);
    let name = word.to_ascii_lowercase();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !EMPTY_WORDS.contains(&name.as_str());
    (names && is_name).then_some(name)
}

/// What a number is by the unit behind it.
fn unit(kind: Kind, behind: &[Slot]) -> Option<String> {
    let mut texts = behind.iter().map(|slot| slot.text.as_deref());
    let unit = texts.find(|text| *text != Some(" "))??;
    let (unit, what) = UNITS.iter().find(|(known, _)| *known == unit)?;
    matches!(kind, Kind::Int | Kind::Number).then(|| format!("{what}_{unit}"))
}

fn by_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "id",
        Kind::Email => "email",
        Kind::Mac => "mac",
        Kind::Quoted => "quoted",
        Kind::Path => "path",
        Kind::Int | Kind::Number => "number",
        Kind::Word => "word",
        Kind::Text => "text",
        _ => "data",
    }
}
