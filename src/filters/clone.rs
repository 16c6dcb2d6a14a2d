//! `clone { clones => ["copy"] }`: copies of the event go on behind it.
//!
//! Each copy has its name among its tags, or as its `type` with `ecs_compatibility => disabled`. Decorations are made on the
//! copies only.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Key, Value},
};
use logship_parsers::config::typed;

pub(super) const KIND: FilterKind =
    FilterKind { name: "clone", summary: "Makes copies of events", options: &["clones"], build };

#[derive(Debug)]
struct Clone {
    clones: Vec<String>,
    sets_type: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    options.required("clones", |_| Ok(()))?;
    let clones = options.each("clones", |value| typed::text(value).map(str::to_owned));
    Some(Box::new(Clone { clones, sets_type: !options.ecs().is_on() }))
}

impl Filter for Clone {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let copies = self.clones.iter().map(|name| {
            let mut copy = event.clone();
            match self.sets_type {
                true => _ = copy.fields.insert(Key::from("type"), Value::from(name.as_str())),
                false => copy.tag(name),
            }
            copy
        });
        Ok(Verdict::Also(copies.collect()))
    }
}
