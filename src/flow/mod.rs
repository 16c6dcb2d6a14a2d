//! What flows, in flow order, and the two ends it flows between.
//!
//! `Input` --[`RawBatch`]--> [`Intake`] --> log --> [`Frame`] --> worker --> [`Batch`] --> [`Outlet`] --> `Output`
//!
//! There are two acknowledgements only: [`Intake::append`] returns once the records are durable in the log, so the input
//! may forget them; [`Outlet::done`] says that an output made everything up to a position durable, so the log may.
//! Both channels are bounded: [`APPENDS_QUEUED_MAX`] and [`BATCHES_QUEUED_MAX`].

mod addresses;
mod batch;
mod exact;
mod intake;
mod outlet;
mod position;
mod shutdown;
mod stop;

pub use addresses::{Addresses, LETTERS_MAX, Letter, NobodyThere};
pub use batch::{Batch, FileMark, Frame, Origin, RawBatch, Record, RecordKind, Span, Stored};
pub use exact::{CLIENT_BYTES_MAX, SEQ_MAX, Spans, exact};
pub use intake::{Append, AppendError, Appended, Gate, Intake, Pending, SyncClass};
pub use outlet::{Outlet, Progress};
pub use position::{EventId, LogId, Pos};
pub use shutdown::Shutdown;
pub use stop::{Stop, Woken};

/// Appends that may wait for the log thread; an input that finds the queue full waits.
pub const APPENDS_QUEUED_MAX: usize = 64;
/// Batches that may wait for one output; the delivery waits when an output is that far behind.
pub const BATCHES_QUEUED_MAX: usize = 4;
/// Most records of one frame.
pub const RECORDS_PER_FRAME_MAX: usize = 65_536;
/// Most record bytes of one frame; inputs cut their batches at 1 MiB, one long record may reach beyond.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
