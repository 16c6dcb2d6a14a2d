//! The patterns of a `grok`: read from its options, compiled, with what is wrong told at its place in the config.

use super::{Matcher, Place};
use crate::config::{Options, grok_library, place_in, wrong_grok};
use logship_parsers::{
    config::{Diagnostic, FieldRef, ast, typed},
    grok::{self, Grok, Library},
};

/// How many steps of matching stand for a millisecond.
const STEPS_PER_MILLISECOND: u64 = 100_000;
/// The longest `timeout_millis`; what asks for more, or for no limit, gets this.
const TIMEOUT_MILLIS_MAX: u64 = 30_000;

/// The fields of `match` with their patterns. `None` where there are none.
pub(super) fn matchers(options: &mut Options<'_>) -> Option<Vec<Matcher>> {
    let library = grok_library(options);
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

fn matcher(
    source: &ast::Value,
    patterns: &[ast::Value],
    (library, compiling): (&Library, grok::Options),
    (target, overwrite): (Option<&FieldRef>, &[FieldRef]),
) -> typed::Read<Matcher> {
    let source = typed::field(source)?;
    let texts = patterns.iter().map(typed::text).collect::<Result<Vec<_>, _>>()?;
    let grok = Grok::compile(&texts, library, compiling).map_err(|wrong| wrong_grok(patterns, wrong))?;
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
