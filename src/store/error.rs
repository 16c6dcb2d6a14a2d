//! What can go wrong in the store: what happened, where, what to do.

use std::path::{Path, PathBuf};
use std::{fmt, io};
use tantivy::directory::error::OpenReadError;

/// Why the store could not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// Another process holds `store.lock`.
    Locked(PathBuf),
    /// The folder was written by a newer logship.
    Newer {
        /// The `FORMAT` file.
        path: PathBuf,
        /// The version that it names.
        found: String,
    },
    /// A file does not hold what it should.
    Corrupt {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Reading or writing failed.
    Io {
        /// What was being done: `write`, `open`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The index engine refused.
    Engine {
        /// What was being done: `add an event to`, `merge`.
        doing: &'static str,
        /// The partition's folder.
        path: PathBuf,
        /// Its words.
        cause: String,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked(path) => {
                write!(f, "another process is writing to the store (it holds {})", path.display())
            }
            StoreError::Newer { path, found } => write!(
                f,
                "the store was written by a newer logship: {} says {found}, this one knows {}; use that version again",
                path.display(),
                super::FORMAT
            ),
            StoreError::Corrupt { path, what, remedy } => write!(f, "{}: {what}; {remedy}", path.display()),
            StoreError::Io { doing, path, cause } => write!(f, "cannot {doing} {}: {cause}", path.display()),
            StoreError::Engine { doing, path, cause } => write!(f, "cannot {doing} {}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

/// Gives an I/O error its place: `fs::write(..).map_err(failed("write", path))`.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |cause| StoreError::Io { doing, path, cause }
}

impl StoreError {
    /// What happened and where, for somebody who knows better what to do.
    pub(super) fn without_remedy(&self) -> String {
        match self {
            StoreError::Corrupt { path, what, .. } => format!("{}: {what}", path.display()),
            other => other.to_string(),
        }
    }

    /// Whether the disk has no room for what was tried.
    pub(super) fn is_no_room(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        matches!(self, StoreError::Io { cause, .. } if full(cause.kind()))
    }

    /// The store cannot go on without its open partition, so moving that folder away alone does not help.
    pub(super) fn of_the_open_partition(self) -> StoreError {
        match self {
            StoreError::Corrupt { path, what, .. } => {
                let remedy = "restore it from a backup, or move the whole store folder away to begin an empty one";
                StoreError::Corrupt { path, what, remedy }
            }
            other => other,
        }
    }
}

/// A file or folder of a partition does not hold what it should.
pub(super) fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    let remedy = "restore the partition's folder from a backup and start again";
    StoreError::Corrupt { path: path.to_owned(), what: what.into(), remedy }
}

/// A file of a partition cannot be read: because of what it holds, or because of the disk.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged(path, "the file is damaged"),
        io::ErrorKind::NotFound => damaged(path, "the file is missing"),
        _ => damaged(path, format!("the file cannot be read ({error})")),
    }
}

/// Gives an engine error its place. What the engine calls damage is [`StoreError::Corrupt`].
pub(super) fn refused(doing: &'static str, path: &Path) -> impl FnOnce(tantivy::TantivyError) -> StoreError {
    use tantivy::TantivyError as E;
    let path = path.to_owned();
    move |error| match error {
        E::OpenReadError(OpenReadError::FileDoesNotExist(file)) => {
            unreadable(&path.join(file), &io::ErrorKind::NotFound.into())
        }
        E::OpenReadError(OpenReadError::IoError { io_error, filepath }) => unreadable(&path.join(filepath), &io_error),
        E::DataCorruption(_) | E::IncompatibleIndex(_) | E::OpenReadError(_) => {
            damaged(&path, error.to_string().replace('\n', " "))
        }
        E::IoError(cause) if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            damaged(&path, "a file of the index is damaged")
        }
        E::IoError(cause) => StoreError::Io { doing, path, cause: io::Error::new(cause.kind(), cause.to_string()) },
        other => StoreError::Engine { doing, path, cause: other.to_string().replace('\n', " ") },
    }
}
