//! Where fields of an event are, for a program that asks for many: names get numbers once ([`Names`]), and all fields of an
//! event are looked up in one pass when enough were asked for ([`Places`]). Most of the fields that a long config asks for are
//! in no event; that costs a comparison of two numbers then.

use super::{Event, Map, TIMESTAMP};
use logship_parsers::config::{FieldRef, METADATA};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// So often a field is looked for where it is before all are looked up: a short config asks for fewer.
const SCANS_MAX: u32 = 4;

/// The number of a name at the top of an event, or of its metadata. Fields below it share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(u32);

impl Root {
    /// What has no number: the time of an event, its metadata as a whole, or more than one field.
    pub const NONE: Root = Root(u32::MAX);

    /// The number, counted from 0.
    #[must_use]
    pub fn number(self) -> Option<u32> {
        (self != Root::NONE).then_some(self.0)
    }
}

type Numbers = HashMap<Box<str>, u32, BuildHasherDefault<Words>>;

/// The names that a program asks for.
#[derive(Debug, Default)]
pub struct Names {
    fields: Numbers,
    meta: Numbers,
}

impl Names {
    /// The number of the name that a reference begins with; a new one where it has none yet.
    pub fn number(&mut self, field: &FieldRef) -> Root {
        let next = u32::try_from(self.len()).unwrap_or(Root::NONE.0);
        let (numbers, name) = match field.parts.as_slice() {
            [only] if only == TIMESTAMP || only == METADATA => return Root::NONE,
            [first, name, ..] if first == METADATA => (&mut self.meta, name),
            [name, ..] => (&mut self.fields, name),
            [] => return Root::NONE,
        };
        Root(*numbers.entry(name.as_str().into()).or_insert(next))
    }

    fn len(&self) -> usize {
        self.fields.len() + self.meta.len()
    }
}

/// What is known of where a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has to be looked for.
    Unknown,
    /// It is not there, nor anything below it.
    Absent,
    /// It is the one of this number at the top of the event or of its metadata.
    At(usize),
}

/// Where the fields of the event in hand are. What changes the event says so by [`Places::changed`]; until then what is known
/// holds.
#[derive(Debug, Default)]
pub struct Places {
    /// The generation in which this event began.
    begun: u64,
    /// Goes up whenever the event may have changed, so that all that was known before is forgotten.
    generation: u64,
    /// The generation that the places are of.
    known: u64,
    scans: u32,
    /// The generation in which a name was there, and where.
    places: Vec<(u64, u32)>,
    /// The numbers of the names that are there.
    present: Vec<u32>,
}

impl Places {
    /// The event is another, and comes to another program perhaps.
    pub fn begin(&mut self) {
        self.changed();
        self.begun = self.generation;
    }

    /// A number that is the same only as long as it is one event in one program, with those that are made of it there.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// The event is another, or may have been changed.
    #[inline]
    pub fn changed(&mut self) {
        self.generation += 1;
        self.scans = 0;
    }

    /// A number that is the same only as long as the event is.
    #[must_use]
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where a field of this event is.
    #[must_use]
    #[inline]
    pub fn find(&mut self, root: Root, names: &Names, event: &Event) -> Place {
        if self.known != self.generation {
            if self.scans < SCANS_MAX {
                self.scans += 1;
                return Place::Unknown;
            }
            self.look_up(names, event);
        }
        match self.places.get(root.0 as usize) {
            None => Place::Unknown,
            Some((generation, at)) if *generation == self.generation => Place::At(*at as usize),
            Some(_) => Place::Absent,
        }
    }

    /// The numbers of all names that this event has.
    #[must_use]
    pub fn present(&mut self, names: &Names, event: &Event) -> &[u32] {
        if self.known != self.generation {
            self.look_up(names, event);
        }
        &self.present
    }

    #[cold]
    fn look_up(&mut self, names: &Names, event: &Event) {
        self.places.resize(names.len(), (0, 0));
        self.present.clear();
        self.note(&names.fields, &event.fields);
        self.note(&names.meta, &event.meta);
        self.known = self.generation;
    }

    fn note(&mut self, numbers: &Numbers, map: &Map) {
        if numbers.is_empty() {
            return;
        }
        for ((name, _), at) in map.iter().zip(0..) {
            let Some(number) = numbers.get(name.as_str()) else { continue };
            if let Some(place) = self.places.get_mut(*number as usize) {
                *place = (self.generation, at);
                self.present.push(*number);
            }
        }
    }
}

/// A hash of a few operations for each eight bytes; the names that are in the map are the config's, and no sender's.
#[derive(Clone, Copy, Debug, Default)]
struct Words(u64);

impl Hasher for Words {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        self.add(rest.iter().fold(rest.len() as u64, |word, byte| word << 8 | u64::from(*byte)));
    }

    #[inline]
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Words {
    #[inline]
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.0 ^= self.0 >> 32;
    }
}
