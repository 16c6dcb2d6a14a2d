//! What one event becomes in the index. This is the store's format v1: changing it makes old stores unreadable.
//!
//! | field | holds | how |
//! |---|---|---|
//! | `time` | the event's time, whole milliseconds rounded down | column; each segment is sorted by it, ascending |
//! | `log`, `at` | the event's identity | columns: 12 hex digits, and a number |
//! | `fields` | each leaf field but `message` and nulls under its dotted name | columns by name and type |
//! | `message` | the words of `message` | postings with positions |
//! | `values` | the words of all other leaves that `message` does not hold | postings without frequencies |
//! | `partial` | names of fields whose column lacks the value or holds only its beginning | column, several values |
//! | `stored` | the event itself ([`super::stored`]), without the time's milliseconds and the identity | document store |

use std::borrow::Cow;
use tantivy::schema::{
    BytesOptions, DateOptions, DateTimePrecision, Field, IndexRecordOption, JsonObjectOptions, NumericOptions,
    TextFieldIndexing, TextOptions,
};
use tantivy::store::{Compressor, ZstdCompressor};
use tantivy::{IndexSettings, IndexSortByField, Order};

/// The name under which the tokenizer is registered with each index.
pub const TOKENIZER: &str = "logship";

/// The handles of the fields, the same in every partition.
#[derive(Clone, Debug)]
pub struct Schema {
    /// `time`: date column in milliseconds.
    pub time: Field,
    /// `log`: string column, the [`LogId`](crate::flow::LogId) as 12 hex digits.
    pub log: Field,
    /// `at`: u64 column, [`EventId::at`](crate::flow::EventId).
    pub at: Field,
    /// `fields`: the JSON field that holds a column for each dotted name; not indexed. A string that is the canonical
    /// decimal of an i64 is there as that number; whole numbers are i64, others f64 (a column that holds both is f64),
    /// besides bool, date (nanoseconds) and str.
    pub fields: Field,
    /// `message`: words with positions.
    pub message: Field,
    /// `values`: words without positions.
    pub values: Field,
    /// `partial`: string column of dotted names, see [`super::COLUMN_VALUE_BYTES_MAX`].
    pub partial: Field,
    /// `stored`: bytes in the document store.
    pub stored: Field,
    /// tantivy's own view of the same.
    pub index: tantivy::schema::Schema,
}

impl Default for Schema {
    fn default() -> Schema {
        Schema::new()
    }
}

impl Schema {
    /// The schema of format v1.
    #[must_use]
    pub fn new() -> Schema {
        let mut builder = tantivy::schema::Schema::builder();
        let raw = TextOptions::default().set_fast("raw");
        let words = |option| {
            let indexing = TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_fieldnorms(false);
            TextOptions::default().set_indexing_options(indexing.set_index_option(option))
        };
        let time = DateOptions::default().set_fast().set_precision(DateTimePrecision::Milliseconds);
        let time = builder.add_date_field("time", time);
        let log = builder.add_text_field("log", raw.clone());
        let at = builder.add_u64_field("at", NumericOptions::default().set_fast());
        let fields =
            builder.add_json_field("fields", JsonObjectOptions::default().set_fast("raw").set_expand_dots_enabled());
        let message = builder.add_text_field("message", words(IndexRecordOption::WithFreqsAndPositions));
        let values = builder.add_text_field("values", words(IndexRecordOption::Basic));
        let partial = builder.add_text_field("partial", raw);
        let stored = builder.add_bytes_field("stored", BytesOptions::default().set_stored());
        Schema { time, log, at, fields, message, values, partial, stored, index: builder.build() }
    }
}

/// How segments are written. Measured by `benches/store.rs`.
pub(super) fn settings() -> IndexSettings {
    IndexSettings {
        sort_by_field: Some(IndexSortByField { field: "time".to_owned(), order: Order::Asc }),
        docstore_compression: Compressor::Zstd(ZstdCompressor { compression_level: Some(1) }),
        docstore_compress_dedicated_thread: false,
        docstore_blocksize: 64 << 10,
        ..IndexSettings::default()
    }
}

/// A field's name as the columns hold it: the engine reserves NUL and U+0001, so they become U+FFFD, and so does the
/// empty name, which the engine cannot ask for.
#[must_use]
pub fn column_name(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        Cow::Borrowed("\u{fffd}")
    } else if name.bytes().any(|b| b < 2) {
        Cow::Owned(name.replace(['\0', '\u{1}'], "\u{fffd}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The engine's path to the column of a dotted field name, for `fast_fields()` and aggregations: `fields.` and the name
/// with its backslashes doubled. `Term::from_field_json_path(schema.fields, path, true)` takes the part after `fields.`.
///
/// ```
/// use logship::store::column_path;
/// assert_eq!(column_path("log.level"), "fields.log.level");
/// assert_eq!(column_path(r"a\b"), r"fields.a\\b");
/// ```
#[must_use]
pub fn column_path(name: &str) -> String {
    let mut path = String::with_capacity("fields.".len() + name.len());
    path.push_str("fields.");
    for ch in column_name(name).chars() {
        if ch == '\\' {
            path.push('\\');
        }
        path.push(ch);
    }
    path
}
