//! `file { path => "/var/log/*.log" }`: lines of files that grow, or with `mode => "read"` of files that are there whole.
//!
//! In `tail` mode files are followed as an agent follows them (`crate::inputs::files`): rotated, truncated, replaced, compressed.
//! Positions are in the pipeline's log, so that no crash loses or doubles a line on its way into it. `sincedb_path` has them,
//! too: where it names no file they are forgotten, as with `/dev/null` at each start, and of files that the log does not know
//! it says how far they were read. In `read` mode each file is read once from its beginning, compressed ones too, and then
//! treated as `file_completed_action` says; which ones were read is in `sincedb_path`, or beside the log.

mod sincedb;
mod whole;

use super::{Entrance, InputError, InputKind, Source};
use crate::{
    config::{Options, paths::PatternError},
    flow::{Origin, Stop},
    inputs::files::{self, FileInput, glob::Globs},
    log::SourceTable,
};
use logship_parsers::config::{Diagnostic, FieldRef, ast::ValueKind, typed};
use sincedb::Sincedb;
use std::time::Duration;

pub(super) const KIND: InputKind = InputKind {
    name: "file",
    summary: "Lines of files, while they grow or as they are",
    options: &[
        "check_archive_validity",
        "close_older",
        "delimiter",
        "discover_interval",
        "exclude",
        "exit_after_read",
        "file_chunk_count",
        "file_chunk_size",
        "file_completed_action",
        "file_completed_log_path",
        "file_sort_by",
        "file_sort_direction",
        "ignore_older",
        "max_open_files",
        "mode",
        "path",
        "sincedb_clean_after",
        "sincedb_path",
        "sincedb_write_interval",
        "start_position",
        "stat_interval",
    ],
    codec: "plain",
    needs_log: true,
    path: Some("[log][file][path]"),
    host: Some("[host][name]"),
    build,
};

/// The `sincedb_path` that remembers nothing.
const FORGETTING: &str = "/dev/null";
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
/// How often the sincedb is written.
const SINCEDB_WRITTEN_EVERY: Duration = Duration::from_secs(15);
/// How often files that are read whole are looked for: `stat_interval` and `discover_interval` of Logstash together.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Whether the log is still there is asked so often.
const ALIVE_EVERY: Duration = Duration::from_secs(3_600);

/// Files that grow.
struct Tail {
    settings: files::Settings,
    globs: Globs,
    forgets: bool,
    sincedb: Option<Sincedb>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let place = options.place();
    let owned = |value: &logship_parsers::config::ast::Value| typed::text(value).map(str::to_owned);
    let is_given = options.is_given("path");
    let paths = options.each("path", |value| {
        let path = owned(value)?;
        let wrong = |what: &str| Err(Diagnostic::error(value.span.0, format!("`{path}` {what}")));
        match path.starts_with('/') {
            true => Ok(path),
            false => wrong("is no absolute path: an input must not depend on where it is started"),
        }
    });
    if !is_given {
        options.report(
            Diagnostic::error(place, "`file` needs the option `path`").help("add `path => \"/var/log/*.log\"`"),
        );
    }
    let exclude = options.each("exclude", owned);
    let globs = Globs::new(&paths, &exclude).map_err(|wrong: PatternError| {
        options.report(Diagnostic::error(place, wrong.to_string()));
    });
    unused(options);
    if let Some(wrong) = wrong_codec(options) {
        options.report(wrong);
    }
    let ignore_older = options.get("ignore_older", |value| typed::duration(value, SECOND));
    let sincedb = options.get("sincedb_path", sincedb::path);
    let written = options.or("sincedb_write_interval", |value| typed::duration(value, SECOND), SINCEDB_WRITTEN_EVERY);
    let kept = options.or("sincedb_clean_after", |value| typed::duration(value, DAY), 14 * DAY);
    let is_read = options.get("mode", |value| typed::choice(value, &["read", "tail"]).map(|mode| mode == "read"));
    let start = options.get("start_position", |value| typed::choice(value, &["beginning", "end"]).map(str::to_owned));
    let whole = whole::Completed::read(options);
    let every = options.get("discover_interval", typed::integer).and_then(|count| u32::try_from(count).ok());
    let stat = options.get("stat_interval", |value| typed::duration(value, SECOND)).unwrap_or(SECOND);
    let delimiter = delimiter(options);
    let globs = globs.ok()?;
    if is_read.unwrap_or_default() {
        let every = every.map_or(LOOK_EVERY, |count| stat * count.max(1));
        let path = if options.ecs().is_on() { &["log", "file", "path"][..] } else { &["path"] };
        let path = FieldRef { parts: path.iter().map(|part| (*part).to_owned()).collect() };
        return Some(Box::new(whole::Whole::new(
            (globs, path, delimiter.filter(|end| end != b"\n")),
            sincedb,
            whole?,
            ignore_older,
            every,
        )));
    }
    let &[line_end] = delimiter.as_deref().unwrap_or(b"\n") else {
        let place = options.value("delimiter").map_or(place, |value| value.span.0);
        let error = Diagnostic::error(place, "lines of files that grow end with one byte");
        options.report(error.help("give one, or read files that are there whole: `mode => \"read\"`"));
        return None;
    };
    let forgets = sincedb.as_ref().is_some_and(|path| path.as_os_str() == FORGETTING);
    let settings = files::Settings {
        from_end: start.is_none_or(|start| start == "end"),
        ignore_older,
        alone: Some(line_end),
        ..files::Settings::default()
    };
    let sincedb = sincedb.filter(|_| !forgets).map(|path| Sincedb::new(path, written, kept));
    Some(Box::new(Tail { settings, globs, forgets, sincedb }))
}

/// Codecs that would need the beginning of a file again after a restart.
fn wrong_codec(options: &Options<'_>) -> Option<Diagnostic> {
    let ValueKind::Plugin(codec) = &options.value("codec")?.kind else {
        let value = options.value("codec").filter(|value| value.as_str() == Some("gzip_lines"))?;
        return Some(inflates(value.span.0));
    };
    match codec.name.text.as_str() {
        "gzip_lines" => Some(inflates(codec.name.span.0)),
        "csv" => {
            let detects = codec.options().into_iter().find(|option| option.name.text == "autodetect_column_names")?;
            let place = detects.value.span.0;
            let error =
                Diagnostic::error(place, "the names of columns stand at the beginning of a file, which is read once");
            typed::boolean(&detects.value).unwrap_or_default().then(|| error.help("name them: `columns => [...]`"))
        }
        _ => None,
    }
}

fn inflates(place: logship_parsers::config::Span) -> Diagnostic {
    Diagnostic::error(place, "`file` inflates compressed files itself").help("leave the codec out")
}

/// Options that mean nothing here: their types are checked.
fn unused(options: &mut Options<'_>) {
    _ = options.get("close_older", |value| typed::duration(value, SECOND));
    for name in ["file_chunk_count", "file_chunk_size", "max_open_files"] {
        _ = options.get(name, typed::integer);
    }
}

/// What lines end with.
fn delimiter(options: &mut Options<'_>) -> Option<Vec<u8>> {
    let (place, text) =
        options.value("delimiter").and_then(|value| Some((value.span.0, value.as_str()?.to_owned())))?;
    match text.as_str() {
        "" => {
            options.report(Diagnostic::error(place, "a `delimiter` has at least one character"));
            None
        }
        // What ends with it may have the other before it.
        "\n" | "\r\n" => Some(b"\n".to_vec()),
        "\\n" | "\\r\\n" => {
            let warning = Diagnostic::warning(place, "this is a backslash and a letter, and is taken for a line end");
            options.report(warning.help("leave the option out, or set `config.support_escapes`"));
            Some(b"\n".to_vec())
        }
        text => Some(text.as_bytes().to_vec()),
    }
}

impl Source for Tail {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Some(log) = entrance.log() else {
            return Err(std::io::Error::other("its positions are in the log: leave --queue.type memory out").into());
        };
        let Tail { mut settings, mut globs, forgets, mut sincedb } = *self;
        settings.origin = Origin { input: entrance.name().to_owned(), ..Origin::default() };
        let own = log.known.only(&files::prefix(entrance.name()));
        let known = match &mut sincedb {
            // A table without files: all of them are new.
            None if forgets => SourceTable::default(),
            // What other patterns meant says nothing of how these begin.
            None if !own.iter().any(|(_, state)| state.file.as_ref().is_some_and(|file| globs.covers(&file.path))) => {
                SourceTable::default()
            }
            None => own,
            Some(sincedb) => sincedb.known(entrance.name(), own, &mut globs),
        };
        let input = FileInput::start(settings, globs, &known, log.intake)?;
        let mut pause = if sincedb.is_some() { SECOND } else { ALIVE_EVERY };
        while !stop.wait(pause) {
            if let Some(sincedb) = &mut sincedb {
                input.status(|status| sincedb.write(status));
                pause = sincedb.every.max(SECOND);
            }
        }
        let status = input.stop();
        if let Some(sincedb) = &mut sincedb {
            sincedb.write(&status);
        }
        Ok(())
    }
}
