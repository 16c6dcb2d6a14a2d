//! The part of a file system that discovery needs: listing folders and asking about files. A trait, so that tests and the
//! model of the tailer can stand in for the disk.

use std::{ffi::OsString, fs, io, os::unix::fs::OpenOptionsExt as _, path::Path};

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; only listings say so, [`FileTree::stat`] follows it.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
}

impl Kind {
    fn of(kind: fs::FileType) -> Kind {
        use std::os::unix::fs::FileTypeExt;
        match kind {
            _ if kind.is_file() => Kind::File,
            _ if kind.is_dir() => Kind::Folder,
            _ if kind.is_symlink() => Kind::Symlink,
            _ if kind.is_fifo() => Kind::Fifo,
            _ if kind.is_socket() => Kind::Socket,
            _ => Kind::Device,
        }
    }
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, which need not be UTF-8.
    pub name: OsString,
    /// What it is, a link not followed.
    pub kind: Kind,
}

/// What is known about a file without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The file system it is on.
    pub device: u64,
    /// Its number there; used again after it has been deleted.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When its content changed last, nanoseconds since 1970.
    pub modified_ns: i64,
    /// What it is, links followed.
    pub kind: Kind,
}

/// Folders and files.
pub trait FileTree {
    /// Appends the entries of a folder, in any order, without `.` and `..`.
    ///
    /// # Errors
    /// As the operating system says; `into` may hold some of them then.
    fn list(&self, folder: &Path, into: &mut Vec<Entry>) -> io::Result<()>;

    /// What a path leads to, links followed.
    ///
    /// # Errors
    /// As the operating system says; `NotFound` also for a link that leads nowhere.
    fn stat(&self, path: &Path) -> io::Result<Stat>;
}

/// An open file.
pub trait OpenFile: Send {
    /// What it is.
    ///
    /// # Errors
    /// As the operating system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Reads at an offset, as much as there is up to the buffer's length; 0 at the end.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A file system whose files can be read.
pub trait Files: FileTree + Send {
    /// Opens a regular file, links followed.
    ///
    /// # Errors
    /// As the operating system says; or it is no regular file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Deletes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealTree;

impl FileTree for RealTree {
    fn list(&self, folder: &Path, into: &mut Vec<Entry>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // An entry that went away meanwhile is none.
            let Ok(kind) = entry.file_type() else { continue };
            into.push(Entry { name: entry.file_name(), kind: Kind::of(kind) });
        }
        Ok(())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        fs::metadata(path).map(|known| stat_of(&known))
    }
}

impl Files for RealTree {
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        // A named pipe would wait for its writer, a terminal become ours.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
        let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
        if file.metadata()?.is_file() {
            Ok(Box::new(file))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl OpenFile for fs::File {
    fn stat(&self) -> io::Result<Stat> {
        self.metadata().map(|known| stat_of(&known))
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, offset)
    }
}

/// The same of what the operating system said, for instance about an open file.
#[must_use]
pub fn stat_of(known: &fs::Metadata) -> Stat {
    use std::os::unix::fs::MetadataExt;
    Stat {
        device: known.dev(),
        inode: known.ino(),
        size: known.size(),
        modified_ns: known.mtime().saturating_mul(1_000_000_000).saturating_add(known.mtime_nsec()),
        kind: Kind::of(known.file_type()),
    }
}
