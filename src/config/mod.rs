//! Where things are and what was asked for, before anything runs.

mod data_dir;

pub use data_dir::{DataDir, DataDirError, ServerFile};
