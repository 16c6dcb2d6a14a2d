//! The contents that were read before: from the log's table of sources at the start, and those that have ended since.
//!
//! Limit: [`KNOWN_MAX`]; past it those seen longest ago are forgotten, and what is left of them would be read again.

use super::{identity, reader::Reader};
use crate::{flow::FileMark, log::SourceTable};
use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    io,
    path::{Path, PathBuf},
};

/// Contents that are remembered.
pub const KNOWN_MAX: usize = 100_000;
/// Of one name, contents that are looked for in rotated files after a start: the newest ones.
const SOUGHT_PER_NAME_MAX: usize = 4;

/// A content that was read up to a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its identity in the log.
    pub source: String,
    /// The name it had when its reading began.
    pub path: PathBuf,
    /// Read and durable up to here.
    pub end: u64,
    /// What it was like there.
    pub mark: FileMark,
    /// When, in ms since 1970.
    pub seen: i64,
}

impl Known {
    /// Whether this is what a file holds.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_in(&self, content: &mut Reader) -> io::Result<bool> {
        if self.end > 0 && content.is_undecided() {
            // So few bytes were read as text.
            content.finish();
        }
        identity::is_same(content, self.end, self.mark.prefix, self.mark.marker)
    }

    /// By which the newest is found, always the same one of those that were seen at the same time.
    fn age(&self) -> (i64, u64, &Path, u64, u64) {
        (self.seen, self.end, &self.path, self.mark.inode, self.mark.marker)
    }
}

/// All of them, found by inode and by folder.
#[derive(Debug, Default)]
pub struct KnownContents {
    all: HashMap<String, Known>,
    by_id: HashMap<(u64, u64), Vec<String>>,
    by_folder: HashMap<PathBuf, Vec<String>>,
}

impl KnownContents {
    /// What the table knows of files.
    #[must_use]
    pub fn of(table: &SourceTable) -> KnownContents {
        let mut known = KnownContents::default();
        for (source, state) in table.iter() {
            let Some(file) = &state.file else { continue };
            let (path, end) = (PathBuf::from(&file.path), state.positions.end());
            known.add(Known { source: source.to_owned(), path, end, mark: file.mark, seen: state.seen });
        }
        known
    }

    /// Remembers one.
    pub fn add(&mut self, known: Known) {
        if self.all.len() >= KNOWN_MAX
            && let Some(oldest) = self.all.values().min_by_key(|known| known.seen).map(|known| known.source.clone())
        {
            self.take(&oldest);
        }
        let id = (known.mark.device, known.mark.inode);
        self.by_id.entry(id).or_default().push(known.source.clone());
        self.by_folder.entry(folder_of(&known.path).to_owned()).or_default().push(known.source.clone());
        self.all.insert(known.source.clone(), known);
    }

    /// Takes one out, because somebody follows it again.
    pub fn take(&mut self, source: &str) -> Option<Known> {
        let known = self.all.remove(source)?;
        forget(&mut self.by_id, &(known.mark.device, known.mark.inode), source);
        forget(&mut self.by_folder, folder_of(&known.path), source);
        Some(known)
    }

    /// What this file may hold, best first: contents of this inode, then contents of files in the same folder whose names
    /// this one's begins with, as rotation names its copies.
    #[must_use]
    pub fn candidates(&self, path: &Path, id: (u64, u64)) -> Vec<Known> {
        let newest_first = |sources: Option<&Vec<String>>| {
            let mut found: Vec<&Known> =
                sources.into_iter().flatten().filter_map(|source| self.all.get(source)).collect();
            found.sort_by(|one, other| other.age().cmp(&one.age()));
            found
        };
        let mut found = newest_first(self.by_id.get(&id));
        let related = newest_first(self.by_folder.get(folder_of(path)));
        found.extend(related.into_iter().filter(|known| {
            known.end > 0 && (known.mark.device, known.mark.inode) != id && is_rotation_of(path, &known.path)
        }));
        found.into_iter().cloned().collect()
    }

    /// Contents whose rest may be in files that no pattern names: the newest of each name.
    #[must_use]
    pub fn sought(&self) -> Vec<Known> {
        let mut all: Vec<&Known> = self.all.values().collect();
        all.sort_by(|one, other| other.age().cmp(&one.age()));
        let mut count: HashMap<&Path, usize> = HashMap::new();
        all.retain(|known| {
            let count = count.entry(&known.path).or_default();
            *count += 1;
            *count <= SOUGHT_PER_NAME_MAX
        });
        all.into_iter().cloned().collect()
    }
}

fn forget<K, Q>(index: &mut HashMap<K, Vec<String>>, key: &Q, source: &str)
where
    K: Hash + Eq + Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    if let Some(sources) = index.get_mut(key) {
        sources.retain(|known| known != source);
        if sources.is_empty() {
            index.remove(key);
        }
    }
}

/// The folder of a file.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Whether a name is one that rotation gives to a file: in the same folder, and it begins with the file's name, or with
/// what that has before its extension (`app.log.1`, `app-20260101.log`); what follows is no part of a word.
///
/// ```
/// use logship::inputs::files::is_rotation_of;
/// use std::path::Path;
/// let rotated = |copy: &str| is_rotation_of(Path::new(copy), Path::new("/var/log/app.log"));
/// assert!(rotated("/var/log/app.log.1") && rotated("/var/log/app.log-20260101.gz") && rotated("/var/log/app-2.log"));
/// assert!(!rotated("/var/log/app.log") && !rotated("/var/log/app2.log") && !rotated("/var/log/web.log") && !rotated("/tmp/app.log.1"));
/// ```
#[must_use]
pub fn is_rotation_of(copy: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (copied, named) = (name(copy), name(original));
    let behind =
        copied.strip_prefix(stem(&named)).filter(|_| copied != named && folder_of(copy) == folder_of(original));
    behind.is_some_and(|behind| !behind.starts_with(char::is_alphanumeric))
}

fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// A path without what its name has from the last dot on.
#[must_use]
pub fn stem_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    folder_of(path).join(stem(&name))
}
