//! Discovery: which files the patterns of an input mean, now.
//!
//! - A pattern ([`crate::config::paths`]) means regular files. One that names a folder (`/var/log`, `/srv/*/logs/`) means all files
//!   below it but hidden ones and those that are known to be no text ([`FOLDER_SKIPS`]).
//! - An exclude takes a file, or a folder with everything below it; one without a slash is a name anywhere (`*.gz`).
//! - Links to files and folders are followed. A file that several paths lead to is found once, by the path of the first
//!   pattern that means it, then the one with the fewest folders (`/var/log/containers/POD.log` rather than
//!   `/var/log/pods/../0.log`: it names the pod), then one without a link on its way, then the first in the alphabet.
//! - What cannot be read is said once ([`Walked::skipped`]), and again after it had healed. Whether a file can be *opened* is
//!   for the reader of the file to say.
//!
//! A walk lists only folders in which a wildcard has to be matched, and each folder once for each wildcard. Limits:
//! [`FILES_MAX`], [`FOLDERS_MAX`], [`DEPTH_MAX`], [`SKIPPED_MAX`].

use super::tree::{Entry, FileTree, Kind, Stat};
use crate::config::paths::{Part, Pattern, PatternError};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt, io,
    path::Path,
};

/// Most files found; those beyond are counted.
pub const FILES_MAX: usize = 100_000;
/// Most folders looked into by one walk; those beyond are counted with the files.
pub const FOLDERS_MAX: usize = 100_000;
/// Deepest folder below the part of a pattern that has no wildcard.
pub const DEPTH_MAX: usize = 32;
/// Most problems remembered, so that each is said once; those beyond are counted only.
pub const SKIPPED_MAX: usize = 1000;
/// What a folder given as a pattern does not mean: compressed files (the rotated ones of a log are searched by who reads the
/// log), the journal, the login records and what editors leave behind. A pattern with wildcards means these too.
pub const FOLDER_SKIPS: &[&str] = &[
    "*.{gz,zst,xz,bz2,lz4,zip,tar,tgz}",
    "*.journal",
    "*.journal~",
    "{wtmp,btmp,lastlog,faillog,tallylog}{,.*,-*}",
    "*.{db,sqlite,sqlite3,pid,lock,swp,tmp}",
    "*~",
];

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it was found; absolute, links not resolved.
    pub path: String,
    /// What was known about it.
    pub stat: Stat,
    /// Which of the include patterns means it.
    pub pattern: usize,
}

/// Why something that a pattern means is not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It is no regular file.
    NotAFile(Kind),
    /// The operating system does not let us look at it.
    Unreadable(String),
    /// A link that leads nowhere.
    Dangling,
    /// A link to a folder above itself.
    Loop,
    /// More than [`DEPTH_MAX`] folders deep.
    Deep,
    /// Its name is no UTF-8.
    Name,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NotAFile(Kind::Folder) => {
                out.write_str("a folder with a name like a log file: end the pattern with `/` to mean what is in it")
            }
            Reason::NotAFile(Kind::Fifo) => out.write_str("a named pipe, not a file: read it with `logship < PIPE`"),
            Reason::NotAFile(Kind::Socket) => out.write_str("a socket, not a file"),
            Reason::NotAFile(_) => out.write_str("a device, not a file"),
            Reason::Unreadable(cause) => write!(out, "cannot be looked at: {cause}"),
            Reason::Dangling => out.write_str("a link that leads nowhere"),
            Reason::Loop => out.write_str("a link to a folder above itself, not followed again"),
            Reason::Deep => write!(out, "more than {DEPTH_MAX} folders deep"),
            Reason::Name => out.write_str("its name is not UTF-8: rename it"),
        }
    }
}

/// Something that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Skipped {
    /// Its path; what is not UTF-8 in it is replaced.
    pub path: String,
    /// Why.
    pub reason: Reason,
}

/// What a walk has to say besides what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Problems that the walk before did not have.
    pub skipped: Vec<Skipped>,
    /// All problems there are.
    pub problems: usize,
    /// Files and folders beyond [`FILES_MAX`] and [`FOLDERS_MAX`].
    pub beyond: usize,
}

/// The patterns of an input.
#[derive(Debug)]
pub struct Globs {
    include: Vec<Include>,
    exclude: Vec<Pattern>,
    folder_skips: Vec<Pattern>,
    /// Problems said already.
    said: HashSet<Skipped>,
    watched: Vec<String>,
}

#[derive(Debug)]
struct Include {
    choices: Vec<Pattern>,
}

impl Globs {
    /// Patterns, relative ones from the working directory on.
    ///
    /// # Errors
    /// One cannot be understood; the message shows where.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Globs, PatternError> {
        // Without a working directory (it was deleted) relative patterns begin at the root.
        let folder = std::env::current_dir().unwrap_or_default();
        Globs::below(&folder.to_string_lossy(), include, exclude)
    }

    /// Patterns, relative ones from `folder` on.
    ///
    /// # Errors
    /// One cannot be understood; the message shows where.
    pub fn below(folder: &str, include: &[String], exclude: &[String]) -> Result<Globs, PatternError> {
        let include = include.iter().map(|text| Ok(Include { choices: Pattern::parse(text, folder)? }));
        let mut globs = Globs {
            include: include.collect::<Result<_, _>>()?,
            exclude: Vec::new(),
            folder_skips: Vec::new(),
            said: HashSet::new(),
            watched: Vec::new(),
        };
        for text in exclude {
            globs.exclude.extend(Pattern::parse_exclude(text, folder)?);
        }
        for text in FOLDER_SKIPS {
            globs.folder_skips.extend(Pattern::parse_exclude(text, folder)?);
        }
        Ok(globs)
    }

    /// Replaces `found` by the files there are now, sorted by path.
    pub fn walk(&mut self, files: &dyn FileTree, found: &mut Vec<Found>) -> Walked {
        found.clear();
        let mut walk = Walk::new(files, &self.exclude, &self.folder_skips, found);
        for (number, include) in self.include.iter().enumerate() {
            walk.number = number;
            for choice in &include.choices {
                walk.pattern(choice);
            }
        }
        let Walk { beyond, problems, more_problems, mut watched, .. } = walk;
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        watched.sort_unstable();
        watched.dedup();
        self.watched = watched;
        let mut skipped: Vec<_> = problems.difference(&self.said).cloned().collect();
        skipped.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let walked = Walked { skipped, problems: problems.len() + more_problems, beyond };
        self.said = problems;
        walked
    }

    /// Whether a pattern means the file of this path, or a folder above it.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let means =
            |above: &str| self.include.iter().flat_map(|include| &include.choices).any(|one| one.excludes(above));
        Path::new(path).ancestors().filter_map(Path::to_str).any(means)
    }

    /// The folders in which files may appear, as the last walk saw them: those it listed, those of files given by name, and
    /// for what does not exist yet the folder in which it is missing.
    #[must_use]
    pub fn watch_roots(&self) -> &[String] {
        &self.watched
    }
}

/// A folder to look into for the part of a pattern at an index.
#[derive(Debug)]
struct Folder {
    path: String,
    part: usize,
    /// Folders below the last that the pattern names without a wildcard.
    depth: usize,
    /// A link led here.
    linked: bool,
    /// Where this folder is in `Walk::above`.
    place: usize,
}

/// A folder on the way, for finding loops.
#[derive(Debug, Clone, Copy)]
struct Above {
    id: (u64, u64),
    part: usize,
    above: Option<usize>,
}

/// One walk over all patterns.
struct Walk<'w> {
    files: &'w dyn FileTree,
    exclude: &'w [Pattern],
    folder_skips: &'w [Pattern],
    found: &'w mut Vec<Found>,
    /// Which pattern this is about.
    number: usize,
    /// Place in `found`, and whether a link led there, by device and inode.
    known: HashMap<(u64, u64), (usize, bool)>,
    folders: usize,
    beyond: usize,
    problems: HashSet<Skipped>,
    /// Those for which there was no room.
    more_problems: usize,
    watched: Vec<String>,
    /// Of one pattern: breadth first, so that the path with the fewest folders comes first.
    queue: VecDeque<Folder>,
    visited: HashSet<(u64, u64, usize)>,
    above: Vec<Above>,
    entries: Vec<Entry>,
}

impl<'w> Walk<'w> {
    fn new(
        files: &'w dyn FileTree,
        exclude: &'w [Pattern],
        folder_skips: &'w [Pattern],
        found: &'w mut Vec<Found>,
    ) -> Walk<'w> {
        Walk {
            files,
            exclude,
            folder_skips,
            found,
            number: 0,
            known: HashMap::new(),
            folders: 0,
            beyond: 0,
            problems: HashSet::new(),
            more_problems: 0,
            watched: Vec::new(),
            queue: VecDeque::new(),
            visited: HashSet::new(),
            above: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        self.visited.clear();
        self.above.clear();
        match self.files.stat(Path::new("/")) {
            Ok(root) => {
                self.above.push(Above { id: (root.device, root.inode), part: 0, above: None });
                self.visited.insert((root.device, root.inode, 0));
                self.queue.push_back(Folder { path: "/".to_owned(), part: 0, depth: 0, linked: false, place: 0 });
            }
            Err(cause) => self.skip("/", Reason::Unreadable(cause.to_string())),
        }
        while let Some(folder) = self.queue.pop_front() {
            match pattern.parts.get(folder.part) {
                Some(Part::Literal(name)) => self.named(pattern, &folder, name),
                _ => self.list(pattern, &folder),
            }
        }
    }

    /// The one entry that a part without wildcards means.
    fn named(&mut self, pattern: &Pattern, folder: &Folder, name: &str) {
        let path = join(&folder.path, name);
        let last = is_last(pattern, folder.part);
        if self.excluded(&path) {
            return;
        }
        match self.files.stat(Path::new(&path)) {
            Ok(stat) if stat.kind == Kind::Folder && (!last || pattern.is_literal()) => {
                let depth = if folder.depth == 0 { 0 } else { folder.depth + 1 };
                self.enter(folder, path, folder.part + 1, depth, false, &stat);
            }
            Ok(stat) if last => {
                self.watched.push(folder.path.clone());
                // Its name was written, so a link is as good as the file.
                self.file(path, &stat, folder.linked);
            }
            Ok(_) => self.watched.push(folder.path.clone()),
            Err(cause) => {
                self.watched.push(folder.path.clone());
                if !is_missing(&cause) {
                    self.skip(&path, Reason::Unreadable(cause.to_string()));
                }
            }
        }
    }

    /// Every entry that a part with wildcards means. `**` looks for the part behind it in the same listing.
    fn list(&mut self, pattern: &Pattern, folder: &Folder) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        self.watched.push(folder.path.clone());
        if let Err(cause) = self.files.list(Path::new(&folder.path), &mut entries)
            && !is_missing(&cause)
        {
            self.skip(&folder.path, Reason::Unreadable(cause.to_string()));
        }
        let mut below = Vec::new();
        for entry in &entries {
            let part = pattern.parts.get(folder.part).unwrap_or(&Part::Folders);
            let Some(name) = entry.name.to_str() else {
                let name = entry.name.to_string_lossy();
                let behind = pattern.parts.get(folder.part + 1).filter(|_| entry.kind != Kind::Folder).unwrap_or(part);
                if if *part == Part::Folders { behind } else { part }.fits(&name, false) {
                    self.skip(&join(&folder.path, &name), Reason::Name);
                }
                continue;
            };
            if *part != Part::Folders {
                if part.fits(name, false) {
                    self.entry(pattern, folder, (name, entry.kind), folder.part, &mut below);
                }
                continue;
            }
            // At the end of the pattern, or at its last `**`, every file counts; before, what fits the part behind.
            let behind = pattern.parts.get(folder.part + 1);
            let hidden = name.starts_with('.');
            if let Some(behind) = behind
                && behind.fits(name, false)
            {
                self.entry(pattern, folder, (name, entry.kind), folder.part + 1, &mut below);
            }
            if !hidden && matches!(entry.kind, Kind::Folder | Kind::Symlink) {
                self.below(folder, name, entry.kind, folder.part, &mut below);
            }
            if !hidden && behind.is_none() && entry.kind != Kind::Folder {
                self.last(pattern, folder, name, entry.kind);
            }
        }
        // Real folders first, so that a folder that a link leads to as well is walked by its own name.
        below.sort_unstable_by(|a: &(bool, String, usize, Stat), b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        for (linked, path, part, stat) in below {
            self.enter(folder, path, part, folder.depth + 1, linked, &stat);
        }
        self.entries = entries;
    }

    /// An entry whose name fits the part at an index.
    fn entry(&mut self, pattern: &Pattern, folder: &Folder, entry: (&str, Kind), part: usize, below: &mut Below) {
        let (name, kind) = entry;
        if is_last(pattern, part) {
            self.last(pattern, folder, name, kind);
        } else if matches!(kind, Kind::Folder | Kind::Symlink) {
            self.below(folder, name, kind, part + 1, below);
        }
    }

    /// A folder, or a link that may lead to one.
    fn below(&mut self, folder: &Folder, name: &str, kind: Kind, part: usize, below: &mut Below) {
        let path = join(&folder.path, name);
        if self.excluded(&path) {
            return;
        }
        match self.files.stat(Path::new(&path)) {
            Ok(stat) if stat.kind == Kind::Folder => below.push((kind == Kind::Symlink, path, part, stat)),
            Ok(_) => {}
            // Whether a dangling link meant a file or a folder, nobody knows; those that fit a name of files are said there.
            Err(cause) if is_missing(&cause) => {}
            Err(cause) => self.skip(&path, Reason::Unreadable(cause.to_string())),
        }
    }

    /// Something whose name fits the whole pattern.
    fn last(&mut self, pattern: &Pattern, folder: &Folder, name: &str, kind: Kind) {
        let path = join(&folder.path, name);
        let whole_folder = folder.part >= pattern.parts.len();
        if self.excluded(&path) || (whole_folder && self.folder_skips.iter().any(|skip| skip.excludes(&path))) {
            return;
        }
        let specific = pattern.parts.last().is_some_and(Part::is_specific) && !whole_folder;
        if !matches!(kind, Kind::File | Kind::Symlink) {
            // `*` means what is there; only a name that looks like a file's promises one.
            if specific {
                self.skip(&path, Reason::NotAFile(kind));
            }
            return;
        }
        match self.files.stat(Path::new(&path)) {
            Ok(stat) if stat.kind != Kind::File && !specific => {}
            Ok(stat) => self.file(path, &stat, folder.linked || kind == Kind::Symlink),
            Err(cause) if is_missing(&cause) && kind == Kind::Symlink => self.skip(&path, Reason::Dangling),
            // Deleted since the listing.
            Err(cause) if is_missing(&cause) => {}
            Err(cause) => self.skip(&path, Reason::Unreadable(cause.to_string())),
        }
    }

    fn file(&mut self, path: String, stat: &Stat, linked: bool) {
        if stat.kind != Kind::File {
            return self.skip(&path, Reason::NotAFile(stat.kind));
        }
        let fresh = Found { path, stat: *stat, pattern: self.number };
        let id = (stat.device, stat.inode);
        if let Some((place, known_linked)) = self.known.get_mut(&id) {
            let known = &mut self.found[*place];
            if rank(&fresh, linked) < rank(known, *known_linked) {
                *known = fresh;
                *known_linked = linked;
            }
        } else if self.found.len() < FILES_MAX {
            self.known.insert(id, (self.found.len(), linked));
            self.found.push(fresh);
        } else {
            self.beyond += 1;
        }
    }

    /// Goes on in a folder later, if it has not been walked for this part.
    fn enter(&mut self, from: &Folder, path: String, part: usize, depth: usize, linked: bool, stat: &Stat) {
        let id = (stat.device, stat.inode);
        if !self.visited.insert((id.0, id.1, part)) {
            if self.is_above(from.place, id, part) {
                self.skip(&path, Reason::Loop);
            }
            return;
        }
        if depth > DEPTH_MAX {
            return self.skip(&path, Reason::Deep);
        }
        if self.folders >= FOLDERS_MAX {
            self.beyond += 1;
            return;
        }
        self.folders += 1;
        self.above.push(Above { id, part, above: Some(from.place) });
        let place = self.above.len() - 1;
        self.queue.push_back(Folder { path, part, depth, linked: linked || from.linked, place });
    }

    fn is_above(&self, place: usize, id: (u64, u64), part: usize) -> bool {
        std::iter::successors(self.above.get(place), |above| self.above.get(above.above?))
            .any(|above| (above.id, above.part) == (id, part))
    }

    fn excluded(&self, path: &str) -> bool {
        self.exclude.iter().any(|exclude| exclude.excludes(path))
    }

    fn skip(&mut self, path: &str, reason: Reason) {
        if self.problems.len() < SKIPPED_MAX {
            self.problems.insert(Skipped { path: path.to_owned(), reason });
        } else {
            self.more_problems += 1;
        }
    }
}

/// Folders to enter: whether by a link, path, the part to go on with, what is known.
type Below = Vec<(bool, String, usize, Stat)>;

fn is_last(pattern: &Pattern, part: usize) -> bool {
    part + 1 == pattern.parts.len() && !pattern.folder
}

/// The least is the path by which a file is known.
fn rank(found: &Found, linked: bool) -> (usize, usize, bool, &str) {
    (found.pattern, found.path.bytes().filter(|byte| *byte == b'/').count(), linked, &found.path)
}

fn join(folder: &str, name: &str) -> String {
    let separator = if folder.ends_with('/') { "" } else { "/" };
    [folder, separator, name].concat()
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::files::tree::RealTree;
    use std::{
        fs,
        os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
        path::PathBuf,
    };

    /// Makes a tree from lines: `NAME` a file, `NAME/` a folder, `NAME -> TARGET` a link, `NAME |` a pipe, `NAME =` a socket.
    fn tree(lines: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for line in lines {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match rest.split_once(' ') {
                Some((_, target)) => symlink(target, path).unwrap(),
                None if rest == "|" => {
                    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
                }
                None if rest == "=" => drop(UnixListener::bind(path).unwrap()),
                None if name.ends_with('/') => fs::create_dir_all(path).unwrap(),
                None => fs::write(path, name).unwrap(),
            }
        }
        (dir, root)
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    /// The paths found and the problems, relative to the tree.
    fn look(globs: &mut Globs, root: &Path) -> (Vec<String>, Vec<String>) {
        let mut found = Vec::new();
        let walked = globs.walk(&RealTree, &mut found);
        let short = |path: &str| path.strip_prefix(root.to_str().unwrap()).unwrap().trim_start_matches('/').to_owned();
        let said = walked.skipped.iter().map(|skipped| {
            format!("{}: {}", short(&skipped.path), skipped.reason.to_string().split(':').next().unwrap())
        });
        (found.iter().map(|found| short(&found.path)).collect(), said.collect())
    }

    fn check(lines: &[&str], include: &[&str], exclude: &[&str], expected: &[&str], problems: &[&str]) {
        let (_dir, root) = tree(lines);
        let mut globs = Globs::below(root.to_str().unwrap(), &strings(include), &strings(exclude)).unwrap();
        let (found, said) = look(&mut globs, &root);
        assert_eq!(found, expected, "{include:?} but {exclude:?} in {lines:?}");
        assert_eq!(said, problems, "{include:?} but {exclude:?} in {lines:?}");
        assert_eq!(look(&mut globs, &root), (strings(expected), vec![]), "said again");
    }

    #[test]
    fn paths_are_covered_whether_they_are_there_or_not() {
        let globs = Globs::below("/w", &["/var/log/*.log".into(), "/srv/{a,b}/".into(), "x/**/y".into()], &[]).unwrap();
        let check = |path: &str, expected: bool| assert_eq!(globs.covers(path), expected, "{path}");
        check("/var/log/app.log", true);
        check("/var/log/app.log.1", false);
        check("/srv/b/c/d", true);
        check("/srv/c/d", false);
        check("/w/x/1/2/y", true);
    }

    #[test]
    fn files_are_found() {
        let lines = &["a.log", "b.log", "c.txt", ".h.log", "d/e.log", "d/f/g.log", "d/.i/j.log", "d/f/k.txt"];
        for (include, exclude, expected) in [
            (&["*.log"][..], &[][..], &["a.log", "b.log"][..]),
            (&[".*.log"], &[], &[".h.log"]),
            (&["a.log", "nothing.log", "no/thing.log", "c.txt/x.log"], &[], &["a.log"]),
            (&["**/*.log"], &[], &["a.log", "b.log", "d/e.log", "d/f/g.log"]),
            (&["**/g.log"], &[], &["d/f/g.log"]),
            (&["*/*.log"], &[], &["d/e.log"]),
            (&["d/**"], &[], &["d/e.log", "d/f/g.log", "d/f/k.txt"]),
            (&["d"], &["*.txt"], &["d/e.log", "d/f/g.log"]),
            (&["*/"], &["f"], &["d/e.log"]),
            (&["**/*.log"], &["d/f"], &["a.log", "b.log", "d/e.log"]),
            (&["**/*.log"], &["d/**"], &["a.log", "b.log"]),
            (&["**/*.log"], &["[ab].log", "e.*"], &["d/f/g.log"]),
            (&["{a,b,c}.{log,txt}"], &[], &["a.log", "b.log", "c.txt"]),
            (&["a.log", "*.log"], &[], &["a.log", "b.log"]),
        ] {
            check(lines, include, exclude, expected, &[]);
        }
    }

    #[test]
    fn a_folder_means_its_text() {
        let lines =
            &["syslog", "syslog.1", "syslog.2.gz", "wtmp", "btmp-2026", "app/x.log", "j/a.journal", "app/.x.swp"];
        check(lines, &["."], &[], &["app/x.log", "syslog", "syslog.1"], &[]);
        check(lines, &["**"], &["j"], &["app/x.log", "btmp-2026", "syslog", "syslog.1", "syslog.2.gz", "wtmp"], &[]);
    }

    #[test]
    fn what_is_no_file_is_said_once() {
        let lines = &["a.log", "b.log/", "b.log/c.log", "d.log |", "e.log =", "f.log -> gone", "g.log -> g.log", "z/"];
        check(
            lines,
            &["*.log"],
            &[],
            &["a.log"],
            &[
                "b.log: a folder with a name like a log file",
                "d.log: a named pipe, not a file",
                "e.log: a socket, not a file",
                "f.log: a link that leads nowhere",
                "g.log: cannot be looked at",
            ],
        );
        check(&["a", "b/c", "d |"], &["*"], &[], &["a"], &[]);
        check(&["a |", "b/"], &["a", "b"], &[], &[], &["a: a named pipe, not a file"]);
    }

    #[test]
    fn a_problem_that_comes_back_is_said_again() {
        let (_dir, root) = tree(&["a.log -> b"]);
        let mut globs = Globs::below(root.to_str().unwrap(), &strings(&["*.log"]), &[]).unwrap();
        let problem = (vec![], strings(&["a.log: a link that leads nowhere"]));
        assert_eq!(look(&mut globs, &root), problem);
        fs::write(root.join("b"), "").unwrap();
        assert_eq!(look(&mut globs, &root), (strings(&["a.log"]), vec![]));
        fs::remove_file(root.join("b")).unwrap();
        assert_eq!(look(&mut globs, &root), problem);
    }

    #[test]
    fn links_are_followed_and_loops_end() {
        let lines = &["a/x.log", "a/up -> ..", "a/self -> .", "b -> a", "c -> a/x.log"];
        let loops = &[
            "a/self: a link to a folder above itself, not followed again",
            "a/up: a link to a folder above itself, not followed again",
        ];
        check(lines, &["**/*.log"], &[], &["a/x.log"], loops);
        check(lines, &["b/*.log"], &[], &["b/x.log"], &[]);
        check(lines, &["*/*/*/*.log"], &[], &["a/self/self/x.log"], &[]);
        let many: Vec<_> = (0..12).flat_map(|from| (0..12).map(move |to| format!("{from}/{to} -> ../{to}"))).collect();
        let many: Vec<_> = many.iter().map(String::as_str).chain(["3/x.log"]).collect();
        let (_dir, root) = tree(&many);
        let mut globs = Globs::below(root.to_str().unwrap(), &strings(&["**/*.log"]), &[]).unwrap();
        assert_eq!(look(&mut globs, &root).0, ["3/x.log"]);
    }

    #[test]
    fn one_file_has_one_path() {
        let lines = &[
            "pods/ns_pod_uid/app/0.log",
            "containers/pod_ns_app-0123456789abcdef0123456789.log -> ../pods/ns_pod_uid/app/0.log",
        ];
        let container = "containers/pod_ns_app-0123456789abcdef0123456789.log";
        check(lines, &["**/*.log"], &[], &[container], &[]);
        check(lines, &["pods/*/*/*.log", "containers/*.log"], &[], &["pods/ns_pod_uid/app/0.log"], &[]);
        check(lines, &["**/*.log"], &["containers"], &["pods/ns_pod_uid/app/0.log"], &[]);
        let lines = &["app-2026.log", "app.log -> app-2026.log"];
        check(lines, &["*.log"], &[], &["app-2026.log"], &[]);
        check(lines, &["app.log"], &[], &["app.log"], &[]);
    }

    #[test]
    fn depth_and_names_are_limited() {
        let deep = |folders: usize| format!("{}x.log", "d/".repeat(folders));
        let (_dir, root) = tree(&[&deep(DEPTH_MAX), &deep(DEPTH_MAX + 2)]);
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff.log")), "").unwrap();
        fs::write(root.join(std::ffi::OsStr::from_bytes(b"\xff.txt")), "").unwrap();
        let mut globs = Globs::below(root.to_str().unwrap(), &strings(&["**/*.log"]), &[]).unwrap();
        let (found, said) = look(&mut globs, &root);
        assert_eq!(found, [deep(DEPTH_MAX)]);
        let too_deep = ["d"; DEPTH_MAX + 1].join("/");
        assert_eq!(
            said,
            [format!("{too_deep}: more than 32 folders deep"), "\u{fffd}.log: its name is not UTF-8".to_owned()]
        );
    }

    #[test]
    fn folders_to_watch() {
        let (_dir, root) = tree(&["a/x.log", "a/b/y.log", "c/"]);
        for (include, expected) in [
            ("a/*.log", &["a"][..]),
            ("a/x.log", &["a"]),
            ("a/**/*.log", &["a", "a/b"]),
            ("c/later/*.log", &["c"]),
            ("later/c/x.log", &[""]),
        ] {
            let mut globs = Globs::below(root.to_str().unwrap(), &strings(&[include]), &[]).unwrap();
            look(&mut globs, &root);
            let roots =
                globs.watch_roots().iter().map(|path| path[root.to_str().unwrap().len()..].trim_start_matches('/'));
            assert_eq!(roots.collect::<Vec<_>>(), expected, "{include}");
        }
    }

    /// A folder with more files than are found, and one that nobody may list.
    struct Huge;

    impl FileTree for Huge {
        fn list(&self, folder: &Path, into: &mut Vec<Entry>) -> io::Result<()> {
            if folder == Path::new("/closed") {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            let names = 0..FILES_MAX + 3;
            into.extend(names.map(|name| Entry { name: format!("{name}.log").into(), kind: Kind::File }));
            Ok(())
        }

        fn stat(&self, path: &Path) -> io::Result<Stat> {
            let number = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
            let kind = if number.is_some() { Kind::File } else { Kind::Folder };
            Ok(Stat { device: 1, inode: number.unwrap_or(u64::MAX), size: 0, modified_ns: 0, kind })
        }
    }

    #[test]
    fn files_beyond_the_limit_are_counted() {
        let mut globs = Globs::below("", &strings(&["/many/*.log", "/closed/*.log"]), &[]).unwrap();
        let mut found = Vec::new();
        let walked = globs.walk(&Huge, &mut found);
        assert_eq!((found.len(), walked.beyond, walked.problems), (FILES_MAX, 3, 1));
        assert_eq!(walked.skipped[0].path, "/closed");
        let error = Globs::new(&strings(&["/a/[b"]), &[]).unwrap_err().to_string();
        assert!(error.ends_with("  /a/[b\n     ^"), "{error}");
    }
}
