//! How bytes become records, before the log.

pub mod first_line;
pub mod forward;
pub mod gate;
pub mod gelf;
pub mod inflate;
pub mod lines;
pub mod lumberjack;
pub mod messages;
pub mod mix;
pub mod msgpack;
pub mod object;
pub mod otlp;
pub mod parts;
mod places;
pub mod plugins;
pub mod redact;
pub mod sample;
