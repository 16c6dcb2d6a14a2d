//! Open files, and what is to be written to them.

use super::{
    super::{Encoded, Refused, Sink, SinkError},
    Settings,
    path::is_about_the_name,
};
use crate::{clock, flow::Stop};
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

/// Most files that are open at a time.
pub const FILES_OPEN_MAX: usize = 256;
/// Most compressed bytes of one file that wait for the end of their member.
const MEMBER_BYTES_MAX: usize = 1 << 20;

/// The files of an output.
pub struct Files {
    settings: Arc<Settings>,
    open: HashMap<String, OpenFile>,
    /// Counts uses, so that the file used longest ago is known.
    uses: u64,
    /// When files that nobody writes to were closed last, and the count of uses then.
    cleaned: (Instant, u64),
}

struct OpenFile {
    file: File,
    /// Device and inode.
    id: (u64, u64),
    /// Not a pipe or device, which have no length and cannot be synced.
    is_regular: bool,
    /// Its length after what was written last.
    len: u64,
    /// A gzip member that has not ended.
    member: Option<GzEncoder<Vec<u8>>>,
    /// What comes before it and is not written.
    ready: Vec<u8>,
    is_synced: bool,
    is_new: bool,
    used: u64,
}

/// Why something is not written.
enum Failure {
    /// It is tried again.
    Again(io::Error),
    /// It never can be: the file has another name than can be, or what was written is not on disk.
    Name,
    Lost(io::Error),
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Failure {
        if is_about_the_name(&cause) { Failure::Name } else { Failure::Again(cause) }
    }
}

impl Failure {
    fn of(self, path: &str) -> SinkError {
        match self {
            Failure::Again(cause) => SinkError::again(format!("{path}: {cause}")),
            Failure::Name => SinkError::again(format!("{path}: no file can be there")),
            Failure::Lost(cause) => {
                let what = "what was written may not be on disk, and asking again would not tell";
                SinkError::Gone(io::Error::other(format!("{path}: {cause}; {what}")))
            }
        }
    }
}

impl Files {
    pub(super) fn new(settings: Arc<Settings>) -> Files {
        Files { settings, open: HashMap::new(), uses: 0, cleaned: (clock::instant(), 0) }
    }

    /// Writes the texts of one path, or to where those go that have no good path.
    fn append(&mut self, path: &str, texts: &[&str]) -> Result<(), SinkError> {
        let failures = self.settings.failures.clone();
        let is_there = self.settings.create_if_deleted || path == failures || fs::exists(path).unwrap_or(true);
        let path = if is_there { path } else { &failures };
        match self.write(path, texts) {
            Err(Failure::Name) if path != failures => {
                self.write(&failures, texts).map_err(|failure| failure.of(&failures))
            }
            written => written.map_err(|failure| failure.of(path)),
        }
    }

    fn write(&mut self, path: &str, texts: &[&str]) -> Result<(), Failure> {
        self.make_current(path)?;
        let Some(open) = self.open.get_mut(path) else { return Err(Failure::Again(io::Error::other("it was closed"))) };
        self.uses += 1;
        (open.used, open.is_synced) = (self.uses, false);
        let overwrites = self.settings.overwrites;
        let texts = if overwrites { texts.get(texts.len().saturating_sub(1)..).unwrap_or_default() } else { texts };
        if !self.settings.gzip {
            if overwrites {
                open.truncate()?;
            }
            let whole;
            let text = match texts {
                [only] => only.as_bytes(),
                texts => {
                    whole = texts.concat();
                    whole.as_bytes()
                }
            };
            return Ok(open.put(text)?);
        }
        if overwrites {
            open.truncate()?;
            (open.member, open.ready) = (None, Vec::new());
        } else if open.ready.len() >= MEMBER_BYTES_MAX {
            // Nothing is taken while the disk takes nothing.
            open.write_ready()?;
        }
        let member = open.member.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::default()));
        texts.iter().try_for_each(|text| member.write_all(text.as_bytes()))?;
        if self.settings.is_eager || member.get_ref().len() >= MEMBER_BYTES_MAX {
            open.end_member()?;
            // It is kept: a failure shows at the next write, or when it is flushed.
            _ = open.write_ready();
        }
        Ok(())
    }

    /// Sees to it that the open file is the one at this path now.
    fn make_current(&mut self, path: &str) -> Result<(), Failure> {
        let there = match fs::metadata(path) {
            Ok(there) => Some((there.dev(), there.ino())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(cause.into()),
        };
        if there.is_some() && self.open.get(path).map(|open| open.id) == there {
            return Ok(());
        }
        self.make_room()?;
        let opened = OpenFile::at(Path::new(path), there.is_none(), &self.settings)?;
        // A member that has not ended goes to the new file, since the old one is nobody's any more.
        let old = self.open.remove(path);
        let (member, ready) = old.map_or((None, Vec::new()), |old| (old.member, old.ready));
        self.open.insert(path.to_owned(), OpenFile { member, ready, ..opened });
        Ok(())
    }

    fn make_room(&mut self) -> Result<(), Failure> {
        while self.open.len() >= FILES_OPEN_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.used).map(|(path, _)| path.clone());
            self.close(&oldest.unwrap_or_default())?;
        }
        Ok(())
    }

    fn close(&mut self, path: &str) -> Result<(), Failure> {
        if let Some(open) = self.open.get_mut(path) {
            open.sync(path)?;
        }
        self.open.remove(path);
        Ok(())
    }

    /// Closes the files that nobody has written to since the last time.
    fn close_stale(&mut self) -> Result<(), SinkError> {
        let (since, uses) = self.cleaned;
        if clock::since(since) < self.settings.stale_after {
            return Ok(());
        }
        let is_stale = |(path, open): (&String, &OpenFile)| (open.used <= uses).then(|| path.clone());
        let stale: Vec<String> = self.open.iter().filter_map(is_stale).collect();
        self.cleaned = (clock::instant(), self.uses);
        stale.iter().try_for_each(|path| self.close(path).map_err(|failure| failure.of(path)))
    }
}

impl Sink for Files {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, _: &Stop) -> Result<(), SinkError> {
        if batch.is_done() {
            return self.close_stale();
        }
        if let Some(path) = self.settings.only.clone() {
            if !self.settings.overwrites {
                self.append(&path, &[batch.text()])?;
            } else if let Some((text, _)) = batch.items().last() {
                self.append(&path, &[text])?;
            }
            batch.all_done();
            return self.close_stale();
        }
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut group_of = Vec::with_capacity(batch.left());
        for (text, item) in batch.items() {
            let place = *places.entry(&item.to).or_insert_with(|| {
                groups.push((&item.to, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(text);
            group_of.push(place);
        }
        let mut failed = None;
        let is_written: Vec<bool> = groups
            .iter()
            .map(|(path, texts)| self.append(path, texts).map_err(|failure| failed = Some(failure)).is_ok())
            .collect();
        match failed {
            None => {
                batch.all_done();
                self.close_stale()
            }
            Some(failure) => {
                batch.settle(|item| group_of.get(item).and_then(|group| is_written.get(*group)).copied() == Some(true));
                Err(failure)
            }
        }
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        for (path, open) in &mut self.open {
            open.sync(path).map_err(|failure| failure.of(path))?;
        }
        self.close_stale()
    }
}

impl OpenFile {
    fn at(path: &Path, is_missing: bool, settings: &Settings) -> io::Result<OpenFile> {
        if is_missing && let Some(folder) = path.parent() {
            make_folders(folder, settings.dir_mode)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        if let Some(mode) = settings.file_mode {
            options.mode(mode);
        }
        let file = options.open(path)?;
        if is_missing && let Some(mode) = settings.file_mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        let about = file.metadata()?;
        Ok(OpenFile {
            file,
            id: (about.dev(), about.ino()),
            is_regular: about.is_file(),
            len: about.len(),
            member: None,
            ready: Vec::new(),
            is_synced: true,
            is_new: is_missing,
            used: 0,
        })
    }

    /// Writes all of it, or takes back what was written.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(self.take_back(bytes.len() - rest.len(), io::ErrorKind::WriteZero.into())),
                Ok(written) => rest = &rest[written..],
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.take_back(bytes.len() - rest.len(), cause)),
            }
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn take_back(&mut self, written: usize, cause: io::Error) -> io::Error {
        let Ok(len) = self.file.metadata().map(|about| about.len()) else { return cause };
        // Where another process wrote behind it, a piece of a line stays rather than that something of theirs goes.
        if self.is_regular && written > 0 && len == self.len + written as u64 {
            _ = self.file.set_len(self.len);
        } else {
            self.len = len;
        }
        cause
    }

    fn truncate(&mut self) -> io::Result<()> {
        if self.is_regular {
            self.file.set_len(0)?;
            self.len = 0;
        }
        Ok(())
    }

    fn end_member(&mut self) -> io::Result<()> {
        if let Some(member) = self.member.take() {
            self.ready.append(&mut member.finish()?);
        }
        Ok(())
    }

    fn write_ready(&mut self) -> io::Result<()> {
        let ready = std::mem::take(&mut self.ready);
        let written = self.put(&ready);
        if written.is_err() {
            self.ready = ready;
        }
        written
    }

    /// Writes what waits and sees to it that everything is on disk.
    fn sync(&mut self, path: &str) -> Result<(), Failure> {
        if self.is_synced {
            return Ok(());
        }
        self.end_member()?;
        self.write_ready()?;
        if self.is_regular {
            // The kernel may have dropped what it could not write: a second attempt would succeed and mean nothing.
            self.file.sync_data().map_err(Failure::Lost)?;
            if let Some(folder) = Path::new(path).parent().filter(|_| self.is_new) {
                File::open(folder)?.sync_all()?;
            }
        }
        (self.is_synced, self.is_new) = (true, false);
        Ok(())
    }
}

/// Makes the folders that are not there.
fn make_folders(folder: &Path, mode: Option<u32>) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => continue,
            made => made?,
        }
        if let Some(mode) = mode {
            fs::set_permissions(folder, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}
