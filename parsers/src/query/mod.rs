//! The search language: what a person types into the query box, `logship search` and `logship tail`.
//!
//! Words, phrases, prefixes and wildcards over the text; `field:value`, sets, ranges, comparisons with units,
//! existence and regular expressions over fields; `AND`, `OR`, `NOT`, grouping; `_time:`. Juxtaposition is AND,
//! and AND binds tighter than OR.
//!
//! [`parse`] makes the tree, `Display` prints it back in canonical form, [`QueryError::render`] explains what is wrong.
//! [`tokens`], [`severity`] and [`short_names`] are what the index and the evaluator share.

pub mod ast;
mod error;
mod fielded;
mod grammar;
mod lexical;
pub mod literal;
mod loki;
mod print;
pub mod severity;
pub mod short_names;
pub mod tokens;
mod words;

pub use error::{QueryError, QueryErrorCode, RENDER_COLUMNS_MAX};
pub use grammar::{HINTS_MAX, Hint, Parsed, QUERY_BYTES_MAX, QUERY_CLAUSES_MAX, QUERY_DEPTH_MAX, SLOP_MAX, parse};
pub use lexical::REGEX_BYTES_MAX;
pub use words::words;
