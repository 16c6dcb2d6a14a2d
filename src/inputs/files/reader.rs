//! An open file whose content is read by offset.

use super::{
    identity::Content,
    tree::{Files, OpenFile, Stat},
};
use std::{io, path::Path};

/// An open file.
pub struct Reader {
    file: Box<dyn OpenFile>,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(files: &dyn Files, path: &Path) -> io::Result<Reader> {
        Ok(Reader { file: files.open(path)? })
    }

    /// What the file is.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    /// How long its content is now.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn end(&mut self) -> io::Result<u64> {
        Ok(self.file.stat()?.size)
    }
}

impl Content for Reader {
    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
