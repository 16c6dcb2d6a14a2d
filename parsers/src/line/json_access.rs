//! Access lines in JSON: ECS names for those of Caddy, of Traefik, and of nginx's variables, by which most people who
//! write a `log_format` in JSON call its members.
//!
//! A line is one of these if it has members that only they have together. Members not listed here stay as written.

use super::access::host_and_port;
use super::parts::nanos_of_seconds;
use super::{Context, access};
use crate::fields::{Field, Fields, Value};
use crate::time;
use std::borrow::Cow;

/// What a member's value becomes.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// A number, also one written as text.
    Int,
    /// Seconds with a fraction, as a number or text.
    Seconds,
    /// `HTTP/1.1`.
    Version,
    /// A host, which may have a port.
    Host,
}

type Known = fn(&str) -> Option<(Shape, &'static str)>;

/// Renames what an access line has.
pub(super) fn rename<'a>(fields: &mut Fields<'a>, context: &Context) {
    let has = |name: &str| fields.items.iter().any(|field| field.name == name);
    let known: Known = if has("RequestMethod") && has("DownstreamStatus") {
        traefik
    } else if has("remote_addr") && (has("request") || has("request_uri") || has("request_method")) {
        nginx
    } else if fields.items.iter().any(is_caddy_request) {
        lift(fields);
        caddy
    } else if has("remote_ip") && has("remote_port") && has("method") && has("uri") {
        // Caddy's admin API has no object for the request.
        request_member
    } else {
        return;
    };
    // What stands for nothing: `-`, and the empty text of a variable that is not set.
    let says_nothing = |value: &Value<'_>| matches!(value, Value::Str(text) if text == "-" || text.is_empty());
    fields.items.retain(|field| !(says_nothing(&field.value) && known(&field.name).is_some()));
    for at in 0..fields.items.len() {
        let Some((shape, name)) = known(&fields.items[at].name) else { continue };
        let taken = fields.get(name).is_some();
        let Some(value) = shaped(shape, &fields.items[at].value).filter(|_| !taken) else { continue };
        fields.items[at] = Field { name: Cow::Borrowed(name), value };
    }
    take_nginx_parts(fields, context);
}

/// What nginx writes into one variable: the request line and its own stamps.
fn take_nginx_parts(fields: &mut Fields<'_>, context: &Context) {
    if let Some(at) = fields.items.iter().position(|field| field.name == "request")
        && let Value::Str(Cow::Borrowed(request)) = fields.items[at].value
        && fields.get("http.request.method").is_none()
        && fields.get("url.original").is_none()
        && fields.get("http.version").is_none()
    {
        let before = fields.items.len();
        access::put_request(request, fields);
        if fields.items.len() > before {
            fields.items.remove(at);
        }
    }
    for name in ["time_iso8601", "time_local", "msec"] {
        let Some(at) = fields.items.iter().position(|field| field.name == name) else { continue };
        let stamp = match &fields.items[at].value {
            Value::Str(text) => time::any(text, context),
            Value::Float(seconds) => time::epoch_float(*seconds),
            _ => None,
        };
        if let Some(stamp) = stamp {
            stamp.put(fields);
            fields.items.remove(at);
            return;
        }
    }
}

fn shaped<'a>(shape: Shape, value: &Value<'a>) -> Option<Value<'a>> {
    match (shape, value) {
        (Shape::Text, Value::Str(_)) | (Shape::Int, Value::Int(_)) => Some(value.clone()),
        (Shape::Int, Value::Str(digits)) => digits.parse().ok().map(Value::Int),
        (Shape::Seconds, Value::Str(seconds)) => nanos_of_seconds(seconds).map(Value::Int),
        (Shape::Seconds, Value::Int(seconds)) => seconds.checked_mul(1_000_000_000).map(Value::Int),
        // A double of seconds is exact to the nanosecond for three months.
        (Shape::Seconds, Value::Float(seconds)) if (0.0..1e9).contains(seconds) => {
            Some(Value::Int((seconds * 1e9).round() as i64))
        }
        (Shape::Version, Value::Str(text)) => Some(Value::Str(cut(text, |text| text.strip_prefix("HTTP/")))),
        (Shape::Host, Value::Str(text)) => Some(Value::Str(cut(text, |text| Some(host_and_port(text)?.0)))),
        _ => None,
    }
}

/// A part of a text, or all of it where it has no such part.
fn cut<'a>(text: &Cow<'a, str>, part: impl for<'t> Fn(&'t str) -> Option<&'t str>) -> Cow<'a, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(part(text).unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(part(text).unwrap_or(text).to_owned()),
    }
}

fn is_caddy_request(field: &Field<'_>) -> bool {
    let Value::Map(members) = &field.value else { return false };
    field.name == "request"
        && ["method", "uri", "proto"].iter().all(|wanted| members.iter().any(|(name, _)| name == wanted))
}

/// Moves the members of Caddy's `request` that have an ECS name out of it; the rest stays.
fn lift(fields: &mut Fields<'_>) {
    let Some(at) = fields.items.iter().position(is_caddy_request) else { return };
    let Value::Map(members) = std::mem::replace(&mut fields.items[at].value, Value::Null) else { return };
    let (mut kept, mut lifted) = (Vec::new(), Vec::new());
    for (name, value) in members {
        match (request_member(&name), value) {
            (Some((shape, ecs)), value) => match shaped(shape, &value) {
                Some(value) => lifted.push((ecs, value)),
                None => kept.push((name, value)),
            },
            (None, Value::Map(headers)) if name == "headers" => {
                let mut others = Vec::new();
                for (header, value) in headers {
                    match (request_header(&header), value) {
                        (Some(ecs), Value::List(mut values)) if values.len() == 1 => {
                            lifted.push((ecs, values.remove(0)));
                        }
                        (_, value) => others.push((header, value)),
                    }
                }
                if !others.is_empty() {
                    kept.push((name, Value::Map(others)));
                }
            }
            (None, value) => kept.push((name, value)),
        }
    }
    fields.items[at].value = Value::Map(kept);
    fields.items.retain(|field| field.value != Value::Map(Vec::new()));
    for (name, value) in lifted {
        if fields.get(name).is_none() {
            fields.push(name, value);
        }
    }
}

fn request_member(name: &str) -> Option<(Shape, &'static str)> {
    Some(match name {
        "remote_ip" => (Shape::Text, "source.ip"),
        "remote_port" => (Shape::Int, "source.port"),
        "client_ip" => (Shape::Text, "client.ip"),
        "proto" => (Shape::Version, "http.version"),
        "method" => (Shape::Text, "http.request.method"),
        "host" => (Shape::Host, "url.domain"),
        "uri" => (Shape::Text, "url.original"),
        _ => return None,
    })
}

fn request_header(name: &str) -> Option<&'static str> {
    Some(match name {
        "User-Agent" => "user_agent.original",
        "Referer" => "http.request.referrer",
        _ => return None,
    })
}

fn caddy(name: &str) -> Option<(Shape, &'static str)> {
    Some(match name {
        "status" => (Shape::Int, "http.response.status_code"),
        "size" => (Shape::Int, "http.response.body.bytes"),
        "bytes_read" => (Shape::Int, "http.request.body.bytes"),
        "duration" => (Shape::Seconds, "event.duration"),
        "user_id" => (Shape::Text, "user.name"),
        _ => return None,
    })
}

fn traefik(name: &str) -> Option<(Shape, &'static str)> {
    Some(match name {
        "ClientHost" => (Shape::Text, "source.ip"),
        "ClientPort" => (Shape::Int, "source.port"),
        "ClientUsername" => (Shape::Text, "user.name"),
        "DownstreamStatus" => (Shape::Int, "http.response.status_code"),
        "DownstreamContentSize" => (Shape::Int, "http.response.body.bytes"),
        // Go's durations are nanoseconds.
        "Duration" => (Shape::Int, "event.duration"),
        "RequestMethod" => (Shape::Text, "http.request.method"),
        "RequestPath" => (Shape::Text, "url.original"),
        "RequestHost" => (Shape::Text, "url.domain"),
        "RequestPort" => (Shape::Int, "url.port"),
        "RequestScheme" => (Shape::Text, "url.scheme"),
        "RequestProtocol" => (Shape::Version, "http.version"),
        "RequestContentSize" => (Shape::Int, "http.request.body.bytes"),
        "RequestCount" => (Shape::Int, "traefik.access.request_count"),
        "RouterName" => (Shape::Text, "traefik.access.router_name"),
        "ServiceName" => (Shape::Text, "traefik.access.service_name"),
        "ServiceURL" => (Shape::Text, "traefik.access.backend_url"),
        "entryPointName" => (Shape::Text, "traefik.access.entry_point_name"),
        "request_User-Agent" => (Shape::Text, "user_agent.original"),
        "request_Referer" => (Shape::Text, "http.request.referrer"),
        _ => return None,
    })
}

fn nginx(name: &str) -> Option<(Shape, &'static str)> {
    Some(match name {
        "remote_addr" => (Shape::Text, "source.ip"),
        "remote_port" => (Shape::Int, "source.port"),
        "remote_user" => (Shape::Text, "user.name"),
        "request_method" => (Shape::Text, "http.request.method"),
        "request_uri" => (Shape::Text, "url.original"),
        "server_protocol" => (Shape::Version, "http.version"),
        "scheme" => (Shape::Text, "url.scheme"),
        "status" => (Shape::Int, "http.response.status_code"),
        "body_bytes_sent" => (Shape::Int, "http.response.body.bytes"),
        "bytes_sent" => (Shape::Int, "http.response.bytes"),
        "request_length" => (Shape::Int, "http.request.bytes"),
        "request_time" => (Shape::Seconds, "event.duration"),
        "request_id" => (Shape::Text, "http.request.id"),
        "http_user_agent" => (Shape::Text, "user_agent.original"),
        "http_referer" | "http_referrer" => (Shape::Text, "http.request.referrer"),
        "host" | "http_host" => (Shape::Host, "url.domain"),
        "server_name" => (Shape::Text, "server.domain"),
        _ => return None,
    })
}
