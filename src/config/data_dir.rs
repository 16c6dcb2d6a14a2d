//! The data directory: `log/`, `store/`, `server.json`, `FORMAT`; of an agent `spool/`, `agent.json`.
//!
//! `--data`, else `$LOGSHIP_DATA`, else `$XDG_STATE_HOME/logship` (`~/.local/state/logship`), else `/var/lib/logship` for
//! root without a home. Made with mode 0700. `FORMAT` holds the number of the layout; a newer one is refused.

use crate::flow::LogId;
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The layout that this program writes.
pub const FORMAT: u32 = 1;

/// Where the owner of the store, and an agent, say where they are.
const SERVER: &str = "server.json";
const AGENT: &str = "agent.json";
/// What tells it from other data directories of this machine.
const ID: &str = "ID";

/// A data directory that exists.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// Why a data directory cannot be used: one sentence with what to do.
#[derive(Debug)]
pub enum DataDirError {
    /// No directory is given and none can be guessed.
    Nowhere,
    /// It cannot be made or read.
    Io(PathBuf, io::Error),
    /// It was written by a newer program.
    Newer(PathBuf, String),
}

impl fmt::Display for DataDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataDirError::Nowhere => f.write_str("no place for data: set --data DIR, LOGSHIP_DATA or HOME"),
            DataDirError::Io(path, cause) => {
                write!(f, "cannot use the data directory {}: {cause}; choose another with --data DIR", path.display())
            }
            DataDirError::Newer(path, format) => write!(
                f,
                "the data directory {} has format {format}, this logship writes {FORMAT}: use the newer logship, or another --data DIR",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DataDirError {}

/// What `server.json` says: who owns the store and where its page is. Mode 0600.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFile {
    /// The owner's process id.
    pub pid: u32,
    /// Its address, ending with a slash.
    pub url: String,
}

impl DataDir {
    /// The directory that is meant when `given` is what the command line and the environment say.
    ///
    /// # Errors
    /// [`DataDirError::Nowhere`].
    pub fn locate(given: Option<&Path>) -> Result<PathBuf, DataDirError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        if let Some(state) = variable("XDG_STATE_HOME") {
            return Ok(state.join("logship"));
        }
        match variable("HOME") {
            Some(home) if home != Path::new("/") => Ok(home.join(".local/state/logship")),
            _ if fs::metadata("/var/lib").is_ok() => Ok(PathBuf::from("/var/lib/logship")),
            _ => Err(DataDirError::Nowhere),
        }
    }

    /// Makes the directory where it is missing and checks its format.
    ///
    /// # Errors
    /// It cannot be written, or is of a newer format.
    pub fn open(root: &Path) -> Result<DataDir, DataDirError> {
        let io = |cause| DataDirError::Io(root.to_owned(), cause);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(io)?;
        let data = DataDir { root: root.to_owned() };
        if !data.check_format()? {
            // Renamed into place, so that two processes starting together never see half a file.
            let temporary = root.join(format!(".FORMAT.{}", std::process::id()));
            fs::write(&temporary, format!("{FORMAT}\n")).map_err(io)?;
            fs::rename(&temporary, root.join("FORMAT")).map_err(io)?;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(data.log()).map_err(io)?;
        Ok(data)
    }

    /// The directory as it is, for reading alone.
    ///
    /// # Errors
    /// It is not there, or is of a newer format.
    pub fn open_existing(root: &Path) -> Result<DataDir, DataDirError> {
        let data = DataDir { root: root.to_owned() };
        fs::metadata(root).map_err(|cause| DataDirError::Io(root.to_owned(), cause))?;
        data.check_format()?;
        Ok(data)
    }

    /// Whether there is a format file; it is one that this program can use.
    fn check_format(&self) -> Result<bool, DataDirError> {
        match fs::read_to_string(self.root.join("FORMAT")) {
            Ok(text) if text.trim() == FORMAT.to_string() => Ok(true),
            Ok(text) => Err(DataDirError::Newer(self.root.clone(), text.trim().chars().take(20).collect())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(DataDirError::Io(self.root.clone(), cause)),
        }
    }

    /// What tells this directory from others for as long as it is there; made by whoever asks first.
    ///
    /// # Errors
    /// It can neither be read nor written.
    pub fn id(&self) -> io::Result<String> {
        let path = self.root.join(ID);
        let read = || fs::read_to_string(&path).map(|text| text.trim().to_owned());
        match read() {
            Ok(id) if !id.is_empty() => return Ok(id),
            Ok(_) => fs::remove_file(&path)?,
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            Err(_) => {}
        }
        // Linked into place, so that of two processes one wins, and nobody sees half a file.
        let temporary = self.root.join(format!(".{ID}.{}", std::process::id()));
        fs::write(&temporary, format!("{}\n", LogId::random()))?;
        let linked = fs::hard_link(&temporary, &path);
        let _ = fs::remove_file(&temporary);
        match linked {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
            _ => read(),
        }
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the logs are.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Where the store is.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Says where the owner's page is.
    ///
    /// # Errors
    /// Writing failed.
    pub fn write_server(&self, server: &ServerFile) -> io::Result<()> {
        self.write_address(SERVER, server)
    }

    /// Says where an agent's status is.
    ///
    /// # Errors
    /// Writing failed.
    pub fn write_agent(&self, agent: &ServerFile) -> io::Result<()> {
        self.write_address(AGENT, agent)
    }

    fn write_address(&self, name: &str, file: &ServerFile) -> io::Result<()> {
        let temporary = self.root.join(format!(".{name}.{}", file.pid));
        let mut opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        opened.write_all(serde_json::to_string(file)?.as_bytes())?;
        drop(opened);
        fs::rename(temporary, self.root.join(name))
    }

    /// The agent that says that it ships from here; it may have died since.
    #[must_use]
    pub fn read_agent(&self) -> Option<ServerFile> {
        self.read_address(AGENT)
    }

    fn read_address(&self, name: &str) -> Option<ServerFile> {
        serde_json::from_str(&fs::read_to_string(self.root.join(name)).ok()?).ok()
    }

    /// Who says that it owns the store; it may have died since.
    #[must_use]
    pub fn read_server(&self) -> Option<ServerFile> {
        self.read_address(SERVER)
    }

    /// Takes back what [`DataDir::write_server`] said, if it is still ours.
    pub fn remove_server(&self, pid: u32) {
        if self.read_server().is_some_and(|server| server.pid == pid) {
            let _ = fs::remove_file(self.root.join(SERVER));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_format_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path()).unwrap();
        DataDir::open(dir.path()).unwrap();
        fs::write(dir.path().join("FORMAT"), "7\n").unwrap();
        let message = DataDir::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("format 7") && message.contains("--data DIR"), "{message}");
    }

    #[test]
    fn its_id_stays_and_no_other_has_it() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = |dir: &tempfile::TempDir| DataDir::open(dir.path()).unwrap().id().unwrap();
        assert_eq!(id(&one), id(&one));
        assert_ne!(id(&one), id(&other));
        fs::write(one.path().join(ID), "").unwrap();
        assert_eq!((id(&one).len(), id(&one)), (12, id(&one)));
    }

    #[test]
    fn only_the_owner_takes_its_address_back() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let server = ServerFile { pid: 7, url: "http://127.0.0.1:1/".into() };
        data.write_server(&server).unwrap();
        data.remove_server(8);
        assert_eq!(data.read_server(), Some(server));
        data.remove_server(7);
        assert_eq!(data.read_server(), None);
    }
}
