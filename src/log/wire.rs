//! Frames on their way from an agent's log to a server: the body of `POST /api/v1/frames`.
//!
//! For each frame `from` and `start`, u64 little-endian each, then the frame as it is on disk. Its checksum covers the id of
//! the log and `start`, so a frame of another log or place is none here either. `from` is where the frame sent before it
//! ended: marks and damaged stretches between two frames belong to the second, so what a server knows of a log that it has
//! been sent in order is one range.

use crate::flow::Pos;

/// Appends a frame.
pub fn put(out: &mut Vec<u8>, from: Pos, start: Pos, frame: &[u8]) {
    out.extend_from_slice(&from.0.to_le_bytes());
    out.extend_from_slice(&start.0.to_le_bytes());
    out.extend_from_slice(frame);
}
