//! The patterns of `grok` that a plugin's options add to the standard ones.

use super::{Options, paths::Names, place_in};
use logship_parsers::{
    config::{Diagnostic, ast, typed},
    grok::{FieldNames, GrokError, Library},
};
use std::{fs, io::Read as _, path::Path};

/// The largest file of patterns.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The standard patterns, and those of `patterns_dir` and `pattern_definitions`.
pub fn grok_library(options: &mut Options<'_>) -> Library {
    let names = if options.ecs().is_on() { FieldNames::Ecs } else { FieldNames::Legacy };
    let mut library = Library::standard(names);
    let names = |value: &ast::Value| {
        Names::parse(typed::text(value)?).map_err(|wrong| Diagnostic::error(value.span.0, wrong.to_string()))
    };
    let names = options.get("patterns_files_glob", names);
    let read = options.each("patterns_dir", |value| {
        let folder = typed::text(value)?;
        grok_files(Path::new(folder), names.as_ref())
            .map_err(|cause| Diagnostic::error(value.span.0, format!("patterns of `{folder}` cannot be read: {cause}")))
    });
    read.iter().flatten().for_each(|text| library.define_file(text));
    let owned = |value: &ast::Value| typed::text(value).map(str::to_owned);
    for (name, definition) in options.pairs("pattern_definitions", owned, owned) {
        library.define(name, definition);
    }
    library
}

/// The texts of the files of patterns in a folder, or of the one file.
///
/// # Errors
/// One of them cannot be read, or is too long.
pub fn grok_files(folder: &Path, names: Option<&Names>) -> std::io::Result<Vec<String>> {
    if fs::metadata(folder)?.is_file() {
        return Ok(vec![text_of(folder)?]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_meant = match names {
            Some(names) => names.fit(&name.to_string_lossy()),
            None => !name.as_encoded_bytes().starts_with(b"."),
        };
        if is_meant && entry.path().is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    paths.iter().map(|path| text_of(path)).collect()
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// What is wrong with one of these patterns, at its place in the config.
#[must_use]
pub fn wrong_grok(patterns: &[ast::Value], wrong: GrokError) -> Diagnostic {
    // Which pattern it is comes from the patterns themselves.
    let Some(value) = patterns.get(wrong.pattern.min(patterns.len().saturating_sub(1))) else {
        return Diagnostic::error(logship_parsers::config::Span::default(), wrong.message);
    };
    let error = Diagnostic::error(place_in(value, wrong.span), wrong.message);
    match wrong.suggestions.as_slice() {
        [] => error,
        names => error.help(format!("did you mean {}?", names.join(" or "))),
    }
}
