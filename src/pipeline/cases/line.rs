//! What a file of cases is made of: each thing with the bytes of its line, so that it can be written anew.

use logship_parsers::config::{FieldRef, Span};
use serde_json::{Map, Value as Json};

/// What goes into a pipeline.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// `>`: an event, as the fields of an object or as a message.
    Object(Map<String, Json>),
    Message(String),
    /// `>>`: what an input reads, for its codec.
    Record(String),
}

/// `<` or `<~`: an event that comes out.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) line: Span,
    pub(super) fields: Map<String, Json>,
    /// Whether it names only some of the fields.
    pub(super) is_partial: bool,
    pub(super) tags: Option<(Span, Vec<String>)>,
    pub(super) absent: Option<(Span, Vec<FieldRef>)>,
    pub(super) metadata: Option<(Span, Json)>,
}

/// One case.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    /// Its `===` line.
    pub(super) line: Span,
    pub(super) given: Vec<Given>,
    pub(super) expected: Vec<Expected>,
    /// `<<`: the text that the outputs write.
    pub(super) texts: Vec<(Span, String)>,
    /// `< none`
    pub(super) none: Option<Span>,
    /// The end of its last line that says something.
    pub(super) end: u32,
}

/// What stands above the cases.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// `config: PATH`, each with its place.
    pub(super) configs: Vec<(Span, String)>,
    /// `ecs: disabled`
    pub(super) ecs: Option<(Span, String)>,
    /// Where the cases begin.
    pub(super) end: usize,
}
