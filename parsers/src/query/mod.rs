//! The search language: what a person types into the query box, `logship search` and `logship tail`.
//!
//! Words, phrases, prefixes and wildcards over the text; `field:value`, sets, ranges, comparisons with units,
//! existence and regular expressions over fields; `AND`, `OR`, `NOT`, grouping; `_time:`. Juxtaposition is AND,
//! and AND binds tighter than OR.

pub mod ast;
