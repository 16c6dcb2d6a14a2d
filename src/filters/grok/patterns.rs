//! The patterns of a `grok`: read from its options, compiled, with what is wrong told at its place in the config.

use super::{Matcher, Place};
use crate::config::{Options, place_in};
use logship_parsers::{
    config::{Diagnostic, FieldRef, ast, typed},
    grok::{self, FieldNames, Grok, Library},
};
use std::{fs, io::Read as _, path::Path};

/// The largest file of patterns.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// How many steps of matching stand for a millisecond.
const STEPS_PER_MILLISECOND: u64 = 100_000;
/// The longest `timeout_millis`; what asks for more, or for no limit, gets this.
const TIMEOUT_MILLIS_MAX: u64 = 30_000;

/// The fields of `match` with their patterns. `None` where there are none.
pub(super) fn matchers(options: &mut Options<'_>) -> Option<Vec<Matcher>> {
    let library = library(options);
    let compiling = compiling(options);
    let target = options.field("target");
    let overwrite = options.each("overwrite", typed::field);
    let pairs = options.required("match", pairs)?;
    let mut matchers = Vec::new();
    for (source, patterns) in &pairs {
        match matcher(source, typed::list(patterns), (&library, compiling), (target.as_ref(), &overwrite)) {
            Ok(matcher) => matchers.push(matcher),
            Err(wrong) => options.report(wrong),
        }
    }
    Some(matchers)
}

/// `{ "field" => "pattern" }` or `[ "field", "pattern" ]`.
fn pairs(value: &ast::Value) -> typed::Read<Vec<(ast::Value, ast::Value)>> {
    match &value.kind {
        ast::ValueKind::Array(items) if items.len() >= 2 && items.len().is_multiple_of(2) => {
            Ok(items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
        }
        _ => {
            let entries = typed::hash(value)?;
            Ok(entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect())
        }
    }
}

fn compiling(options: &mut Options<'_>) -> grok::Options {
    let mut compiling =
        grok::Options { named_captures_only: options.flag("named_captures_only", true), ..grok::Options::default() };
    if let Some(millis) = options.get("timeout_millis", typed::integer) {
        let asked = u64::try_from(millis).ok().filter(|millis| *millis > 0).unwrap_or(TIMEOUT_MILLIS_MAX);
        compiling.steps_max = asked.min(TIMEOUT_MILLIS_MAX) * STEPS_PER_MILLISECOND;
    }
    compiling
}

fn library(options: &mut Options<'_>) -> Library {
    let names = if options.ecs().is_on() { FieldNames::Ecs } else { FieldNames::Legacy };
    let mut library = Library::standard(names);
    let glob = options.text("patterns_files_glob").unwrap_or_else(|| "*".to_owned());
    let read = options.each("patterns_dir", |value| {
        let folder = typed::text(value)?;
        files(Path::new(folder), &glob)
            .map_err(|cause| Diagnostic::error(value.span.0, format!("patterns of `{folder}` cannot be read: {cause}")))
    });
    read.iter().flatten().for_each(|text| library.define_file(text));
    let owned = |value: &ast::Value| typed::text(value).map(str::to_owned);
    for (name, definition) in options.pairs("pattern_definitions", owned, owned) {
        library.define(name, definition);
    }
    library
}

/// The texts of the files of a folder, or of the one file.
fn files(folder: &Path, glob: &str) -> std::io::Result<Vec<String>> {
    if fs::metadata(folder)?.is_file() {
        return Ok(vec![text_of(folder)?]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_meant(glob, &entry.file_name().to_string_lossy()) && entry.path().is_file() {
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

/// Whether a name is one that `*` and `?` mean.
fn is_meant(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<char>, Vec<char>) = (glob.chars().collect(), name.chars().collect());
    let (mut g, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut retry = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g, n));
                g += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (g, n) = (g + 1, n + 1),
            _ => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (g, n) = (star + 1, from + 1);
            }
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

fn matcher(
    source: &ast::Value,
    patterns: &[ast::Value],
    (library, compiling): (&Library, grok::Options),
    (target, overwrite): (Option<&FieldRef>, &[FieldRef]),
) -> typed::Read<Matcher> {
    let source = typed::field(source)?;
    let texts = patterns.iter().map(typed::text).collect::<Result<Vec<_>, _>>()?;
    let grok = Grok::compile(&texts, library, compiling).map_err(|wrong| {
        // Which pattern it is comes from the patterns themselves.
        let value = &patterns[wrong.pattern.min(patterns.len() - 1)];
        let error = Diagnostic::error(place_in(value, wrong.span), wrong.message);
        match wrong.suggestions.as_slice() {
            [] => error,
            names => error.help(format!("did you mean {}?", names.join(" or "))),
        }
    })?;
    let mut places = Vec::with_capacity(grok.fields().len());
    for field in grok.fields() {
        let place = FieldRef::parse(&field.name).map_err(|wrong| {
            let by = texts.iter().position(|text| text.contains(&*field.name)).unwrap_or(0);
            let message = format!("`{}` is no name of a field: {}", field.name, wrong.message);
            let at = texts[by].find(&*field.name).map_or(0..texts[by].len(), |at| at..at + field.name.len());
            Diagnostic::error(place_in(&patterns[by], at), message)
        })?;
        let overwrites = overwrite.contains(&place);
        let field_ref = match target {
            None => place,
            Some(target) => FieldRef { parts: target.parts.iter().chain(&place.parts).cloned().collect() },
        };
        places.push(Place { overwrites, field: field_ref, kind: field.kind });
    }
    Ok(Matcher { source, grok, places })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_mean_names() {
        let check =
            |glob: &str, name: &str, expected: bool| assert_eq!(is_meant(glob, name), expected, "{glob} {name}");
        check("*", "any", true);
        check("*.grok", "a.grok", true);
        check("*.grok", "a.grok~", false);
        check("a?c*", "abcd", true);
        check("a*b*c", "aXbYbZc", true);
        check("a", "", false);
    }
}
