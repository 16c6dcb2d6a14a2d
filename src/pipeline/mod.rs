//! The one place that sees everything: starts, connects and stops the parts.

pub mod tail;
