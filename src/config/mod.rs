//! Where things are and what was asked for, before anything runs.

pub mod columns;
mod data_dir;
mod gone;
pub mod options;
pub mod paths;
mod patterns;
pub mod pem;
mod regexes;
mod unverified;

pub use data_dir::{DataDir, DataDirError, ServerFile};
pub use options::{Ecs, Options, Role, Settings, place_in};
pub use patterns::{grok_files, grok_library, wrong_grok};
pub use regexes::{BACKTRACKS_MAX, Expression, REGEX_BYTES_MAX, ruby_regex};
pub use unverified::Unverified;
