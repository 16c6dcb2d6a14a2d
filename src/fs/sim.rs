//! A simulated file system for tests: it keeps what is durable and what is not apart, and fails on command.
//!
//! Pessimistic where POSIX allows it: a power loss keeps any part of what was not synced, torn at any byte and with holes,
//! each file and folder for itself; a new name is lost unless its folder was synced; bytes written before a failed sync
//! stay readable but may never become durable. Everything random comes from one seed.

mod disk;

use super::{File, Folder, Fs, Lock};
use disk::{Change, Disk, Names, Naming, Node, apply, name};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};
use tantivy::directory::{FileHandle, OwnedBytes};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails; of a write a part may be done.
    Fail,
    /// It fails for want of room.
    NoSpace,
    /// The process dies; the operation may be done, wholly or in part.
    Kill,
    /// The same, and the machine loses power.
    PowerLoss,
}

/// The file system as one life of a process sees it; when the life ends, everything fails.
#[derive(Clone, Debug)]
pub struct SimFs {
    disk: Arc<Mutex<Disk>>,
    life: u64,
}

impl SimFs {
    /// An empty one.
    pub fn new(seed: u64) -> SimFs {
        SimFs { disk: Arc::new(Mutex::new(Disk::new(seed))), life: 0 }
    }

    /// Ends the life that is going on, if it is, and begins another.
    pub fn restart(&self) -> SimFs {
        let mut disk = self.disk.lock().unwrap();
        disk.life += 1;
        SimFs { disk: self.disk.clone(), life: disk.life }
    }

    /// Ends the life and forgets what is not durable.
    pub fn lose_power(&self) {
        self.disk.lock().unwrap().lose_power();
    }

    /// Lets the operation of this number meet a fault.
    pub fn inject(&self, op: u64, fault: Fault) {
        self.disk.lock().unwrap().faults.insert(op, fault);
    }

    /// No faults from now on.
    pub fn heal(&self) {
        self.disk.lock().unwrap().faults.clear();
    }

    /// The disk has so much room from now on; what is written takes none of it.
    pub fn set_free_space(&self, bytes: u64) {
        self.disk.lock().unwrap().free = bytes;
    }

    /// How many operations that change something there were.
    pub fn ops(&self) -> u64 {
        self.disk.lock().unwrap().ops
    }

    fn disk(&self) -> io::Result<MutexGuard<'_, Disk>> {
        let disk = self.disk.lock().unwrap();
        if disk.life == self.life { Ok(disk) } else { Err(io::Error::other("this process is dead")) }
    }

    /// Does something that changes the disk; `halfway` is what of it may be done when it fails.
    fn change<T>(
        &self,
        halfway: impl FnOnce(&mut Disk, Fault),
        whole: impl FnOnce(&mut Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.disk()?;
        let op = disk.ops;
        disk.ops += 1;
        let Some(fault) = disk.faults.remove(&op) else { return whole(&mut disk) };
        match fault {
            Fault::Fail | Fault::NoSpace => halfway(&mut disk, fault),
            Fault::Kill | Fault::PowerLoss => {
                match disk.random(3) {
                    0 => {}
                    1 => halfway(&mut disk, fault),
                    _ => drop(whole(&mut disk)),
                }
                disk.life += 1;
                if fault == Fault::PowerLoss {
                    disk.lose_power();
                }
            }
        }
        let kind = if fault == Fault::NoSpace { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, format!("{fault:?} at operation {op}")))
    }

    fn change_whole<T>(&self, whole: impl FnOnce(&mut Disk) -> io::Result<T>) -> io::Result<T> {
        self.change(|_, _| (), whole)
    }
}

impl Fs for SimFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let node = self.change_whole(|disk| {
            let (dir, name) = disk.parent(path)?;
            if let Some(&node) = disk.names(dir)?.get(&name) {
                if let Node::File { visible, pending, .. } = &mut disk.nodes[node] {
                    visible.clear();
                    pending.push(Change::Truncate(0));
                }
                return Ok(node);
            }
            let node = disk.nodes.len();
            disk.nodes.push(Node::File { visible: Vec::new(), durable: Vec::new(), pending: Vec::new() });
            disk.change_names(dir, Naming::Set(name, node));
            Ok(node)
        })?;
        Ok(Box::new(SimFile { fs: self.clone(), node }))
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        Ok(self.disk()?.free)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let node = self.disk()?.find(path)?;
        Ok(Box::new(SimFile { fs: self.clone(), node }))
    }

    fn edit(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.open(path)?.size()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change_whole(|disk| {
            let (dir, name) = disk.parent(path)?;
            if disk.names(dir)?.contains_key(&name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let node = disk.nodes.len();
            disk.nodes.push(Node::Dir { visible: Names::new(), durable: Names::new(), pending: Vec::new() });
            disk.change_names(dir, Naming::Set(name, node));
            Ok(())
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk()?;
        Ok(disk.names(disk.find(dir)?)?.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change_whole(|disk| {
            let ((dir, from), (same, to)) = (disk.parent(from)?, disk.parent(to)?);
            assert_eq!(dir, same, "a rename stays in its folder");
            let names = disk.names(dir)?;
            if !names.contains_key(&from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            if let Some(&over) = names.get(&to)
                && disk.names(over).is_ok_and(|names| !names.is_empty())
            {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            disk.change_names(dir, Naming::Rename(from, to));
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change_whole(|disk| {
            let (dir, name) = disk.parent(path)?;
            disk.find(path)?;
            disk.change_names(dir, Naming::Remove(name));
            Ok(())
        })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        assert!(self.list(path)?.is_empty(), "only empty folders are removed");
        self.remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let sync = |disk: &mut Disk, kept: fn(&mut Disk, usize) -> usize| {
            let node = disk.find(path)?;
            let Node::Dir { pending, .. } = &mut disk.nodes[node] else { return Ok(()) };
            let namings = std::mem::take(pending);
            let kept = kept(disk, namings.len());
            if let Node::Dir { durable, pending, .. } = &mut disk.nodes[node] {
                namings[..kept].iter().for_each(|naming| name(durable, naming));
                *pending = namings[kept..].to_vec();
            }
            Ok(())
        };
        self.change(
            |disk, _| drop(sync(disk, |disk, count| disk.random(count + 1))),
            |disk| sync(disk, |_, count| count),
        )
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        if self.disk()?.find(path).is_err() {
            self.create(path)?;
        }
        let mut disk = self.disk()?;
        let (node, life) = (disk.find(path)?, disk.life);
        if disk.locks.get(&node) == Some(&life) {
            return Ok(None);
        }
        disk.locks.insert(node, life);
        Ok(Some(Box::new(SimLock { fs: self.clone(), node })))
    }

    fn is_locked(&self, path: &Path) -> io::Result<bool> {
        let disk = self.disk()?;
        Ok(disk.find(path).is_ok_and(|node| disk.locks.get(&node) == Some(&disk.life)))
    }

    fn folder(&self, dir: &Path) -> io::Result<Arc<dyn Folder>> {
        self.list(dir)?;
        Ok(Arc::new(SimFolder { fs: self.clone(), dir: dir.to_owned() }))
    }
}

#[derive(Debug)]
struct SimFolder {
    fs: SimFs,
    dir: PathBuf,
}

impl Folder for SimFolder {
    fn map(&self, name: &Path) -> io::Result<Arc<dyn FileHandle>> {
        Ok(Arc::new(OwnedBytes::new(super::read(&self.fs, &self.dir.join(name))?)))
    }

    fn forget_unused(&self) {}
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    node: usize,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        if let Ok(mut disk) = self.fs.disk() {
            disk.locks.remove(&self.node);
        }
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    node: usize,
}

impl SimFile {
    fn write(&self, bytes: &[u8], at: Option<u64>) -> io::Result<()> {
        let part = |disk: &mut Disk, _| {
            let part = disk.random(bytes.len() + 1);
            disk.write(self.node, &bytes[..part], at);
        };
        self.fs.change(part, |disk| {
            disk.write(self.node, bytes, at);
            Ok(())
        })
    }
}

impl File for SimFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes, None)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, Some(offset))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.fs.disk()?;
        let Node::File { visible, .. } = &disk.nodes[self.node] else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let from = visible.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        match &self.fs.disk()?.nodes[self.node] {
            Node::File { visible, .. } => Ok(visible.len() as u64),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.fs.change_whole(|disk| {
            if let Node::File { visible, pending, .. } = &mut disk.nodes[self.node] {
                visible.truncate(len as usize);
                pending.push(Change::Truncate(len));
            }
            Ok(())
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let failed = |disk: &mut Disk, fault| {
            let Node::File { durable, pending, .. } = &mut disk.nodes[self.node] else { return };
            let (mut kept, lost) = (durable.clone(), pending.clone());
            disk.chance(&mut kept, &lost);
            if let Node::File { durable, pending, .. } = &mut disk.nodes[self.node] {
                *durable = kept;
                // A process that dies in a sync stops nothing; a sync that fails gives up what it had.
                if matches!(fault, Fault::Fail | Fault::NoSpace) {
                    pending.clear();
                }
            }
        };
        self.fs.change(failed, |disk| {
            if let Node::File { durable, pending, .. } = &mut disk.nodes[self.node] {
                pending.drain(..).for_each(|change| apply(durable, &change));
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{create_dirs, read, replace};

    #[test]
    fn what_is_synced_survives_and_what_is_not_may_not() {
        let (mut lost, mut torn) = (0, 0);
        for seed in 0..64 {
            let fs = SimFs::new(seed);
            create_dirs(&fs, Path::new("/a/b")).unwrap();
            let mut file = fs.create(Path::new("/a/b/f")).unwrap();
            file.append(b"durable").unwrap();
            file.sync_data().unwrap();
            fs.sync_dir(Path::new("/a/b")).unwrap();
            file.append(b"pending").unwrap();
            fs.create(Path::new("/a/b/g")).unwrap();
            fs.lose_power();
            assert!(file.size().is_err());
            let fs = fs.restart();
            let bytes = read(&fs, Path::new("/a/b/f")).unwrap();
            assert!(bytes.starts_with(b"durable"));
            torn += u32::from(bytes.len() > 7 && bytes != b"durablepending");
            lost += u32::from(fs.open(Path::new("/a/b/g")).is_err());
        }
        assert!(lost > 10 && torn > 10, "{lost} {torn}");
    }

    #[test]
    fn a_replaced_file_is_the_old_or_the_new() {
        let path = Path::new("/f");
        for op in 0..12 {
            for fault in [Fault::Fail, Fault::Kill, Fault::PowerLoss] {
                let fs = SimFs::new(op);
                replace(&fs, path, b"old").unwrap();
                fs.inject(fs.ops() + op, fault);
                let done = replace(&fs, path, b"newer");
                let fs = fs.restart();
                fs.lose_power();
                let bytes = read(&fs.restart(), path).unwrap();
                let expected: &[&[u8]] = if done.is_ok() { &[b"newer"] } else { &[b"old", b"newer"] };
                assert!(expected.contains(&&bytes[..]), "{op} {fault:?} {done:?}");
            }
        }
    }
}
