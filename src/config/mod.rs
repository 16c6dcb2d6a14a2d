//! Where things are and what was asked for, before anything runs.

mod data_dir;
pub mod options;
pub mod pem;
mod regexes;

pub use data_dir::{DataDir, DataDirError, ServerFile};
pub use options::{Ecs, Options, Role, Settings, place_in};
pub use regexes::{REGEX_BYTES_MAX, regex_of, ruby_regex};
