//! The store as the index thread holds it: the one writer of a folder.

use super::directory::META;
use super::error::failed;
use super::manifest::{FILE as MANIFEST, Manifest, Sealed, folder, folders};
use super::partition::OpenPartition;
use super::reader::{self, Opened, check_format, open_all};
use super::retention;
use super::schema::Schema;
use super::sealed::{Shelf, lines};
use super::snapshot::{Snapshot, SnapshotHandle, SnapshotParts};
use super::tally::day_of;
use super::verify::{Scrub, Unverified};
use super::{Dropped, FORMAT, Maintained, Options, Steps, StoreError, StoreStats, VERIFY_AT_OPEN_BYTES_MAX};
use crate::event::Timestamp;
use crate::flow::{Batch, LogId, Pos, Progress, Stored};
use crate::fs::{self, Fs, Lock, RealFs};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The store, open for writing. Everything but [`Store::handle`]'s reads is called by one thread.
///
/// After an error from `add`, a commit or `maintain` nothing is taken any more: open the store again, which goes on at
/// the last hard commit.
pub struct Store {
    dir: PathBuf,
    options: Options,
    manifest: Manifest,
    open: OpenPartition,
    shelf: Shelf,
    handle: SnapshotHandle,
    /// What opening did not verify.
    scrub: Option<Scrub>,
    /// What is durable.
    done: Progress,
    forgotten: BTreeSet<LogId>,
    next_number: u64,
    /// Whether something was added since the last soft commit.
    changed: bool,
    /// Bytes of stored events since the last hard commit.
    uncommitted: u64,
    open_bytes: u64,
    failure: Option<String>,
    /// Held for as long as the store is open. Last, so that it is released when all else is gone.
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Opens or creates the store in `dir` and takes its lock.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process writes to it; else what is wrong with which file. A damaged sealed
    /// partition is no error: it is left out ([`Snapshot::set_aside`]).
    pub fn open(dir: &Path, options: Options) -> Result<Store, StoreError> {
        let fs = options.fs.clone();
        let (lock, manifest) = begin(&*fs, dir)?;
        let mut budget = options.verify_at_open;
        let (manifest, open) = match manifest {
            Some(manifest) => {
                // Who renamed it may have died before it was durable. From here on it is relied on.
                fs.sync_dir(dir).map_err(failed("sync", dir))?;
                sweep(&*fs, dir, &manifest)?;
                let open = OpenPartition::open(dir, manifest.open, &options, &mut budget);
                (manifest, open.map_err(StoreError::of_the_open_partition)?)
            }
            None => create(dir, &options)?,
        };
        let view = open.view();
        let unverified = (budget == 0).then(|| Unverified::of(&view));
        budget = budget.min(VERIFY_AT_OPEN_BYTES_MAX);
        let Opened { views, set_aside, unverified: sealed } = open_all(&fs, dir, &manifest, &mut budget);
        let done = open.progress.clone();
        let open_bytes = open.size()?;
        let (mut partitions, progress, aside) = (views.clone(), done.clone(), lines(&set_aside));
        partitions.push(Arc::new(view));
        let parts = SnapshotParts { schema: Schema::new(), partitions, progress, next_number: 0, set_aside: aside };
        let handle = SnapshotHandle::new(Snapshot(Arc::new(parts)));
        let shelf = Shelf::new(manifest.open, views, set_aside);
        let scrub = Scrub { fs, open: unverified, sealed, shelf: shelf.clone(), handle: handle.clone() };
        Ok(Store {
            dir: dir.to_owned(),
            options,
            manifest,
            open,
            shelf,
            handle,
            scrub: Some(scrub),
            done,
            forgotten: BTreeSet::new(),
            next_number: 0,
            changed: false,
            uncommitted: 0,
            open_bytes,
            failure: None,
            _lock: lock,
        })
    }

    /// The store at its last hard commit, from any process: takes no lock and writes nothing. An empty snapshot where
    /// there is no store yet.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open_read_only(dir: &Path) -> Result<Snapshot, StoreError> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        reader::open_read_only(&fs, dir)
    }

    /// The work of verifying what opening the store did not, for a thread of its own; once.
    pub fn scrub(&mut self) -> Option<Scrub> {
        self.scrub.take().filter(|scrub| !scrub.is_empty())
    }

    /// What is durable here: a log may be trimmed up to there.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.done
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.handle.get()
    }

    /// Where other threads get the newest snapshot.
    #[must_use]
    pub fn handle(&self) -> SnapshotHandle {
        self.handle.clone()
    }

    /// When to commit and maintain it.
    #[must_use]
    pub fn steps(&self) -> Steps {
        self.options.steps
    }

    /// Bytes of stored events since the last hard commit: at [`Steps::hard_bytes`] the next is due.
    #[must_use]
    pub fn uncommitted_bytes(&self) -> u64 {
        self.uncommitted
    }

    /// Adds the events of a batch that are not there yet.
    ///
    /// # Errors
    /// Writing failed.
    pub fn add(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.guarded(|store| store.add_batch(batch))
    }

    fn add_batch(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.next_number = self.next_number.max(batch.first_number + batch.events.len() as u64);
        self.changed = true;
        let known = self.open.progress.get(&batch.log).copied();
        if known.is_some_and(|known| batch.end <= known) {
            return Ok(());
        }
        let from = known.unwrap_or(Pos(0));
        let arrival = (self.options.now)();
        // All of a frame have theirs of one log, which is not this one for what an agent shipped.
        let own = batch.events.first().map_or(batch.log, |stored| stored.id.log);
        let log = Arc::from(own.to_string());
        let is_new = |stored: &&Stored| stored.id.log != batch.log || stored.id.at >= from;
        for stored in batch.events.iter().filter(is_new) {
            self.uncommitted += self.open.add(&log, stored, arrival)? as u64;
        }
        self.open.progress.insert(batch.log, batch.end);
        Ok(())
    }

    /// Makes what was added visible to searches; costs no fsync.
    ///
    /// # Errors
    /// Writing failed.
    pub fn commit_soft(&mut self) -> Result<(), StoreError> {
        self.guarded(|store| {
            if store.changed {
                store.open.commit_soft()?;
                store.open_bytes = store.open.size()?;
                store.publish();
            }
            Ok(())
        })
    }

    /// Makes what was added durable, and visible: returns what is done.
    ///
    /// # Errors
    /// Writing failed.
    pub fn commit_hard(&mut self) -> Result<Progress, StoreError> {
        self.guarded(|store| {
            store.harden()?;
            Ok(store.done.clone())
        })
    }

    /// Commits hard for the last time: a merge that runs is waited for and none begun, so that no file is left behind that
    /// the commit does not name.
    ///
    /// # Errors
    /// Writing failed.
    pub fn close(&mut self) -> Result<Progress, StoreError> {
        self.guarded(|store| {
            store.open.close()?;
            store.harden()?;
            Ok(store.done.clone())
        })
    }

    fn harden(&mut self) -> Result<(), StoreError> {
        for log in std::mem::take(&mut self.forgotten) {
            self.open.forget_log(log);
        }
        self.open.commit_hard()?;
        self.done.clone_from(&self.open.progress);
        self.uncommitted = 0;
        self.open_bytes = self.open.size()?;
        self.publish();
        Ok(())
    }

    /// Drops a log from the progress at the next hard commit. To be called when the log's folder is durably gone, and
    /// never before: a log without an entry starts at 0.
    pub fn forget_log(&mut self, log: LogId) {
        self.forgotten.insert(log);
    }

    /// Seals the open partition when it is due and applies retention. To be called about once a minute.
    ///
    /// # Errors
    /// Writing failed.
    pub fn maintain(&mut self, now: Timestamp) -> Result<Maintained, StoreError> {
        self.guarded(|store| {
            let sealed = if store.is_due(now) { Some(store.seal(now)?) } else { None };
            let (dropped, full) = store.retain(now)?;
            Ok(Maintained { sealed, dropped, full })
        })
    }

    /// Applies retention alone. To be called once the store is open, before anything else needs the room.
    ///
    /// # Errors
    /// Writing failed.
    pub fn make_room(&mut self, now: Timestamp) -> Result<Maintained, StoreError> {
        self.guarded(|store| {
            let (dropped, full) = store.retain(now)?;
            Ok(Maintained { sealed: None, dropped, full })
        })
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let tally = &self.open.tally;
        let day_over = || day_of(now) > day_of(Timestamp::from_nanos(tally.first_arrival));
        let (events, bytes) = (self.options.seal_events, self.options.seal_bytes);
        tally.events > 0 && (day_over() || tally.events >= events || self.open_bytes >= bytes)
    }

    /// Seals the open partition and begins another. The one manifest write decides: before it, the new folder is swept
    /// at the next start; after it, the old partition is sealed for good.
    fn seal(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.open.close()?;
        self.harden()?;
        let mut manifest = self.manifest.clone();
        let id = self.open.id;
        let (bytes, payload) = (self.open_bytes, self.open.payload());
        manifest.partitions.push(Sealed { id, bytes, sealed: now.as_nanos(), payload });
        manifest.open = manifest.next;
        manifest.next += 1;
        let open = OpenPartition::create(&self.dir, manifest.open, &self.open.progress, &self.options)?;
        manifest.save(&*self.options.fs, &self.dir)?;
        self.manifest = manifest;
        self.shelf.seal(self.open.view(), open.id);
        self.open = open;
        self.open_bytes = self.open.size()?;
        self.publish();
        Ok(id)
    }

    fn retain(&mut self, now: Timestamp) -> Result<(Vec<Dropped>, bool), StoreError> {
        let free = (self.options.free_space)(&self.dir).map_err(failed("ask the free space of", &self.dir))?;
        let plan = retention::plan(&self.manifest.partitions, self.open_bytes, free, now, &self.options);
        if !plan.dropped.is_empty() {
            let mut manifest = self.manifest.clone();
            manifest.partitions.drain(..plan.dropped.len());
            match manifest.save(&*self.options.fs, &self.dir) {
                // Not even the manifest has room until they are gone. After a crash in between, their entries name folders
                // that are missing: they are left out of searches, and dropped again.
                Err(cause) if cause.is_no_room() => {
                    self.let_go(&manifest, &plan.dropped);
                    manifest.save(&*self.options.fs, &self.dir)?;
                }
                saved => {
                    saved?;
                    self.let_go(&manifest, &plan.dropped);
                }
            }
            self.manifest = manifest;
        }
        Ok((plan.dropped, plan.full))
    }

    /// Searches go on without the dropped partitions, and their folders go.
    fn let_go(&mut self, manifest: &Manifest, dropped: &[Dropped]) {
        self.shelf.retain(|id| manifest.names(id), &self.handle);
        for dropped in dropped {
            // What cannot be removed now is swept at the next start.
            let _ = fs::remove_folder(&*self.options.fs, &folder(&self.dir, dropped.id));
        }
    }

    /// Counts.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let sealed = || self.manifest.partitions.iter();
        StoreStats {
            events: sealed().map(|sealed| sealed.tally().events).sum::<u64>() + self.open.tally.events,
            bytes: sealed().map(|sealed| sealed.bytes).sum::<u64>() + self.open_bytes,
            partitions: sealed().count() as u64 + 1,
            open_segments: self.open.segments() as u64,
            columns: self.open.columns().len() as u64,
            values_without_column: self.open.columns().refused,
            uncommitted_bytes: self.uncommitted,
        }
    }

    fn publish(&mut self) {
        self.changed = false;
        let open = Arc::new(self.open.view());
        self.shelf.publish(&self.handle, |mut partitions, set_aside| {
            partitions.push(open);
            let (progress, next_number) = (self.open.progress.clone(), self.next_number);
            Snapshot(Arc::new(SnapshotParts { schema: Schema::new(), partitions, progress, next_number, set_aside }))
        });
    }

    /// After a failure the folder and the memory may disagree, so nothing is written any more.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(failure) = &self.failure {
            let cause = format!("it failed before ({failure}) and must be opened again");
            return Err(StoreError::Engine { doing: "write to", path: self.dir.clone(), cause });
        }
        let result = work(self);
        self.failure = result.as_ref().err().map(StoreError::to_string);
        result
    }

    #[cfg(test)]
    pub(super) fn open_partition(&self) -> &OpenPartition {
        &self.open
    }
}

/// Takes the lock of a folder that holds a store or may come to, and reads the manifest.
fn begin(fs: &dyn Fs, dir: &Path) -> Result<(Box<dyn Lock>, Option<Manifest>), StoreError> {
    // A manifest is written after this, so where there is one the folder's name is durable.
    if fs.len(&dir.join(MANIFEST)).is_err() {
        fs::create_dirs(fs, dir).map_err(failed("create", dir))?;
    }
    let path = dir.join("store.lock");
    let lock = fs.try_lock(&path).map_err(failed("lock", &path))?.ok_or(StoreError::Locked(path))?;
    if !check_format(fs, dir)? {
        let path = dir.join("FORMAT");
        fs::replace(fs, &path, format!("{FORMAT}\n").as_bytes()).map_err(failed("write", &path))?;
    }
    Ok((lock, Manifest::load(fs, dir)?))
}

/// The first partition of an empty folder. Partitions without a manifest are a store that lost it.
fn create(dir: &Path, options: &Options) -> Result<(Manifest, OpenPartition), StoreError> {
    let fs = &*options.fs;
    for (id, path) in folders(fs, dir)? {
        // A crash while the first partition came into being leaves a folder without an index, or with an empty one.
        let names = fs.list(&path).map_err(failed("list", &path))?;
        if !names.iter().any(|name| name == META || !name.starts_with("meta.")) {
            continue;
        }
        match OpenPartition::open(dir, id, options, &mut 0) {
            Ok(left) if left.tally.events == 0 && left.progress.is_empty() => continue,
            Err(cause @ StoreError::Io { .. }) => return Err(cause),
            _ => {}
        }
        return Err(StoreError::Corrupt {
            path: dir.join(MANIFEST),
            what: format!("missing, although there is p-{id}"),
            remedy: "restore it from a backup, or move the whole folder away to start with an empty store",
        });
    }
    let open = OpenPartition::create(dir, 0, &Progress::new(), options)?;
    let manifest = Manifest::new(0);
    manifest.save(fs, dir)?;
    Ok((manifest, open))
}

/// Removes partitions that a crash left without an entry in the manifest.
fn sweep(fs: &dyn Fs, dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    for (id, path) in folders(fs, dir)? {
        if !manifest.names(id) {
            fs::remove_folder(fs, &path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}
