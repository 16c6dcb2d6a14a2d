//! An open file whose content is read by offset, unpacked where it is compressed.

use super::{
    content::{self, ContentError, Damage, Form, Step},
    identity::Content,
    tree::{Files, OpenFile, Stat},
};
use std::{io, path::Path};

/// An open file.
pub struct Reader {
    file: Box<dyn OpenFile>,
    content: content::Content,
    finished: bool,
}

/// How far the content of a file reaches now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes.
    pub length: u64,
    /// It does not end inside of what is compressed.
    pub is_whole: bool,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(files: &dyn Files, path: &Path) -> io::Result<Reader> {
        Ok(Reader { file: files.open(path)?, content: content::Content::new(), finished: false })
    }

    /// What the file is.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }

    /// Reads at an offset; of a compressed file it may only come nearer to it.
    ///
    /// # Errors
    /// As the operating system says; or what is compressed is another file by now.
    pub fn step(&mut self, into: &mut [u8], offset: u64) -> Result<Step, ContentError> {
        self.content.read(&*self.file, offset, into)
    }

    /// Whether what was read of it is the file's bytes themselves.
    pub fn is_plain(&self) -> bool {
        self.content.form() == Form::Plain
    }

    /// Whether it is compressed, as far as its beginning is known.
    pub fn is_compressed(&mut self) -> bool {
        let _ = self.step(&mut [0], 0);
        matches!(self.content.form(), Form::Gzip | Form::Zstd)
    }

    /// How long its content is now. A compressed file is decoded for it.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn extent(&mut self) -> io::Result<Extent> {
        if !self.is_compressed() {
            return Ok(Extent { length: self.stat()?.size, is_whole: true });
        }
        let mut buffer = vec![0; content::INPUT_BYTES];
        let mut length = 0;
        loop {
            match self.read(&mut buffer, length)? {
                0 => return Ok(Extent { length, is_whole: self.content.whole_len().is_some() }),
                count => length += count as u64,
            }
        }
    }

    /// How much of the file is read when its content is read up to this place.
    pub fn taken(&self, position: u64) -> u64 {
        match self.content.form() {
            Form::Plain => position,
            Form::Undecided => self.file.stat().map_or(0, |stat| stat.size),
            Form::Gzip | Form::Zstd => self.content.bytes_read().unwrap_or(0),
        }
    }

    /// Whether it is compressed and ends, as far as it was read, within a member: it is still being written.
    pub fn is_unfinished(&self) -> bool {
        let goes_on = self.damage().is_none_or(|(damage, _)| damage.goes_on.is_some());
        let is_packed = matches!(self.content.form(), Form::Gzip | Form::Zstd);
        is_packed && goes_on && !self.finished && self.content.whole_len().is_none()
    }

    /// The last damage of what is compressed, and how many bytes of the file are lost by all of it.
    pub fn damage(&self) -> Option<(&Damage, u64)> {
        self.content.damage()
    }

    /// Whether its few bytes may still begin a compressed file.
    pub fn is_undecided(&self) -> bool {
        self.content.form() == Form::Undecided && !self.finished && self.file.stat().is_ok_and(|stat| stat.size > 0)
    }

    /// No more bytes will come: few of them are text, a compressed file that ends too early is damaged.
    pub fn finish(&mut self) {
        self.finished = true;
        self.content.finish();
    }
}

impl Content for Reader {
    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.step(into, offset) {
                Ok(Step::Bytes(count)) => return Ok(count),
                Ok(Step::Skipping) => {}
                Ok(Step::Nothing) => return Ok(0),
                Err(ContentError::Io(cause)) => return Err(cause),
                Err(other) => return Err(io::Error::new(io::ErrorKind::InvalidData, other)),
            }
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("content", &self.content).finish_non_exhaustive()
    }
}
