//! The folder of one partition as the engine sees it: files are real, `meta.json` lives in memory until a hard commit.
//!
//! The engine's own durability (an fsync a file, a rename a commit) would cost 16 fsyncs a second. Here nothing is synced
//! until [`PartitionDirectory::harden`], which syncs the files that a commit refers to, then replaces `meta.json`
//! atomically. Nothing is ever locked or written by a reader, so a store can be read without write permission. The
//! engine's list of managed files is not kept: [`super::partition`] alone decides which files go away.

use super::StoreError;
use super::error::{damaged, failed};
use crate::fs::{self, File, Folder, Fs};
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, TerminatingWrite, WatchCallback, WatchHandle, WritePtr,
};

pub(super) const META: &str = "meta.json";
const MANAGED: &str = ".managed.json";

/// The folder of one partition. Clones share everything.
#[derive(Clone)]
pub(super) struct PartitionDirectory {
    path: Arc<Path>,
    fs: Arc<dyn Fs>,
    mapped: Arc<dyn Folder>,
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
    pub(super) fn open(fs: &Arc<dyn Fs>, path: &Path) -> Result<PartitionDirectory, StoreError> {
        let mapped = match fs.folder(path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(damaged(path, "the folder is missing"));
            }
            other => other.map_err(failed("open", path))?,
        };
        let meta = match fs::read(&**fs, &path.join(META)) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read", &path.join(META))(error)),
        };
        let (meta, dirty) = (Arc::new(Mutex::new(meta)), Arc::default());
        Ok(PartitionDirectory { path: Arc::from(path), fs: fs.clone(), mapped, meta, dirty })
    }

    /// The same files with a `meta.json` of their own: where merges write.
    pub(super) fn beside(&self) -> PartitionDirectory {
        PartitionDirectory { meta: Arc::default(), ..self.clone() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fs(&self) -> &dyn Fs {
        &*self.fs
    }

    pub(super) fn set_meta(&self, meta: Vec<u8>) {
        *lock(&self.meta) = meta;
        // Otherwise the engine's list of mapped files grows by each file that ever was.
        self.mapped.forget_unused();
    }

    /// Makes the current `meta.json` durable, and before it the files for which `needed` says so.
    pub(super) fn harden(&self, needed: impl Fn(&Path) -> bool) -> Result<(), StoreError> {
        let dirty: Vec<PathBuf> = lock(&self.dirty).iter().filter(|file| needed(file)).cloned().collect();
        for file in &dirty {
            let path = self.path.join(file);
            self.fs.open(&path).and_then(|mut file| file.sync_data()).map_err(failed("sync", &path))?;
        }
        if !dirty.is_empty() {
            self.fs.sync_dir(&self.path).map_err(failed("sync", &self.path))?;
        }
        let (path, meta) = (self.path.join(META), lock(&self.meta).clone());
        fs::replace(&*self.fs, &path, &meta).map_err(failed("write", &path))?;
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
        let _ = self.fs.remove_file(&self.path.join(file));
    }

    #[cfg(test)]
    pub(super) fn dirty(&self) -> HashSet<PathBuf> {
        lock(&self.dirty).clone()
    }
}

/// A file being written; the engine's `terminate` does not sync.
struct FileWriter(Box<dyn File>);

impl Write for FileWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.append(buf)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TerminatingWrite for FileWriter {
    fn terminate_ref(&mut self, _: AntiCallToken) -> io::Result<()> {
        Ok(())
    }
}

impl Directory for PartitionDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.mapped.map(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(path.to_owned()),
            _ => OpenReadError::wrap_io_error(error, path.to_owned()),
        })
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.fs.remove_file(&self.path.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => DeleteError::FileDoesNotExist(path.to_owned()),
            _ => DeleteError::IoError { io_error: Arc::new(error), filepath: path.to_owned() },
        })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(if path == Path::new(META) {
            !lock(&self.meta).is_empty()
        } else {
            self.fs.len(&self.path.join(path)).is_ok()
        })
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        // No name is used twice: each has the random number of its segment.
        let file = self.fs.create(&self.path.join(path));
        let file = file.map_err(|error| OpenWriteError::wrap_io_error(error, path.to_owned()))?;
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
