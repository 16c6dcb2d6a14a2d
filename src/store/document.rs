//! An event as the index takes it: its identity, its columns, its words and its stored copy.
//!
//! Text is borrowed from the event by reference count; names of columns are interned. Promise: for every leaf of the
//! event, each of its words is found in `message` or in `values`, unless the leaf is a unique id with a column.

use super::schema::{Schema, column_name};
use super::stored;
use super::{COLUMN_VALUE_BYTES_MAX, COLUMNS_PER_PARTITION_MAX};
use crate::event::{Map, Value};
use crate::flow::Stored;
use bytestring::ByteString;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::DateTime;
use tantivy::schema::Field;
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf};

/// Where in `message` the memory of `text` lies, if it does.
pub(super) fn slice_of(message: &str, text: &str) -> Option<usize> {
    let start = (text.as_ptr() as usize).checked_sub(message.as_ptr() as usize)?;
    (!text.is_empty() && start + text.len() <= message.len()).then_some(start)
}

/// Whether `message[start..end]` begins and ends where words do, so that its words are words of the message.
fn stands_alone(message: &str, start: usize, end: usize) -> bool {
    let word = |ch: Option<char>| ch.is_some_and(char::is_alphanumeric);
    let (Some(before), Some(inside), Some(after)) = (message.get(..start), message.get(start..end), message.get(end..))
    else {
        return false;
    };
    let joined = |left: &str, right: &str| word(left.chars().next_back()) && word(right.chars().next());
    !joined(before, inside) && !joined(inside, after)
}

fn has_word(message: &str, word: &str) -> bool {
    memchr::memmem::find_iter(message.as_bytes(), word).any(|start| stands_alone(message, start, start + word.len()))
}

/// Whether a value is an id that hardly ever comes twice: a UUID, or 16 and more hex digits that are no number. Such
/// values stay out of the text index; a search finds them in the string columns.
///
/// ```
/// use logship::store::is_unique_id;
/// assert!(is_unique_id("4bf92f3577b34da6a3ce929d0e0e4736"));
/// assert!(is_unique_id("123e4567-e89b-12d3-a456-426614174000"));
/// assert!(!is_unique_id("1234567890123456") && !is_unique_id("defaced"));
/// ```
#[must_use]
pub fn is_unique_id(text: &str) -> bool {
    let hex = |part: &[u8]| part.iter().all(u8::is_ascii_hexdigit);
    match text.as_bytes() {
        bytes if bytes.len() < 16 || !bytes[0].is_ascii_hexdigit() => false,
        bytes if bytes.len() == 36 && bytes[8] == b'-' => {
            let mut parts = bytes.split(|b| *b == b'-');
            [8, 4, 4, 4, 12].iter().all(|len| parts.next().is_some_and(|part| part.len() == *len && hex(part)))
        }
        bytes => hex(bytes) && canonical_integer(text).is_none(),
    }
}

/// The number of which `text` is the canonical decimal.
pub(super) fn canonical_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let canonical = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// The text of a leaf value whose words can be searched: strings as they are, the others as JSON shows them. Nothing
/// for nulls, lists and objects.
#[must_use]
pub fn leaf_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Str(text) => Some(Cow::Borrowed(text)),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(|number| Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Time(time) => Some(Cow::Owned(time.to_string())),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// The columns of the open partition: which names have one.
#[derive(Debug, Default)]
pub(super) struct Columns {
    names: HashMap<String, Arc<str>>,
    /// How many values found no room for a column of their field.
    pub(super) refused: u64,
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The interned column name of a dotted field name; none when the partition has no room for it.
    pub(super) fn intern(&mut self, name: &str) -> Option<Arc<str>> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        if self.names.len() >= COLUMNS_PER_PARTITION_MAX {
            self.refused += 1;
            return None;
        }
        let column: Arc<str> = Arc::from(&*column_name(name));
        self.names.insert(name.to_owned(), column.clone());
        Some(column)
    }
}

/// Turns events into documents; keeps its buffers between them.
#[derive(Debug)]
pub(super) struct DocumentWriter {
    schema: Schema,
    pub(super) columns: Columns,
    path: String,
}

impl DocumentWriter {
    pub(super) fn new(schema: Schema, columns: Columns) -> DocumentWriter {
        DocumentWriter { schema, columns, path: String::new() }
    }

    /// The document of one event; `log` is the text of its log's id.
    pub(super) fn document(&mut self, log: &Arc<str>, stored: &Stored) -> EventDocument {
        let event = &stored.event;
        let message = match event.fields.get("message") {
            Some(Value::Str(text)) => text.clone(),
            _ => ByteString::new(),
        };
        let mut copy = Vec::with_capacity(64 + message.len());
        stored::encode(event, &mut copy);
        let mut document = EventDocument {
            schema: Slots::new(&self.schema),
            time: DateTime::from_timestamp_millis(stored::column_millis(event.time)),
            log: log.clone(),
            at: stored.id.at.0,
            message,
            values: String::new(),
            fields: Vec::with_capacity(event.fields.len() + 4),
            partial: Vec::new(),
            stored: copy,
        };
        self.path.clear();
        for (key, value) in event.fields.iter() {
            if key.as_str() == "message" && value.as_str().is_some() {
                continue;
            }
            self.field(key.as_str(), value, 1, &mut document);
        }
        document
    }

    fn field(&mut self, key: &str, value: &Value, depth: usize, document: &mut EventDocument) {
        let parent = self.path.len();
        if depth > 1 {
            self.path.push('.');
        }
        self.path.push_str(key);
        self.value(value, depth, document);
        self.path.truncate(parent);
    }

    fn value(&mut self, value: &Value, depth: usize, document: &mut EventDocument) {
        match value {
            Value::Map(_) | Value::List(_) if depth >= stored::DEPTH_MAX => {}
            Value::Map(map) => self.map(map, depth, document),
            Value::List(values) => values.iter().for_each(|value| self.value(value, depth + 1, document)),
            Value::Null => {}
            leaf => self.leaf(leaf, document),
        }
    }

    fn map(&mut self, map: &Map, depth: usize, document: &mut EventDocument) {
        for (key, value) in map.iter() {
            self.field(key.as_str(), value, depth + 1, document);
        }
    }

    fn leaf(&mut self, leaf: &Value, document: &mut EventDocument) {
        let column = self.columns.intern(&self.path);
        document.add_words(leaf, column.is_some());
        let Some(column) = column else {
            document.partial.push(Arc::from(&*column_name(&self.path)));
            return;
        };
        let cell = match leaf {
            Value::Str(text) => match canonical_integer(text) {
                Some(number) => Cell::Int(number),
                None if text.len() > COLUMN_VALUE_BYTES_MAX => {
                    document.partial.push(column.clone());
                    let mut end = COLUMN_VALUE_BYTES_MAX;
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    Cell::Text(text.slice_ref(&text[..end]))
                }
                None => Cell::Text(text.clone()),
            },
            Value::Int(number) => Cell::Int(*number),
            Value::Float(number) => Cell::Float(*number),
            Value::Bool(truth) => Cell::Bool(*truth),
            Value::Time(time) => Cell::Time(DateTime::from_timestamp_nanos(time.as_nanos())),
            Value::Null | Value::List(_) | Value::Map(_) => return,
        };
        document.fields.push((column, cell));
    }
}

/// One value of a column.
#[derive(Debug)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(ByteString),
    Time(DateTime),
}

/// The schema's handles in the order in which [`Fields`] yields them; `partial` comes last, once a name.
#[derive(Debug)]
struct Slots {
    fields: [Field; 7],
    partial: Field,
}

impl Slots {
    fn new(schema: &Schema) -> Slots {
        let Schema { time, log, at, fields, message, values, stored, partial, .. } = *schema;
        Slots { fields: [time, log, at, fields, message, values, stored], partial }
    }
}

/// An event as the index takes it.
#[derive(Debug)]
pub(super) struct EventDocument {
    schema: Slots,
    time: DateTime,
    log: Arc<str>,
    at: u64,
    message: ByteString,
    values: String,
    fields: Vec<(Arc<str>, Cell)>,
    partial: Vec<Arc<str>>,
    stored: Vec<u8>,
}

impl EventDocument {
    /// The time that segments are sorted by.
    pub(super) fn millis(&self) -> i64 {
        self.time.into_timestamp_millis()
    }

    pub(super) fn stored_len(&self) -> usize {
        self.stored.len()
    }

    /// Adds the words of a leaf unless the message holds them or they are an id that its column finds.
    fn add_words(&mut self, leaf: &Value, has_column: bool) {
        let Some(text) = leaf_text(leaf) else { return };
        let in_message = match leaf {
            Value::Str(text) => slice_of(&self.message, text)
                .is_some_and(|start| stands_alone(&self.message, start, start + text.len())),
            Value::Int(_) => has_word(&self.message, &text),
            _ => false,
        };
        if in_message || (has_column && is_unique_id(&text)) {
            return;
        }
        // A line end separates words and belongs to none.
        self.values.push('\n');
        self.values.push_str(&text);
    }
}

impl Document for EventDocument {
    type Value<'a> = Content<'a>;
    type FieldsValuesIter<'a> = Fields<'a>;

    fn iter_fields_and_values(&self) -> Fields<'_> {
        Fields { document: self, at: 0 }
    }
}

/// The fields of one document.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    document: &'a EventDocument,
    at: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Field, Content<'a>);

    fn next(&mut self) -> Option<(Field, Content<'a>)> {
        let at = self.at;
        self.at += 1;
        let document = self.document;
        let content = match at {
            0 => Content::Time(document.time),
            1 => Content::Text(&document.log),
            2 => Content::Number(document.at),
            3 => Content::Cells(&document.fields),
            4 => Content::Text(&document.message),
            5 => Content::Text(&document.values),
            6 => Content::Bytes(&document.stored),
            _ => return document.partial.get(at - 7).map(|name| (document.schema.partial, Content::Text(name))),
        };
        Some((document.schema.fields[at], content))
    }
}

/// The content of one field.
#[derive(Clone, Debug)]
pub(super) enum Content<'a> {
    Time(DateTime),
    Text(&'a str),
    Number(u64),
    Bytes(&'a [u8]),
    Cells(&'a [(Arc<str>, Cell)]),
    Cell(&'a Cell),
}

impl<'a> tantivy::schema::document::Value<'a> for Content<'a> {
    type ArrayIter = std::iter::Empty<Content<'a>>;
    type ObjectIter = Cells<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Content<'a>> {
        use ReferenceValueLeaf as Leaf;
        ReferenceValue::Leaf(match self {
            Content::Cells(cells) => return ReferenceValue::Object(Cells(cells.iter())),
            Content::Time(time) | Content::Cell(Cell::Time(time)) => Leaf::Date(*time),
            Content::Text(text) => Leaf::Str(text),
            Content::Number(number) => Leaf::U64(*number),
            Content::Bytes(bytes) => Leaf::Bytes(bytes),
            Content::Cell(Cell::Bool(truth)) => Leaf::Bool(*truth),
            Content::Cell(Cell::Int(number)) => Leaf::I64(*number),
            Content::Cell(Cell::Float(number)) => Leaf::F64(*number),
            Content::Cell(Cell::Text(text)) => Leaf::Str(text),
        })
    }
}

/// The columns of one document by name.
#[derive(Debug)]
pub(super) struct Cells<'a>(std::slice::Iter<'a, (Arc<str>, Cell)>);

impl<'a> Iterator for Cells<'a> {
    type Item = (&'a str, Content<'a>);

    fn next(&mut self) -> Option<(&'a str, Content<'a>)> {
        self.0.next().map(|(name, cell)| (&**name, Content::Cell(cell)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Key, Timestamp};
    use crate::flow::{EventId, LogId, Pos};

    fn document(event: Event) -> EventDocument {
        let id = EventId { log: LogId::from_bits(7), at: Pos(1) };
        DocumentWriter::new(Schema::new(), Columns::default()).document(&Arc::from("7"), &Stored { id, event })
    }

    #[test]
    fn canonical_integers() {
        fn check(text: &str, expected: Option<i64>) {
            assert_eq!(canonical_integer(text), expected, "{text}");
        }
        check("0", Some(0));
        check("-5", Some(-5));
        check("9223372036854775807", Some(i64::MAX));
        check("-9223372036854775808", Some(i64::MIN));
        for text in ["", "-", "-0", "00", "+5", "007", "1.0", " 1", "9223372036854775808", "99999999999999999999"] {
            check(text, None);
        }
    }

    #[test]
    fn words_of_the_message_are_not_indexed_twice() {
        let line = ByteString::from("GET /a 200 5ms id=10");
        let mut event = Event::from_line(Timestamp::from_millis(0), line.clone());
        let mut set = |name: &str, value: Value| event.fields.insert(Key::from(name), value);
        set("method", Value::Str(line.slice_ref(&line[..3])));
        set("ms", Value::Str(line.slice_ref(&line[11..12])));
        set("status", Value::Int(200));
        set("five", Value::Int(5));
        set("copy", Value::from("GET"));
        set("flag", Value::Bool(true));
        set("trace", Value::from("4bf92f3577b34da6a3ce929d0e0e4736"));
        let document = document(event);
        assert_eq!(document.values, "\n5\n5\nGET\ntrue", "parts of words and copies are, slices and ids are not");
        assert_eq!(document.fields.len(), 7);
    }

    #[test]
    fn names_are_dotted_and_bounded() {
        let mut inner = Map::default();
        inner.insert(Key::from("x\0y"), Value::List(vec![Value::Int(1), Value::Int(2)]));
        let mut event = Event::new(Timestamp::from_millis(0));
        event.fields.insert(Key::from(""), Value::Map(inner));
        let names: Vec<_> = document(event).fields.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(names, [".x\u{fffd}y", ".x\u{fffd}y"]);
    }

    #[test]
    fn past_the_limit_there_are_no_new_columns() {
        let mut columns = Columns::default();
        for n in 0..COLUMNS_PER_PARTITION_MAX {
            assert!(columns.intern(&format!("f{n}")).is_some());
        }
        assert!(columns.intern("one.more").is_none() && columns.intern("f0").is_some());
        assert_eq!(columns.refused, 1);
    }
}
