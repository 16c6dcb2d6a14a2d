//! Answers from a data directory that this process must not or cannot write: the store as its owner last committed it, and
//! beside it a temporary store of what the logs hold beyond that. Together they are every acknowledged record.

use crate::{
    config::DataDir,
    flow::{Batch, EventId, Progress, Stored},
    fs::{Fs, RealFs},
    log::{self, Limit, LogError, Reader},
    plan::{Plan, StreamHints},
    query::{
        Backend, Embedded, FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, Scope, SearchRequest,
        Summary, ValuesRequest,
    },
    store::{Options, SnapshotHandle, Store, StoreError},
};
use std::{fmt, ops::ControlFlow, path::PathBuf, sync::Arc};

/// Answers questions about a data directory without changing it.
pub struct ReadOnly {
    embedded: Embedded,
    _rest: Rest,
}

impl Backend for ReadOnly {
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure> {
        self.embedded.search(request, row)
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        self.embedded.histogram(request)
    }

    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        self.embedded.fields(scope)
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        self.embedded.values(request)
    }

    fn event(&self, id: EventId) -> Result<Option<Stored>, QueryFailure> {
        self.embedded.event(id)
    }
}

/// Why it cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The store.
    Store(StoreError),
    /// A log.
    Log(LogError),
    /// The temporary store.
    Temporary(PathBuf, std::io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Store(cause) => cause.fmt(f),
            ReadError::Log(cause) => cause.fmt(f),
            ReadError::Temporary(path, cause) => {
                write!(f, "cannot make {}: {cause}; set TMPDIR to a folder that can be written", path.display())
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// The folder of the temporary store; goes with the process.
struct Rest(PathBuf);

impl Drop for Rest {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How often an owner may take logs away under a reader before it gives up.
const READ_ATTEMPTS_MAX: usize = 5;

/// Opens the directory for reading.
///
/// # Errors
/// It cannot be read, or the temporary store cannot be written.
pub fn open(data: &DataDir, plan: Plan) -> Result<ReadOnly, ReadError> {
    let mut attempt = 1;
    loop {
        match read(data, plan) {
            // The owner has committed and then trimmed or removed a log meanwhile.
            Err(ReadError::Log(cause)) if attempt < READ_ATTEMPTS_MAX && is_missing(&cause) => attempt += 1,
            other => return other,
        }
    }
}

fn is_missing(cause: &LogError) -> bool {
    match cause {
        LogError::Gap { .. } | LogError::NoLog { .. } => true,
        LogError::Io { cause, .. } => cause.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn read(data: &DataDir, plan: Plan) -> Result<ReadOnly, ReadError> {
    // Before the store: a log that goes between the two would be in neither.
    let logs = log::list(&RealFs, &data.log()).map_err(ReadError::Log)?;
    let committed = Store::open_read_only(&data.store()).map_err(ReadError::Store)?;
    let path = std::env::temp_dir().join(format!("logship-read-{}", std::process::id()));
    std::fs::create_dir_all(&path).map_err(|cause| ReadError::Temporary(path.clone(), cause))?;
    let folder = Rest(path);
    let options = Options { free_bytes_min: 0, ..Options::default() };
    let mut rest = Store::open(&folder.0, options).map_err(ReadError::Store)?;
    add_rest(&mut rest, &logs, committed.progress(), plan)?;
    rest.commit_soft().map_err(ReadError::Store)?;
    let joined = SnapshotHandle::new(committed.beside(&rest.snapshot()));
    Ok(ReadOnly { embedded: Embedded::new(joined), _rest: folder })
}

fn add_rest(rest: &mut Store, logs: &[log::Found], progress: &Progress, plan: Plan) -> Result<(), ReadError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    for found in logs {
        let from = progress.get(&found.id).copied().unwrap_or_default();
        let mut reader = Reader::open(&fs, &found.dir, from).map_err(ReadError::Log)?;
        let mut hints = StreamHints::default();
        let limit = if found.alive { Limit::Marked } else { Limit::Everything };
        while let Some(frame) = reader.next(limit).map_err(ReadError::Log)? {
            let hint = hints.observe(&frame);
            let events = plan.run(&frame, &hint);
            let batch = Batch { log: frame.log, start: frame.start, end: frame.end, first_number: 0, events };
            rest.add(&batch).map_err(ReadError::Store)?;
        }
    }
    Ok(())
}
