//! What filters need to be in a text so that they do anything, looked for at once for all filters that read the same field.
//!
//! It is no guess: a filter that is ruled out would have failed as its [`Needs::failure`] says, and changed nothing. What is
//! found holds until the text of the field is another.

use super::FilterError;
use crate::event::{
    Event, Value,
    places::{Names, Place, Places, Root},
};
use logship_parsers::{
    config::FieldRef,
    grok::{Candidates, PATTERNS_MIN, Prefilter},
};
use std::borrow::Cow;

/// So many filters have an event before their texts are looked for: of many that read a field, few may be reached.
const TRIES_MAX: u32 = 3;
/// The longest text that is searched: it is kept, to see whether it is still the same.
const SEARCHED_BYTES_MAX: usize = 16 << 10;

/// What a filter needs to do anything.
#[derive(Debug)]
pub struct Needs<'f> {
    /// The field it reads; one that is missing is an empty text to it.
    pub field: &'f FieldRef,
    /// Of each of its patterns the texts that this cannot do without. Where the field is a text and none of the patterns has
    /// all of its own in it, the filter changes nothing and fails.
    pub patterns: Vec<Vec<&'f str>>,
    /// How it fails then.
    pub failure: FilterError,
}

/// Which search is for a filter, and which of its users that filter is.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The number of the search.
    pub search: u32,
    /// The number of the filter among its users.
    pub user: u32,
}

/// What filters need in one field.
#[derive(Debug)]
struct Search {
    field: FieldRef,
    root: Root,
    prefilter: Prefilter,
}

/// What the filters of a program need.
#[derive(Debug, Default)]
pub struct Searches(Vec<Search>);

/// What was found in the text of a field.
#[derive(Debug, Default)]
struct Searched {
    /// The event that it was.
    begun: u64,
    /// The filters that came before the text was searched.
    tries: u32,
    /// As long as this is the one of the event, nothing has to be looked at.
    generation: u64,
    /// The text that was searched last.
    text: String,
    /// Whether that was of this event.
    is_kept: bool,
    /// Whether the field is a text that is searched; of others nothing is known.
    is_text: bool,
    candidates: Candidates,
}

/// What was found in the texts of the event in hand.
#[derive(Debug, Default)]
pub struct Found(Vec<Searched>);

impl Searches {
    /// For the filters of a program, by what each needs; and what each has of it. Few filters of one field get none.
    pub fn new(filters: &[Option<Needs<'_>>], names: &mut Names) -> (Searches, Vec<Option<Need>>) {
        let mut fields: Vec<(&FieldRef, Vec<usize>)> = Vec::new();
        for (filter, needs) in filters.iter().enumerate() {
            let Some(needs) = needs else { continue };
            match fields.iter_mut().find(|(field, _)| *field == needs.field) {
                Some((_, users)) => users.push(filter),
                None => fields.push((needs.field, vec![filter])),
            }
        }
        let (mut searches, mut of) = (Vec::new(), vec![None; filters.len()]);
        for (field, users) in fields {
            let patterns: Vec<_> =
                users.iter().filter_map(|filter| Some(&filters[*filter].as_ref()?.patterns)).collect();
            if patterns.iter().map(|patterns| patterns.len()).sum::<usize>() < PATTERNS_MIN {
                continue;
            }
            for (filter, user) in users.iter().zip(0..) {
                of[*filter] = u32::try_from(searches.len()).ok().map(|search| Need { search, user });
            }
            let prefilter = Prefilter::new(&patterns);
            searches.push(Search { field: field.clone(), root: names.number(field), prefilter });
        }
        (Searches(searches), of)
    }

    /// Whether a filter would do nothing but fail.
    #[inline]
    pub fn rule_out(
        &self,
        need: Need,
        event: &Event,
        (names, places): (&Names, &mut Places),
        found: &mut Found,
    ) -> bool {
        let Some(searched) = found.0.get_mut(need.search as usize) else {
            found.0.resize_with(self.0.len(), Searched::default);
            return false;
        };
        if searched.generation != places.generation() {
            let Some(search) = self.0.get(need.search as usize) else { return false };
            if !searched.tried(places) {
                return false;
            }
            search.look(event, (names, places), searched);
        }
        searched.is_text && !searched.candidates.contains(need.user as usize)
    }

    /// The users of a search that it does not rule out; `None` where that is not known.
    pub fn known<'f>(
        &self,
        search: usize,
        event: &Event,
        (names, places): (&Names, &mut Places),
        found: &'f mut Found,
    ) -> Option<&'f Candidates> {
        if found.0.len() < self.0.len() {
            found.0.resize_with(self.0.len(), Searched::default);
        }
        let searched = found.0.get_mut(search)?;
        if searched.generation != places.generation() {
            _ = searched.tried(places);
            searched.tries = TRIES_MAX;
            self.0.get(search)?.look(event, (names, places), searched);
        }
        searched.is_text.then_some(&searched.candidates)
    }
}

impl Searched {
    /// A filter is there that needs something in this text. Whether so many were that it is searched.
    fn tried(&mut self, places: &Places) -> bool {
        if self.begun != places.begun() {
            (self.begun, self.tries, self.is_kept) = (places.begun(), 0, false);
        }
        self.tries += 1;
        self.tries > TRIES_MAX
    }
}

impl Search {
    /// Finds out what is in the text that the field has now.
    #[inline(never)]
    fn look(&self, event: &Event, (names, places): (&Names, &mut Places), searched: &mut Searched) {
        searched.is_text = false;
        searched.generation = places.generation();
        let value = match places.find(self.root, names, event) {
            Place::Absent => None,
            Place::At(_) | Place::Unknown => event.get(&self.field),
        };
        let text = match &value {
            None => "",
            Some(Cow::Borrowed(Value::Str(text))) => text,
            Some(_) => return,
        };
        if text.len() > SEARCHED_BYTES_MAX || !self.prefilter.pays(text) {
            return;
        }
        searched.is_text = true;
        if searched.is_kept && searched.text == text {
            return;
        }
        self.prefilter.candidates(text, &mut searched.candidates);
        searched.is_kept = true;
        searched.text.clear();
        searched.text.push_str(text);
    }
}
