//! A frame in, events out.
//!
//! A plan is a **pure function of (frame, hint)**: no clock but the frame's time of arrival, no randomness. Replaying a
//! frame after a crash gives the same events. A line that no format knows is an event with the line as its message; a
//! record that makes a parser panic is kept as plain text, tagged `_parserpanic`, and the other records go on.

mod auto;
mod explain;
mod hints;
pub mod program;
mod reader;

pub use auto::{Format, Plan};
pub use explain::Explained;
pub use hints::{HINTED_STREAMS_MAX, Hint, StreamHints};
pub use reader::{Reader, Reading, zone};
