//! `environment { add_metadata_from_env => { "stage" => "STAGE" } }`: variables of the environment as fields.
//!
//! `add_field_from_env` sets fields, `add_metadata_from_env` fields of `@metadata`. The environment is read when the pipeline is
//! loaded; a variable that is not there sets nothing.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::{FieldRef, METADATA, ast, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "environment",
    summary: "Adds variables of the environment",
    options: &["add_field_from_env", "add_metadata_from_env"],
    build,
};

#[derive(Debug)]
struct Environment {
    fields: Vec<(FieldRef, String)>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let variable = |value: &ast::Value| typed::text(value).map(|name| std::env::var(name).ok());
    let mut fields = options.pairs("add_field_from_env", typed::field, variable);
    for (field, value) in options.pairs("add_metadata_from_env", typed::field, variable) {
        let parts = std::iter::once(METADATA.to_owned()).chain(field.parts).collect();
        fields.push((FieldRef { parts }, value));
    }
    let fields = fields.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
    Some(Box::new(Environment { fields }))
}

impl Filter for Environment {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        for (field, value) in &self.fields {
            // Where something else is in the way, it stays.
            _ = event.set(field, Value::from(value.as_str()));
        }
        Ok(Verdict::Matched)
    }
}
