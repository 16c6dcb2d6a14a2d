//! A bell that rings when files change, so that lines are read at once and not at the next poll.
//!
//! It only says where to look ([`Changes`]); who is told looks for itself, and looks without being told from time to time:
//! file systems such as NFS announce nothing, and what happens before a folder is watched is not announced either. So a
//! watcher never fails: where the system cannot announce changes (no inotify, its limits reached), it says so once
//! ([`Watcher::take_problem`]), and polling is all there is.
//!
//! Costs: one thread that sleeps until something changes, and at most a twentieth of a processor when much does
//! (`COALESCED`). Limits: [`WATCHED_MAX`], [`CHANGED_MAX`].

use crate::clock;
use notify::{ErrorKind, EventKind, RecursiveMode, Watcher as _, event::ModifyKind, event::RenameMode};
use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Most folders watched; in those beyond, changes are found by polling.
pub const WATCHED_MAX: usize = 1024;
/// Most changed paths kept apart; beyond, everything counts as changed.
pub const CHANGED_MAX: usize = 1024;
/// After a change has been announced, this much time is left to those that follow: the system makes one of many equal ones
/// that nobody has fetched yet, which matters when a file is written line by line.
const COALESCED: Duration = Duration::from_millis(20);
/// How long announcements are fetched before the next such pause.
const FETCHED: Duration = Duration::from_millis(1);

/// What changed since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Anything may have changed; `paths` says nothing then.
    pub all: bool,
    /// Files and folders that were written, created, moved, deleted or whose rights changed.
    pub paths: HashSet<String>,
}

impl Changes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.paths.is_empty()
    }

    fn add(&mut self, path: &str) {
        if self.all || self.paths.contains(path) {
            return;
        }
        if self.paths.len() < CHANGED_MAX {
            self.paths.insert(path.to_owned());
        } else {
            self.add_all();
        }
    }

    fn add_all(&mut self) {
        self.all = true;
        self.paths = HashSet::new();
    }
}

/// Watches folders.
pub struct Watcher {
    system: Option<notify::RecommendedWatcher>,
    shared: Arc<Mutex<Shared>>,
    ring: Arc<dyn Fn() + Send + Sync>,
    /// What was asked for last.
    wanted: BTreeSet<PathBuf>,
    /// Folders that were watched when the system took no more.
    limit: Option<usize>,
    problem: Option<String>,
    /// A problem of each kind is said once.
    said: HashSet<&'static str>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Watcher").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// What the system's thread and ours both know.
#[derive(Debug, Default)]
struct Shared {
    changes: Changes,
    /// The folders that the system watches.
    watched: HashSet<PathBuf>,
    /// The bell has been rung, and nobody has come.
    rung: bool,
}

impl Shared {
    /// A poisoned lock holds nothing half done: sets of paths, and polling behind them.
    fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to be told.
    fn absorb(&mut self, event: &notify::Result<notify::Event>) -> bool {
        match event {
            // Reading and closing change nothing; our own reading is announced too.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return false,
            Ok(event) if event.need_rescan() => self.changes.add_all(),
            Ok(event) => {
                for path in &event.paths {
                    if is_farewell(&event.kind) {
                        self.watched.remove(path);
                    }
                    if let Some(path) = path.to_str() {
                        self.changes.add(path);
                    }
                }
            }
            Err(_) => self.changes.add_all(),
        }
        self.has_to_ring()
    }

    fn has_to_ring(&mut self) -> bool {
        !self.changes.is_empty() && !std::mem::replace(&mut self.rung, true)
    }
}

/// Of a watched folder itself: the watch ends, or goes with the folder to another place.
fn is_farewell(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)))
}

/// Pauses between announcements, so that many of them cost little.
struct Pauses {
    fetching_since: Option<Instant>,
}

impl Pauses {
    fn after_one(&mut self) {
        let now = clock::instant();
        if self.fetching_since.is_none_or(|since| now.saturating_duration_since(since) >= FETCHED) {
            std::thread::sleep(COALESCED);
            self.fetching_since = Some(clock::instant());
        }
    }
}

impl Watcher {
    /// A watcher of nothing yet. `ring` is called from another thread when there are changes, and not again before they
    /// were taken; it must return at once.
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Watcher {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let ring: Arc<dyn Fn() + Send + Sync> = Arc::new(ring);
        let mut watcher = Watcher {
            system: None,
            shared: Arc::clone(&shared),
            ring: Arc::clone(&ring),
            wanted: BTreeSet::new(),
            limit: None,
            problem: None,
            said: HashSet::new(),
        };
        let mut pauses = Pauses { fetching_since: None };
        let handler = move |event: notify::Result<notify::Event>| {
            if Shared::lock(&shared).absorb(&event) {
                ring();
            }
            pauses.after_one();
        };
        match notify::recommended_watcher(handler) {
            Ok(system) => watcher.system = Some(system),
            Err(cause) => watcher.say("start", &format!("{cause}; on Linux see fs.inotify.max_user_instances")),
        }
        watcher
    }

    /// From now on these folders are watched, without those below them, and no others. What could not be watched before is
    /// tried again. A folder that is new here counts as changed, because nobody knows what happened in it before.
    pub fn watch<'f>(&mut self, folders: impl IntoIterator<Item = &'f str>) {
        let Some(mut system) = self.system.take() else { return };
        let wanted: BTreeSet<_> = folders.into_iter().map(PathBuf::from).collect();
        for gone in self.wanted.difference(&wanted) {
            // That it was not watched any more is as good.
            let _ = system.unwatch(gone);
            Shared::lock(&self.shared).watched.remove(gone);
        }
        let missing: Vec<_> = {
            let shared = Shared::lock(&self.shared);
            wanted.iter().take(WATCHED_MAX).filter(|folder| !shared.watched.contains(*folder)).collect()
        };
        // They may have been watched under these names before they were moved away. All of them go first: a folder that was
        // moved to another of these names has the watch of its old one.
        for folder in &missing {
            let _ = system.unwatch(folder);
        }
        for folder in missing {
            let count = self.watched();
            if self.limit.is_none_or(|limit| count < limit) {
                self.add(&mut system, folder, count);
            }
        }
        if wanted.len() > WATCHED_MAX {
            self.say("many", &format!("{} folders, of which {WATCHED_MAX} are watched", wanted.len()));
        }
        self.wanted = wanted;
        self.system = Some(system);
    }

    fn add(&mut self, system: &mut notify::RecommendedWatcher, folder: &Path, count: usize) {
        // Told first: what happens between the watch and the note would be forgotten.
        Shared::lock(&self.shared).watched.insert(folder.to_owned());
        let Err(error) = system.watch(folder, RecursiveMode::NonRecursive) else {
            let rings = {
                let mut shared = Shared::lock(&self.shared);
                folder.to_str().into_iter().for_each(|path| shared.changes.add(path));
                shared.has_to_ring()
            };
            return if rings {
                (self.ring)()
            };
        };
        Shared::lock(&self.shared).watched.remove(folder);
        match error.kind {
            ErrorKind::PathNotFound => {}
            ErrorKind::MaxFilesWatch => {
                self.limit = Some(count);
                self.say("limit", &format!("{} folders are watched and the system takes no more; on Linux raise fs.inotify.max_user_watches", count));
            }
            ErrorKind::Io(cause) if is_said_elsewhere(cause.kind()) => {}
            other => self.say("folder", &format!("{}: {}", folder.display(), notify::Error::new(other))),
        }
    }

    /// What changed since the last call.
    #[must_use]
    pub fn take(&self) -> Changes {
        let mut shared = Shared::lock(&self.shared);
        shared.rung = false;
        std::mem::take(&mut shared.changes)
    }

    /// Why changes are not announced everywhere, said once.
    pub fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    /// Folders that are watched.
    #[must_use]
    pub fn watched(&self) -> usize {
        Shared::lock(&self.shared).watched.len()
    }

    fn say(&mut self, kind: &'static str, cause: &str) {
        if self.said.insert(kind) {
            self.problem = Some(format!("not every change of a file is announced, it is polled for: {cause}"));
        }
    }
}

/// Whoever looks for files finds it out, too.
fn is_said_elsewhere(kind: std::io::ErrorKind) -> bool {
    matches!(kind, std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, DataChange, Flag, RemoveKind};
    use std::fs;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn event(kind: EventKind, path: &str) -> notify::Result<notify::Event> {
        Ok(notify::Event::new(kind).add_path(path.into()))
    }

    #[test]
    fn events_become_changes() {
        let modify = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let mut shared = Shared::default();
        shared.watched.insert("/a".into());
        assert!(!shared.absorb(&event(EventKind::Access(AccessKind::Any), "/a/b")));
        assert!(shared.absorb(&event(modify, "/a/b")));
        assert!(!shared.absorb(&event(EventKind::Create(CreateKind::File), "/a/c")), "one ring is enough");
        assert_eq!(shared.changes.paths, ["/a/b", "/a/c"].map(str::to_owned).into());
        shared.absorb(&event(EventKind::Remove(RemoveKind::File), "/a/b"));
        assert_eq!(shared.watched.len(), 1);
        shared.absorb(&event(EventKind::Remove(RemoveKind::Folder), "/a"));
        assert!(shared.watched.is_empty());
        for number in 0..CHANGED_MAX {
            shared.absorb(&event(modify, &format!("/{number}")));
        }
        assert_eq!(shared.changes, Changes { all: true, paths: HashSet::new() });
        for lost in [Ok(notify::Event::new(EventKind::Other).set_flag(Flag::Rescan)), Err(notify::Error::generic(""))] {
            let mut shared = Shared::default();
            assert!(shared.absorb(&lost) && shared.changes.all);
        }
    }

    /// A watcher and a function that waits until a path is among the changes.
    fn watcher() -> (Watcher, crossbeam_channel::Receiver<()>) {
        let (bell, rung) = crossbeam_channel::bounded(1);
        let ring = move || {
            // A bell that has rung and was not heard yet need not ring twice.
            let _ = bell.try_send(());
        };
        (Watcher::new(ring), rung)
    }

    fn wait_for(watcher: &Watcher, rung: &crossbeam_channel::Receiver<()>, path: &Path) {
        let mut seen = HashSet::new();
        while !seen.contains(path.to_str().unwrap()) {
            rung.recv_timeout(PATIENCE).unwrap();
            let changes = watcher.take();
            assert!(!changes.all && !changes.is_empty());
            seen.extend(changes.paths);
        }
    }

    #[test]
    fn the_bell_rings_for_what_happens_in_folders() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("a"), dir.path().join("a/b.log"));
        fs::create_dir(&folder).unwrap();
        let (mut watcher, rung) = watcher();
        watcher.watch([folder.to_str().unwrap(), "/no/such/folder"]);
        assert_eq!((watcher.watched(), watcher.take_problem()), (1, None));
        wait_for(&watcher, &rung, &folder);
        fs::write(&file, "1\n").unwrap();
        wait_for(&watcher, &rung, &file);
        fs::rename(&file, folder.join("b.log.1")).unwrap();
        wait_for(&watcher, &rung, &folder.join("b.log.1"));
        // A folder that was replaced is watched again.
        fs::rename(&folder, dir.path().join("old")).unwrap();
        wait_for(&watcher, &rung, &folder);
        fs::create_dir(&folder).unwrap();
        watcher.watch([folder.to_str().unwrap()]);
        wait_for(&watcher, &rung, &folder);
        fs::write(&file, "2\n").unwrap();
        wait_for(&watcher, &rung, &file);
        fs::remove_dir_all(&folder).unwrap();
        wait_for(&watcher, &rung, &folder);
        fs::create_dir(&folder).unwrap();
        watcher.watch([folder.to_str().unwrap()]);
        wait_for(&watcher, &rung, &folder);
        watcher.watch([]);
        assert_eq!(watcher.watched(), 0);
    }

    #[test]
    fn folders_that_take_the_names_of_others_are_watched() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| dir.path().join(name));
        fs::create_dir(&second).unwrap();
        let (mut watcher, rung) = watcher();
        let both = [first.to_str().unwrap(), second.to_str().unwrap()];
        watcher.watch(both);
        wait_for(&watcher, &rung, &second);
        fs::rename(&second, &first).unwrap();
        wait_for(&watcher, &rung, &second);
        fs::create_dir(&second).unwrap();
        watcher.watch(both);
        assert_eq!(watcher.watched(), 2);
        for file in [first.join("x.log"), second.join("x.log")] {
            fs::write(&file, "1\n").unwrap();
            wait_for(&watcher, &rung, &file);
        }
    }

    #[test]
    fn too_many_folders_are_said_once() {
        let dir = tempfile::tempdir().unwrap();
        let folders: Vec<_> = (0..=WATCHED_MAX).map(|number| format!("{}/{number}", dir.path().display())).collect();
        let (mut watcher, _rung) = watcher();
        for expected in [true, false] {
            watcher.watch(folders.iter().map(String::as_str));
            assert_eq!(watcher.take_problem().is_some(), expected);
        }
    }

    #[test]
    fn what_the_search_for_files_finds_out_too_is_not_said_here() {
        use std::io::ErrorKind;
        let kinds = [ErrorKind::PermissionDenied, ErrorKind::NotFound, ErrorKind::InvalidInput];
        assert_eq!(kinds.map(is_said_elsewhere), [true, true, false]);
    }
}
