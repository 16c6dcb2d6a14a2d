//! What the records of a file share: what the user said, and what is known of the container that writes it.

use super::{Settings, stream::Stream};
use crate::{
    codecs::first_line::FirstLine,
    flow::{LogId, Origin},
    inputs::containers::Describe as _,
};
use std::{path::Path, sync::Arc};

/// The name of a content that nobody has read. What several inputs of one log read has different names.
pub(super) fn source(settings: &Settings) -> String {
    format!("{}{}", prefix(&settings.origin.input), LogId::random())
}

/// How the names of the contents begin that an input reads.
#[must_use]
pub fn prefix(input: &str) -> String {
    match input {
        "" | "file" => "file:".to_owned(),
        input => format!("file:{}:", input.chars().take(INPUT_CHARS_MAX).collect::<String>()),
    }
}

/// As much of an input's name is in the names of its contents.
const INPUT_CHARS_MAX: usize = 40;

/// Whether the owner of a container does not want its logs to be shipped.
pub(super) fn is_skipped(settings: &Settings, path: &Path) -> bool {
    settings.containers.describe(path).is_some_and(|container| container.skip)
}

/// What is known of who writes a file.
#[derive(Debug)]
pub(super) struct About {
    /// What its records share.
    pub(super) origin: Arc<Origin>,
    /// What tells where they begin, if that is not recognised.
    pub(super) first_line: Option<FirstLine>,
    /// Nothing more will be known.
    complete: bool,
}

/// What is known of who writes a file.
pub(super) fn of(settings: &Settings, source: &str, path: &Path) -> About {
    let text = path.to_string_lossy().into_owned();
    let mut origin = Origin { source: source.to_owned(), path: Some(text), ..settings.origin.clone() };
    if origin.input.is_empty() {
        "file".clone_into(&mut origin.input);
    }
    let Some(container) = settings.containers.describe(path) else {
        return About { origin: Arc::new(origin), first_line: None, complete: true };
    };
    // What the user said about all files counts less than what a container's owner said about it.
    origin.service = container.service.or(origin.service);
    origin.format = container.format.or(origin.format);
    origin.container = container.container;
    origin.fields.extend(container.fields);
    let first_line = container.first_line.and_then(|pattern| settings.first_lines.get(&pattern));
    About { origin: Arc::new(origin), first_line, complete: container.complete }
}

/// Asks again about a container of which not all was known; whether all is now.
pub(super) fn renew(settings: &Settings, stream: &mut Stream) -> bool {
    let path = stream.origin.path.clone().unwrap_or_default();
    let about = of(settings, &stream.source, Path::new(&path));
    let complete = about.complete;
    stream.renew(about);
    complete
}
