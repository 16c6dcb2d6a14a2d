//! OpenTelemetry's messages, as far as they are read or written: `opentelemetry/proto/{common,logs,resource}/v1`,
//! `collector/logs/v1` and `google.rpc.Status`. In JSON ids are hexadecimal and whole numbers may be text.

use prost::Message;
use serde::{Deserialize, Deserializer, de::Error as _};

/// One log record.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogRecord {
    /// When it happened; 0 where that is not known.
    #[prost(fixed64, tag = "1")]
    #[serde(deserialize_with = "number")]
    pub time_unix_nano: u64,
    /// When it was seen.
    #[prost(fixed64, tag = "11")]
    #[serde(deserialize_with = "number")]
    pub observed_time_unix_nano: u64,
    /// From 1, trace, to 24, fatal.
    #[prost(int32, tag = "2")]
    #[serde(deserialize_with = "severity")]
    pub severity_number: i32,
    /// The level as the source names it.
    #[prost(string, tag = "3")]
    pub severity_text: String,
    /// What it says.
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    /// More about it.
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    /// 16 bytes, or none.
    #[prost(bytes = "vec", tag = "9")]
    #[serde(deserialize_with = "from_hex")]
    pub trace_id: Vec<u8>,
    /// 8 bytes, or none.
    #[prost(bytes = "vec", tag = "10")]
    #[serde(deserialize_with = "from_hex")]
    pub span_id: Vec<u8>,
    /// The kind of event, where it is one.
    #[prost(string, tag = "12")]
    pub event_name: String,
}

/// Who writes logs.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// What is known of it.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// The part of a program that writes logs.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Its name, a logger's mostly.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// What else is known of it.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// A name and its value.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct KeyValue {
    /// The name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// Any value, or none.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(from = "AnyJson")]
pub struct AnyValue {
    /// The value.
    #[prost(oneof = "any_value::Value", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub value: Option<any_value::Value>,
}

/// Values of several.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct ArrayValue {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

/// Values by name.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct KeyValueList {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KeyValue>,
}

/// What a value may be.
pub mod any_value {
    use super::{ArrayValue, KeyValueList};

    /// One of these.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// Text.
        #[prost(string, tag = "1")]
        Text(String),
        /// True or false.
        #[prost(bool, tag = "2")]
        Bool(bool),
        /// A whole number.
        #[prost(int64, tag = "3")]
        Int(i64),
        /// Any other number.
        #[prost(double, tag = "4")]
        Double(f64),
        /// Several.
        #[prost(message, tag = "5")]
        Array(ArrayValue),
        /// Several, by name.
        #[prost(message, tag = "6")]
        Fields(KeyValueList),
        /// Bytes.
        #[prost(bytes, tag = "7")]
        Bytes(Vec<u8>),
    }
}

/// A value in JSON: an object that has at most one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyJson {
    string_value: Option<String>,
    bool_value: Option<bool>,
    #[serde(default, deserialize_with = "some_number")]
    int_value: Option<i64>,
    #[serde(default, deserialize_with = "some_number")]
    double_value: Option<f64>,
    array_value: Option<ArrayValue>,
    kvlist_value: Option<KeyValueList>,
    /// Base64, and kept so.
    bytes_value: Option<String>,
}

impl From<AnyJson> for AnyValue {
    fn from(json: AnyJson) -> AnyValue {
        use any_value::Value;
        let value = json.string_value.or(json.bytes_value).map(Value::Text);
        let value = value.or(json.bool_value.map(Value::Bool)).or(json.int_value.map(Value::Int));
        let value = value.or(json.double_value.map(Value::Double)).or(json.array_value.map(Value::Array));
        AnyValue { value: value.or(json.kvlist_value.map(Value::Fields)) }
    }
}

/// A number, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number<N> {
    Number(N),
    Text(String),
}

impl<N: std::str::FromStr> Number<N> {
    fn read<E: serde::de::Error>(self) -> Result<N, E> {
        match self {
            Number::Number(number) => Ok(number),
            Number::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is no such number"))),
        }
    }
}

fn number<'d, D: Deserializer<'d>>(from: D) -> Result<u64, D::Error> {
    some_number(from).map(Option::unwrap_or_default)
}

fn some_number<'d, D, N>(from: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'d>,
    N: Deserialize<'d> + std::str::FromStr,
{
    Option::<Number<N>>::deserialize(from)?.map(Number::read).transpose()
}

/// A number, or its name: `SEVERITY_NUMBER_INFO`, `SEVERITY_NUMBER_WARN2`.
fn severity<'d, D: Deserializer<'d>>(from: D) -> Result<i32, D::Error> {
    let text = match Option::<Number<i32>>::deserialize(from)? {
        None => return Ok(0),
        Some(Number::Number(number)) => return Ok(number),
        Some(Number::Text(text)) => text,
    };
    let name = text.strip_prefix("SEVERITY_NUMBER_").unwrap_or(&text);
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let level = levels.iter().zip(0..).find_map(|(level, number)| Some((name.strip_prefix(level)?, number)));
    Ok(match level {
        Some(("", number)) => 4 * number + 1,
        Some((step, number)) => 4 * number + step.parse::<i32>().unwrap_or(1).clamp(1, 4),
        None => text.parse().unwrap_or_default(),
    })
}

fn from_hex<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = Option::<String>::deserialize(from)?.unwrap_or_default();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.ok_or_else(|| D::Error::custom("an id is no hexadecimal number"))
}

/// The answer to an export that was read.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// Where not all of it was taken.
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

/// What was not taken of an export, and must not be sent again.
#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    /// How many records.
    #[prost(int64, tag = "1")]
    pub rejected_log_records: i64,
    /// Why.
    #[prost(string, tag = "2")]
    pub error_message: String,
}

/// The answer to an export that was refused.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A code of gRPC's.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// Why.
    #[prost(string, tag = "2")]
    pub message: String,
}
