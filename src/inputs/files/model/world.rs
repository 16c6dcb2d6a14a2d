//! A file system in memory, whose inodes are used again.

use crate::inputs::files::tree::{Entry, FileTree, Files, Kind, OpenFile, Stat};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    open: usize,
    names: usize,
    modified_ns: i64,
}

#[derive(Debug, Default)]
struct Disk {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    changes: i64,
    /// How often a file was opened or read.
    uses: u64,
    unreadable: BTreeSet<PathBuf>,
}

impl Disk {
    /// The lowest number that nobody has: as real file systems do it.
    fn free(&self) -> u64 {
        (1..).find(|number| !self.inodes.contains_key(number)).unwrap()
    }

    fn let_go(&mut self, number: u64) {
        if self.inodes.get(&number).is_some_and(|inode| inode.open == 0 && inode.names == 0) {
            self.inodes.remove(&number);
        }
    }

    fn unlink(&mut self, path: &Path) {
        if let Some(number) = self.names.remove(path) {
            self.inodes.get_mut(&number).unwrap().names -= 1;
            self.let_go(number);
        }
    }
}

/// All files, shared by the test and the tailer.
#[derive(Clone, Debug, Default)]
pub(super) struct World(Arc<Mutex<Disk>>);

impl World {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    pub(super) fn append(&self, path: &Path, bytes: &[u8]) {
        let mut disk = self.disk();
        let number = disk.names.get(path).copied().unwrap_or_else(|| disk.free());
        disk.names.insert(path.to_owned(), number);
        disk.changes += 1;
        let modified_ns = disk.changes;
        let inode = disk.inodes.entry(number).or_insert_with(|| Inode { names: 1, ..Inode::default() });
        inode.bytes.extend_from_slice(bytes);
        inode.modified_ns = modified_ns;
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) {
        let mut disk = self.disk();
        if let Some(number) = disk.names.remove(from) {
            disk.unlink(to);
            disk.names.insert(to.to_owned(), number);
        }
    }

    pub(super) fn copy(&self, from: &Path, to: &Path) {
        let bytes = self.content(from);
        self.disk().unlink(to);
        self.append(to, &bytes);
    }

    pub(super) fn truncate(&self, path: &Path) {
        let mut disk = self.disk();
        if let Some(number) = disk.names.get(path).copied() {
            disk.changes += 1;
            let modified_ns = disk.changes;
            let inode = disk.inodes.get_mut(&number).unwrap();
            inode.bytes.clear();
            inode.modified_ns = modified_ns;
        }
    }

    pub(super) fn delete(&self, path: &Path) {
        self.disk().unlink(path);
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.disk().names.contains_key(path)
    }

    pub(super) fn content(&self, path: &Path) -> Vec<u8> {
        let disk = self.disk();
        disk.names.get(path).map(|number| disk.inodes[number].bytes.clone()).unwrap_or_default()
    }

    /// How many files are open, and how often one was opened or read.
    pub(super) fn uses(&self) -> (usize, u64) {
        let disk = self.disk();
        (disk.inodes.values().map(|inode| inode.open).sum(), disk.uses)
    }

    pub(super) fn set_readable(&self, path: &Path, readable: bool) {
        let unreadable = &mut self.disk().unreadable;
        if readable {
            unreadable.remove(path)
        } else {
            unreadable.insert(path.to_owned())
        };
    }

    pub(super) fn names(&self) -> Vec<PathBuf> {
        self.disk().names.keys().cloned().collect()
    }
}

fn stat(number: u64, inode: &Inode) -> Stat {
    let (size, modified_ns) = (inode.bytes.len() as u64, inode.modified_ns);
    Stat { device: 1, inode: number, size, modified_ns, kind: Kind::File }
}

impl FileTree for World {
    fn list(&self, folder: &Path, into: &mut Vec<Entry>) -> io::Result<()> {
        for path in self.names() {
            if path.parent() == Some(folder) {
                into.push(Entry { name: path.file_name().unwrap().to_owned(), kind: Kind::File });
            }
        }
        Ok(())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let disk = self.disk();
        if [Path::new("/"), Path::new("/logs")].contains(&path) {
            return Ok(Stat { device: 0, inode: 0, size: 0, modified_ns: 0, kind: Kind::Folder });
        }
        let number = disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(stat(*number, &disk.inodes[number]))
    }
}

struct Handle {
    world: World,
    number: u64,
}

impl Files for World {
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut disk = self.disk();
        disk.uses += 1;
        if disk.unreadable.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let number = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        disk.inodes.get_mut(&number).unwrap().open += 1;
        Ok(Box::new(Handle { world: self.clone(), number }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.delete(path);
        Ok(())
    }
}

impl OpenFile for Handle {
    fn stat(&self) -> io::Result<Stat> {
        Ok(stat(self.number, &self.world.disk().inodes[&self.number]))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.world.disk();
        disk.uses += 1;
        let rest = disk.inodes[&self.number].bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut disk = self.world.disk();
        disk.inodes.get_mut(&self.number).unwrap().open -= 1;
        disk.let_go(self.number);
    }
}
