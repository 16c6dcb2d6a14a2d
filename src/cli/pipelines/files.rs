//! The texts of a config: a file, the files of a folder, or those of a pattern (`conf.d/*.conf`, `**/*.conf`).

use super::Failure;
use crate::inputs::files::{glob::Globs, tree::RealTree};
use logship_parsers::config::{SOURCE_BYTES_MAX, Source};
use std::path::{Path, PathBuf};

/// The sources that a path means, in the order of their names.
pub(super) fn sources(path: &Path) -> Result<Vec<Source>, Failure> {
    files_of(path)?.iter().map(|path| source(path)).collect()
}

fn source(path: &Path) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let unreadable = |cause: &dyn std::fmt::Display| Failure::usage(format!("cannot read {name}: {cause}"));
    let length = std::fs::metadata(path).map_err(|cause| unreadable(&cause))?.len();
    if length > SOURCE_BYTES_MAX as u64 {
        return Err(unreadable(&format!("it is longer than {SOURCE_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|cause| unreadable(&cause))?;
    Ok(Source::new(name, text))
}

/// The files of a config, by their names.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = match path.to_str() {
        _ if path.is_dir() => of_folder(path)?,
        Some(text) if text.contains(['*', '?', '[', '{']) => of_pattern(text)?,
        _ => return Err(Failure::usage(format!("there is no file or folder {}", path.display()))),
    };
    // What editors leave behind is no config.
    found.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| !name.ends_with('~')));
    found.sort();
    match found.is_empty() {
        true => Err(Failure::usage(format!("there is no config in {}", path.display()))),
        false => Ok(found),
    }
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |cause| Failure::usage(format!("cannot read {}: {cause}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
        if !is_hidden && path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn of_pattern(text: &str) -> Result<Vec<PathBuf>, Failure> {
    let (mut globs, mut found) = (Globs::new(&[text.to_owned()], &[]).map_err(Failure::usage)?, Vec::new());
    globs.walk(&RealTree, &mut found);
    // Paths in messages are as the user writes them.
    let here = std::env::current_dir().unwrap_or_default();
    let shown = |path: &str| match Path::new(path).strip_prefix(&here) {
        Ok(inner) if !text.starts_with('/') => inner.to_owned(),
        _ => PathBuf::from(path),
    };
    Ok(found.iter().map(|found| shown(&found.path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_found_in_the_order_of_their_names() {
        let root = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "a.conf~", ".c.conf", "notes.txt", "deep/er/d.conf"] {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let check = |path: &str, expected: &[&str]| {
            let found = sources(&root.path().join(path)).map_err(|failure| failure.message);
            let texts = |found: Vec<Source>| found.into_iter().map(|source| source.text).collect::<Vec<_>>();
            assert_eq!(found.map(texts), Ok(expected.iter().map(|&name| name.to_owned()).collect()), "{path}");
        };
        check("a.conf", &["a.conf"]);
        check("", &["a.conf", "b.conf", "notes.txt"]);
        check("*.conf", &["a.conf", "b.conf"]);
        check("[a-b].c?nf", &["a.conf", "b.conf"]);
        check("{b,notes}.*", &["b.conf", "notes.txt"]);
        check("**/*.conf", &["a.conf", "b.conf", "deep/er/d.conf"]);
        check("deep/*/d.conf", &["deep/er/d.conf"]);
        assert!(sources(&root.path().join("x*")).is_err() && sources(&root.path().join("x")).is_err());
    }
}
