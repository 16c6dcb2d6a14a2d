//! The questions and their answers.

use super::Cancel;
use crate::{
    event::Timestamp,
    flow::{EventId, Stored},
};
use logship_parsers::query::ast::Query;
use std::{fmt, ops::ControlFlow, str::FromStr, time::Duration};

/// Which events a question is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The filter.
    pub query: Query,
    /// Events at or after this time.
    pub from: Option<Timestamp>,
    /// Events before this time.
    pub to: Option<Timestamp>,
    /// The moment that `now` in the query means.
    pub now: Timestamp,
}

/// Whether all matches are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Every match is counted; the page's rows come first.
    Exact,
    /// Only the page is looked for.
    None,
}

/// Where a page ended: the next one begins right behind it. Newest first means descending by time, then by identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row in milliseconds, the resolution in which rows are ordered.
    pub time_ms: i64,
    /// Its identity.
    pub id: EventId,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.time_ms, self.id)
    }
}

impl FromStr for Cursor {
    type Err = String;
    fn from_str(text: &str) -> Result<Cursor, String> {
        let parts = text.split_once('_').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
        let (time_ms, id) = parts.ok_or_else(|| format!("`{text}` is no cursor of this server"))?;
        Ok(Cursor { time_ms, id })
    }
}

/// A page of rows and, where asked for, the count of all matches.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Which events.
    pub scope: Scope,
    /// Rows of this page, at most [`super::RESULT_PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// Whether to count.
    pub count: Count,
    /// The search stops here and says so. Rows that it gives before are the newest there are: where it stopped among
    /// them, the page is short and the next one goes on.
    pub deadline: Duration,
    /// Ends it.
    pub cancel: Cancel,
}

/// How counts relate to the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Exactly.
    Eq,
    /// At least.
    Gte,
}

/// What a search says after its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Rows given.
    pub rows: usize,
    /// Matches of the whole scope (the cursor does not count).
    pub matched: u64,
    /// How exact that is.
    pub relation: Relation,
    /// Where the page ended, if there may be more.
    pub cursor: Option<Cursor>,
    /// The delivery number of the first event that this answer does not cover: a tail goes on from here.
    pub next_number: u64,
    /// Rows may be missing: a part of the store could not be read, or the deadline came; a warning says which.
    pub partial: bool,
    /// Sentences for the reader: an unknown field with a suggestion, a part that could not be read.
    pub warnings: Vec<String>,
}

/// Counts over time.
#[derive(Clone, Debug)]
pub struct HistogramRequest {
    /// Which events. Without `from` or `to`, the first or last event of the store limits the range.
    pub scope: Scope,
    /// About how many bars, at most [`super::HISTOGRAM_BUCKETS_MAX`]; the step is the next round one.
    pub buckets: usize,
    /// One series for each value of this field (short names allowed).
    pub by: Option<String>,
    /// Counting stops here and says so.
    pub deadline: Duration,
    /// Ends it.
    pub cancel: Cancel,
}

/// One series of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The value, `""` for events without the field, `other` for the rest: less frequent values, and those of which no
    /// column holds the whole.
    pub key: String,
    /// One count a bar.
    pub counts: Vec<u64>,
}

/// Counts over time: bar i covers `[from + i*step, from + (i+1)*step)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Start of the first bar, a whole multiple of the step.
    pub from_ms: i64,
    /// End of the last bar.
    pub to_ms: i64,
    /// Width of a bar.
    pub step_ms: i64,
    /// Most frequent first; `""` and `other` last.
    pub series: Vec<Series>,
    /// Sum of all.
    pub total: u64,
    /// How exact the counts are; a warning says why they are not.
    pub relation: Relation,
    /// Sentences for the reader.
    pub warnings: Vec<String>,
}

/// The type of values seen in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldType {
    /// Text.
    String,
    /// Whole numbers.
    Long,
    /// Other numbers.
    Double,
    /// `true` and `false`.
    Boolean,
}

/// A field that the searched partitions have.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldInfo {
    /// Dotted name.
    pub name: String,
    /// All types seen, sorted.
    pub types: Vec<FieldType>,
    /// Events of the searched partitions that have it.
    pub count: u64,
}

/// The most frequent values of a field.
#[derive(Clone, Debug)]
pub struct ValuesRequest {
    /// Which events.
    pub scope: Scope,
    /// The field (short names allowed).
    pub field: String,
    /// How many values, at most [`super::FIELD_VALUES_MAX`].
    pub limit: usize,
    /// Counting stops here and says so.
    pub deadline: Duration,
    /// Ends it.
    pub cancel: Cancel,
}

/// One value and how often it came.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueCount {
    /// The value, in its type.
    pub value: crate::event::Value,
    /// Events that have it.
    pub count: u64,
}

/// The most frequent values of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldValues {
    /// The field as it is named in the events.
    pub field: String,
    /// Most frequent first, then by value.
    pub values: Vec<ValueCount>,
    /// How many different values there are.
    pub distinct: u64,
    /// Events of the scope.
    pub matched: u64,
    /// Those without the field.
    pub missing: u64,
    /// How exact all of these numbers are; a warning says why they are not. Where they are not, there may be values that
    /// are more frequent than those listed.
    pub relation: Relation,
    /// Sentences for the reader.
    pub warnings: Vec<String>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryFailure {
    /// The question makes no sense; the message says why and what to do.
    Invalid(String),
    /// The caller stopped listening.
    Cancelled,
    /// Reading failed.
    Storage(String),
    /// The store is not open yet.
    NotReady(String),
}

impl fmt::Display for QueryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryFailure::Invalid(why) | QueryFailure::Storage(why) | QueryFailure::NotReady(why) => f.write_str(why),
            QueryFailure::Cancelled => f.write_str("the caller stopped listening"),
        }
    }
}

impl std::error::Error for QueryFailure {}

/// Something that answers questions about stored events. Blocking: call it from a plain thread.
pub trait Backend: Send + Sync {
    /// Gives the rows of a page, newest first, to `row`, which may break off; then counts.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure>;

    /// Counts over time.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure>;

    /// The fields of the partitions that the scope touches, by name.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure>;

    /// The most frequent values of a field among the events of the scope.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure>;

    /// One event by its identity.
    ///
    /// # Errors
    /// See [`QueryFailure`].
    fn event(&self, id: EventId) -> Result<Option<Stored>, QueryFailure>;
}
