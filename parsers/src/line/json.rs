//! One JSON object a line, by any of the usual loggers.

use super::{Context, Format, Starts, json_access, mongodb, normalize, postgresql_json};
use crate::error::ParseError;
use crate::fields::Fields;
use crate::json;

/// JSON lines.
pub const FORMAT: Format = Format {
    name: "json",
    summary: "one JSON object a line: pino, bunyan, winston, zap, zerolog, logrus, slog, tracing, structlog, Serilog, ECS",
    example: r#"{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"listening","port":8080}"#,
    rank: 0,
    starts: Starts::of(b"{ \t"),
    open_ended: false,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{') && !is_of_a_product(line)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    json::parse_object(line, &mut fields)?;
    json_access::rename(&mut fields, context);
    normalize::normalize(&mut fields, context);
    Ok(fields)
}

/// Whether the object names its fields in a way of its own, which another format knows.
fn is_of_a_product(line: &[u8]) -> bool {
    mongodb::is_json(line) || (postgresql_json::FORMAT.probe)(line)
}
