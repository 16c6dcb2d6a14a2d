//! Questions to the stored events.
//!
//! [`Backend`] is the narrow door: a query, a time range and limits in; rows, counts and fields out. The embedded store
//! stands behind it; a remote cluster can stand beside it. Callers never see tantivy.
//!
//! Promises: an answer says when it is partial; rows come newest first; a search whose caller goes away stops. Everything
//! here runs on plain threads, never on the async runtime.
//!
//! [`Matcher`] says what a query means; [`Embedded`] finds the same by index. `plan` turns a query into steps over one
//! segment, `columns` and `window` carry them out, `scan` walks over segments; a plan that may find too much is asked
//! about event by event.

mod backend;
mod columns;
mod embedded;
mod eval;
mod facets;
mod field_test;
mod histogram;
mod leaf;
mod plan;
mod rows;
mod scan;
mod stop;
mod terms;
mod text;
mod window;

#[cfg(test)]
mod tests;

pub use backend::{
    Backend, Count, Cursor, FieldInfo, FieldType, FieldValues, Histogram, HistogramRequest, QueryFailure, Relation,
    Scope, SearchRequest, Series, Summary, ValueCount, ValuesRequest,
};
pub use embedded::Embedded;
pub use eval::Matcher;
pub use facets::VALUES_TRACKED_MAX;
pub use histogram::SERIES_TRACKED_MAX;
pub use stop::Cancel;
pub use terms::TERM_COUNTS_MAX;
pub use text::SLOP_WORDS_MAX;

/// Most rows of one page of results.
pub const RESULT_PAGE_MAX: usize = 1_000;
/// Most bars of one histogram.
pub const HISTOGRAM_BUCKETS_MAX: usize = 500;
/// Most series of one histogram; the rest is added up as `other`.
pub const HISTOGRAM_SERIES_MAX: usize = 10;
/// Most values of one field that are listed.
pub const FIELD_VALUES_MAX: usize = 1_000;
