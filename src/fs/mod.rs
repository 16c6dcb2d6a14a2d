//! File access of everything that promises durability: the log and the store.
//!
//! The trait holds exactly what they need, with durability as its own operation: [`File::sync_data`] for bytes,
//! [`Fs::sync_dir`] for names. Two implementations: [`RealFs`], and in tests a simulated one that keeps durable and
//! pending state apart and crashes on command. Paths and names are UTF-8; names that are not are never listed.

mod real;
#[cfg(test)]
pub mod sim;

pub use real::{RealFs, free_space};

use std::{fmt::Debug, io, path::Path, sync::Arc};
use tantivy::directory::FileHandle;

/// A file system.
pub trait Fs: Debug + Send + Sync {
    /// Creates a file for appending and reading; an old one of that name becomes empty.
    ///
    /// # Errors
    /// As the operating system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file for reading and for writing inside of it.
    ///
    /// # Errors
    /// As the operating system says.
    fn edit(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// The length of a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Creates one folder.
    ///
    /// # Errors
    /// As the operating system says; `AlreadyExists` too.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, unsorted.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Gives a file or folder another name in the same folder; an existing file of that name is replaced.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the operating system says; then nothing is known about names changed since the last success.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Bytes that may still be written to the disk of a folder.
    ///
    /// # Errors
    /// As the operating system says.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;

    /// Takes the lock that a file stands for, creating the file; `None` if somebody holds it. The lock lasts until the
    /// value is dropped or the process ends, however it ends.
    ///
    /// # Errors
    /// As the operating system says.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// Whether somebody holds the lock that a file stands for; a missing file is no lock. Asking disturbs nobody.
    ///
    /// # Errors
    /// As the operating system says.
    fn is_locked(&self, path: &Path) -> io::Result<bool>;

    /// Opens a folder whose files are to be read where they lie in memory.
    ///
    /// # Errors
    /// As the operating system says.
    fn folder(&self, dir: &Path) -> io::Result<Arc<dyn Folder>>;
}

/// A folder whose files are mapped into memory, each once for as long as somebody reads it.
pub trait Folder: Debug + Send + Sync {
    /// The content of a file, which must not change any more.
    ///
    /// # Errors
    /// As the operating system says.
    fn map(&self, name: &Path) -> io::Result<Arc<dyn FileHandle>>;

    /// Forgets which files were mapped that nobody reads any more.
    fn forget_unused(&self);
}

/// An open file.
pub trait File: Debug + Send + Sync {
    /// Writes at the end.
    ///
    /// # Errors
    /// As the operating system says; a part may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes at an offset; with bytes that are there already, no room is needed where the disk writes in place.
    ///
    /// # Errors
    /// As the operating system says; a part may have been written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads at an offset, as much as there is up to the buffer's length.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The length.
    ///
    /// # Errors
    /// As the operating system says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts off everything beyond a length.
    ///
    /// # Errors
    /// As the operating system says.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Makes the bytes durable.
    ///
    /// # Errors
    /// As the operating system says. Bytes written before a failure may never become durable, even if a later call
    /// succeeds.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// A held lock.
pub trait Lock: Debug + Send + Sync {}

/// The whole content of a file.
///
/// # Errors
/// As the operating system says.
pub fn read(fs: &dyn Fs, path: &Path) -> io::Result<Vec<u8>> {
    let file = fs.open(path)?;
    let mut bytes = vec![0; usize::try_from(file.size()?).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Gives a file new content: after a crash it holds either the old or the new, and after success the new. Who reads it
/// after a crash and acts on it calls [`Fs::sync_dir`] first: another power loss could bring the old content back.
///
/// # Errors
/// As the operating system says; then either content may be there.
pub fn replace(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("tmp");
    let written = (|| {
        let mut file = fs.create(&aside)?;
        file.append(bytes)?;
        file.sync_data()?;
        fs.rename(&aside, path)
    })();
    if written.is_err() {
        // What is left aside takes room but is never read.
        let _ = fs.remove_file(&aside);
    }
    written?;
    fs.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Removes a folder and the files in it.
///
/// # Errors
/// As the operating system says; then some of it is gone.
pub fn remove_folder(fs: &dyn Fs, dir: &Path) -> io::Result<()> {
    for name in fs.list(dir)? {
        fs.remove_file(&dir.join(name))?;
    }
    fs.remove_dir(dir)
}

/// Creates a folder and those above it, and makes their names durable. Those that exist count as well: whoever created
/// them may have crashed before that. Existing ones in a folder that cannot be read are trusted.
///
/// # Errors
/// As the operating system says.
pub fn create_dirs(fs: &dyn Fs, path: &Path) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if parent != Path::new(".") {
        create_dirs(fs, parent)?;
    }
    let created = fs.create_dir(path);
    match (created, fs.sync_dir(parent)) {
        (Ok(()), synced) => synced,
        (Err(_), Err(error)) if error.kind() == io::ErrorKind::PermissionDenied && fs.list(path).is_ok() => Ok(()),
        (Err(error), synced) if error.kind() == io::ErrorKind::AlreadyExists => synced,
        (Err(error), _) => {
            if fs.list(path).is_ok() {
                Ok(())
            } else {
                Err(error)
            }
        }
    }
}
