//! `logship test FILE...`: cases for pipelines. Prints those that fail and how, and how many there are; `--update` writes what came
//! into the files.

use super::{
    Failure, is_read,
    pipelines::{EcsMode, Pipelines},
    say::say,
};
use crate::{
    config::Settings,
    pipeline::cases::{Cases, Paint, failure},
};
use clap::Args;
use logship_parsers::config::Options as Language;
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

/// The ending of files of cases.
const ENDING: &str = "test";

/// `logship test`
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Files of cases, or folders of files that end in .test
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Write what came into the files as what is expected
    #[arg(long)]
    pub update: bool,
    /// Which names fields have where a file does not say `ecs:` [default: v8]
    #[arg(long, value_enum, value_name = "MODE")]
    pub ecs: Option<EcsMode>,
}

/// How many cases there were.
#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
    updated: usize,
    broken: usize,
}

/// Runs the cases of files.
pub fn run(pipelines: &Pipelines, options: &Options) -> Result<(), Failure> {
    let language = Language {
        support_escapes: pipelines.support_escapes.unwrap_or_default(),
        variables: &|name| std::env::var(name).ok(),
    };
    let mode = options.ecs.or(pipelines.ecs).map(EcsMode::mode).unwrap_or_default();
    let settings = Settings { ecs: mode, ..Settings::default() };
    let paint = paint();
    let (mut count, mut text) = (Count::default(), String::new());
    for path in files(&options.files)? {
        match Cases::open(&path, &language, &settings) {
            Ok(cases) => one(&path, &cases, options.update, paint, &mut count, &mut text)?,
            Err(wrong) => {
                count.broken += 1;
                for wrong in wrong {
                    _ = super::say::Stderr.write(format!("{wrong}\n").as_bytes());
                }
            }
        }
    }
    text.push_str(&count.summary(paint));
    is_read(io::stdout().lock().write_all(text.as_bytes()))?;
    match count {
        Count { broken: 1.., .. } => Err(Failure::usage(String::new())),
        Count { failed: 1.., .. } => Err(Failure::failed(String::new())),
        _ => Ok(()),
    }
}

/// Colours are for terminals, and for those who want them.
pub fn paint() -> Paint {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Paint { is_on: io::stdout().is_terminal() && !is_unwanted }
}

/// The files, those of folders by their names.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |cause| Failure::usage(format!("cannot read {}: {cause}", path.display()));
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                found.push(path);
            }
        }
        if found.is_empty() {
            return Err(Failure::usage(format!("no file in {} ends in .{ENDING}", path.display())));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// Runs the cases of a file.
fn one(
    path: &Path,
    cases: &Cases,
    is_update: bool,
    paint: Paint,
    count: &mut Count,
    text: &mut String,
) -> Result<(), Failure> {
    let outcomes = cases.run();
    let failed = outcomes.iter().filter(|outcome| !outcome.is_good()).count();
    count.passed += outcomes.len() - failed;
    if is_update && failed > 0 {
        std::fs::write(path, cases.updated(&outcomes))
            .map_err(|cause| Failure::failed(format!("cannot write {}: {cause}", path.display())))?;
        say(format!("{}: {failed} updated", path.display()));
        count.updated += failed;
        return Ok(());
    }
    count.failed += failed;
    let failures = outcomes.iter().enumerate().filter_map(|(n, outcome)| failure(cases, n, outcome, paint));
    text.extend(failures);
    Ok(())
}

impl Count {
    fn summary(&self, paint: Paint) -> String {
        let mut parts = vec![paint.green(&format!("{} passed", self.passed))];
        let mut more = |number: usize, text: String| parts.extend((number > 0).then_some(text));
        more(self.failed, paint.red(&format!("{} failed", self.failed)));
        more(self.updated, paint.bold(&format!("{} updated", self.updated)));
        let files = if self.broken == 1 { "file" } else { "files" };
        more(self.broken, paint.red(&format!("{} {files} broken", self.broken)));
        format!("{}\n", parts.join(", "))
    }
}
