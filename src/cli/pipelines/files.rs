//! The texts of a config: a file, the files of a folder, or those of a pattern.

use super::Failure;
use crate::config::paths::Names;
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
    let unreadable = |cause| Failure::usage(format!("cannot read {}: {cause}", path.display()));
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let folder = if path.is_dir() { Some((path, None)) } else { None };
    let pattern = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains(['*', '?', '[', '{']));
    let parent = path.parent().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    let Some((folder, pattern)) = folder.or_else(|| Some((parent?, Some(pattern?)))) else {
        return Err(Failure::usage(format!("there is no file or folder {}", path.display())));
    };
    let names = pattern.map(Names::parse).transpose().map_err(Failure::usage)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_wanted = match names {
            Some(ref names) => names.fit(name),
            // What editors leave behind is no config.
            None => !name.starts_with('.') && !name.ends_with('~'),
        };
        if is_wanted && path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(Failure::usage(format!("there is no config in {}", path.display()))),
        false => Ok(found),
    }
}
