//! How bytes become records, before the log.

pub mod forward;
pub mod gelf;
pub mod inflate;
pub mod lines;
pub mod messages;
pub mod mix;
mod places;
pub mod msgpack;
pub mod object;
pub mod otlp;
pub mod parts;
