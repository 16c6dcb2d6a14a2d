//! Questions to the stored events.
//!
//! [`Backend`] is the narrow door: a query, a time range and limits in; rows, counts and fields out. The embedded store
//! stands behind it; a remote cluster can stand beside it. Callers never see tantivy.
//!
//! Promises: an answer says when it is partial; rows come newest first; a search whose caller goes away stops. Everything
//! here runs on plain threads, never on the async runtime.

mod backend;
mod columns;
mod embedded;
mod eval;
mod facets;
mod field_test;
mod histogram;
mod leaf;
mod plan;
mod scan;
mod text;
mod window;

pub use backend::{
    Backend, Count, Cursor, FieldInfo, FieldType, FieldValues, Histogram, HistogramRequest, QueryFailure, Relation,
    Scope, SearchRequest, Series, Summary, ValueCount, ValuesRequest,
};
pub use embedded::Embedded;
pub use eval::Matcher;
pub use facets::VALUES_TRACKED_MAX;
pub use histogram::SERIES_TRACKED_MAX;

/// Most rows of one page of results.
pub const RESULT_PAGE_MAX: usize = 1_000;
/// Most bars of one histogram.
pub const HISTOGRAM_BUCKETS_MAX: usize = 500;
/// Most series of one histogram; the rest is added up as `other`.
pub const HISTOGRAM_SERIES_MAX: usize = 10;
/// Most values of one field that are listed.
pub const FIELD_VALUES_MAX: usize = 1_000;
