//! The folder of one partition as the engine sees it: files are real, `meta.json` lives in memory until a hard commit.
//!
//! The engine's own durability (an fsync a file, a rename a commit) would cost 16 fsyncs a second. Here nothing is synced
//! until [`PartitionDirectory::harden`], which syncs the files that a commit refers to, then replaces `meta.json`
//! atomically. Nothing is ever locked or written by a reader, so a store can be read without write permission. The
//! engine's list of managed files is not kept: [`super::partition`] alone decides which files go away.

use super::StoreError;
use super::error::{damaged, failed};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, MmapDirectory, TerminatingWrite, WatchCallback,
    WatchHandle, WritePtr,
};

pub(super) const META: &str = "meta.json";
const MANAGED: &str = ".managed.json";

/// Writes a file so that after a crash there is either the old or the new content, durably once this returns.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let temp = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temp)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temp, path)
    };
    write().map_err(failed("write", path))?;
    sync_folder(path.parent().unwrap_or(path))
}

pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

/// The folder of one partition. Clones share everything.
#[derive(Clone)]
pub(super) struct PartitionDirectory {
    path: Arc<Path>,
    mmap: MmapDirectory,
    /// The current `meta.json`; empty where there is none.
    meta: Arc<Mutex<Vec<u8>>>,
    /// Files written since the folder was opened that are not known to be on disk.
    dirty: Arc<Mutex<HashSet<PathBuf>>>,
}

impl std::fmt::Debug for PartitionDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartitionDirectory({})", self.path.display())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartitionDirectory {
    /// Opens the folder with the `meta.json` that is on disk, if there is one.
    pub(super) fn open(path: &Path) -> Result<PartitionDirectory, StoreError> {
        if !path.is_dir() {
            return Err(damaged(path, "the folder is missing"));
        }
        let mmap =
            MmapDirectory::open(path).map_err(|error| failed("open", path)(io::Error::other(error.to_string())))?;
        let meta = match fs::read(path.join(META)) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read", &path.join(META))(error)),
        };
        let (meta, dirty) = (Arc::new(Mutex::new(meta)), Arc::default());
        Ok(PartitionDirectory { path: Arc::from(path), mmap, meta, dirty })
    }

    /// The same files with a `meta.json` of their own: where merges write.
    pub(super) fn beside(&self) -> PartitionDirectory {
        PartitionDirectory { meta: Arc::default(), ..self.clone() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_meta(&self, meta: Vec<u8>) {
        *lock(&self.meta) = meta;
        // Otherwise the engine's list of mapped files grows by each file that ever was.
        self.mmap.get_cache_info();
    }

    /// Makes the current `meta.json` durable, and before it the files for which `needed` says so.
    pub(super) fn harden(&self, needed: impl Fn(&Path) -> bool) -> Result<(), StoreError> {
        let dirty: Vec<PathBuf> = lock(&self.dirty).iter().filter(|file| needed(file)).cloned().collect();
        for file in &dirty {
            let path = self.path.join(file);
            File::open(&path).and_then(|file| file.sync_data()).map_err(failed("sync", &path))?;
        }
        if !dirty.is_empty() {
            sync_folder(&self.path)?;
        }
        let meta = lock(&self.meta).clone();
        replace(&self.path.join(META), &meta)?;
        let mut known = lock(&self.dirty);
        dirty.iter().for_each(|file| {
            known.remove(file);
        });
        Ok(())
    }

    /// Removes a file that nothing durable refers to.
    pub(super) fn remove(&self, file: &Path) {
        lock(&self.dirty).remove(file);
        // What cannot be removed now is swept when the store is opened again.
        let _ = fs::remove_file(self.path.join(file));
    }

    #[cfg(test)]
    pub(super) fn dirty(&self) -> HashSet<PathBuf> {
        lock(&self.dirty).clone()
    }
}

/// A file being written; the engine's `terminate` does not sync.
struct FileWriter(File);

impl Write for FileWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl TerminatingWrite for FileWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        self.0.flush()
    }
}

impl Directory for PartitionDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mmap.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.mmap.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        if path == Path::new(META) { Ok(!lock(&self.meta).is_empty()) } else { self.mmap.exists(path) }
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let file = OpenOptions::new().write(true).create_new(true).open(self.path.join(path));
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => OpenWriteError::FileAlreadyExists(path.to_owned()),
            _ => OpenWriteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })?;
        lock(&self.dirty).insert(path.to_owned());
        Ok(io::BufWriter::new(Box::new(FileWriter(file))))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let meta = lock(&self.meta);
        if path == Path::new(META) && !meta.is_empty() {
            Ok(meta.clone())
        } else {
            Err(OpenReadError::FileDoesNotExist(path.to_owned()))
        }
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        match path.to_str() {
            Some(META) => data.clone_into(&mut lock(&self.meta)),
            Some(MANAGED) => {}
            _ => return Err(io::Error::other(format!("unexpected index file {}", path.display()))),
        }
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(&self, _: &Lock) -> Result<DirectoryLock, LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}
