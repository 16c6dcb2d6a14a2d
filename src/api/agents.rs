//! `POST /api/v1/agents` and `GET /api/v1/agents`: what agents say of themselves, kept in memory by name and id: the name is
//! the host's, which may have several.
//!
//! Nothing here is durable: an agent says it again every few seconds. Limits: [`STATUS_BYTES_MAX`] each, [`AGENTS_MAX`] agents
//! and [`STATUSES_BYTES_MAX`] over all; past them the agent heard of longest ago is forgotten.

use super::{
    ApiError, Shared,
    blocking::blocking,
    ingest::{Form, NAME_BYTES_MAX, Source, too_long},
    params::{Params, parse_rfc3339},
};
use crate::{clock, event::Timestamp};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

/// Longest status of one agent.
pub const STATUS_BYTES_MAX: usize = 1 << 20;
/// Agents that are known at a time.
pub const AGENTS_MAX: usize = 1_000;
/// Bytes of all their statuses together.
pub const STATUSES_BYTES_MAX: usize = 32 << 20;
/// Who has not been heard of for so long gives way to another agent of that name: its data directory was made anew.
const SILENCE_MAX_MS: i64 = 30_000;
/// What JSON takes in memory while it is read, for each byte of its text.
const PARSED_RATIO: usize = 32;

/// What one agent said last.
#[derive(Clone, Debug)]
struct Agent {
    seen: Timestamp,
    /// How far its clock is ahead of ours.
    skew_ms: Option<i64>,
    /// Its words, as JSON.
    status: Bytes,
}

/// Which agent: its name, and the id of its data directory where it says that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    id: Option<String>,
}

/// All agents.
#[derive(Debug, Default)]
struct Known {
    agents: BTreeMap<Key, Agent>,
    bytes: usize,
}

impl Known {
    fn hear(&mut self, key: Key, agent: Agent) {
        if !self.agents.contains_key(&key) {
            let (now, bytes) = (agent.seen.as_millis(), &mut self.bytes);
            self.agents.retain(|other, said| {
                let is_heard = now - said.seen.as_millis() < SILENCE_MAX_MS;
                let stays = other.name != key.name || (other.id.is_some() && is_heard);
                *bytes -= if stays { 0 } else { said.status.len() };
                stays
            });
        }
        self.bytes += agent.status.len();
        let before = self.agents.insert(key, agent);
        self.bytes -= before.map_or(0, |before| before.status.len());
        while self.agents.len() > AGENTS_MAX || self.bytes > STATUSES_BYTES_MAX {
            let oldest = self.agents.iter().min_by_key(|(_, agent)| agent.seen).map(|(key, _)| key.clone());
            let Some(forgotten) = oldest.and_then(|key| self.agents.remove(&key)) else { return };
            self.bytes -= forgotten.status.len();
        }
    }
}

/// What agents said last.
#[derive(Debug, Default)]
pub struct Agents(Mutex<Known>);

impl Agents {
    fn hear(&self, key: Key, agent: Agent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hear(key, agent);
    }

    fn all(&self) -> BTreeMap<Key, Agent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).agents.clone()
    }
}

/// The handler of POST.
pub async fn report(State(state): Shared, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    Params::read(&parts.uri, &[])?;
    let form = Form::json(&parts.headers, STATUS_BYTES_MAX)?;
    let announced = form.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(STATUS_BYTES_MAX);
    let _room = state.ingest.admit(PARSED_RATIO * announced.min(STATUS_BYTES_MAX)).await?;
    let body = whole(Source::new(body, form.length)).await?;
    let now = clock::now();
    let (key, agent) = blocking(move || read(&body, now)).await??;
    let reply = json!({"time": now.to_string(), "skew_ms": agent.skew_ms});
    state.agents.hear(key, agent);
    Ok(Json(reply))
}

async fn whole(mut source: Source) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    loop {
        let pieces = source.next().await?;
        if pieces.is_empty() {
            return Ok(body.freeze());
        }
        if body.len() + pieces.iter().map(Bytes::len).sum::<usize>() > STATUS_BYTES_MAX {
            source.drain().await;
            return Err(too_long(STATUS_BYTES_MAX));
        }
        pieces.iter().for_each(|piece| body.extend_from_slice(piece));
    }
}

fn read(body: &[u8], now: Timestamp) -> Result<(Key, Agent), ApiError> {
    let status: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad(format!("the status of an agent is one JSON object: {error}")))?;
    let name = match status.get("name") {
        Some(Value::String(name)) if (1..=NAME_BYTES_MAX).contains(&name.len()) => name.clone(),
        _ => return Err(ApiError::bad(format!("`name` must be a text of 1 to {NAME_BYTES_MAX} bytes"))),
    };
    let id = match status.get("id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if (1..=NAME_BYTES_MAX).contains(&id.len()) => Some(id.clone()),
        Some(_) => return Err(ApiError::bad(format!("`id` must be a text of 1 to {NAME_BYTES_MAX} bytes"))),
    };
    let skew_ms = match status.get("time") {
        None => None,
        Some(time) => {
            let time = time.as_str().and_then(parse_rfc3339);
            let time =
                time.ok_or_else(|| ApiError::bad("`time` must be RFC 3339, such as 2026-01-02T03:04:05.678Z"))?;
            Some(time.as_millis() - now.as_millis())
        }
    };
    // Written anew, so that only what was understood is given to others, without blanks.
    let status = serde_json::to_vec(&status).map_err(|error| ApiError::bad(error.to_string()))?;
    if status.len() > STATUS_BYTES_MAX {
        return Err(too_long(STATUS_BYTES_MAX));
    }
    Ok((Key { name, id }, Agent { seen: now, skew_ms, status: status.into() }))
}

/// The handler of GET. Statuses leave as they are kept, without a copy of them all.
pub async fn agents(State(state): Shared, uri: Uri) -> Result<Response, ApiError> {
    Params::read(&uri, &[])?;
    let mut pieces = vec![Bytes::from_static(b"{\"agents\":[")];
    for (n, (key, agent)) in state.agents.all().into_iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let (name, id, skew) = (json!(key.name), json!(key.id), json!(agent.skew_ms));
        let head =
            format!("{comma}{{\"name\":{name},\"id\":{id},\"seen\":\"{}\",\"skew_ms\":{skew},\"status\":", agent.seen);
        pieces.extend([head.into(), agent.status, Bytes::from_static(b"}")]);
    }
    pieces.push(Bytes::from_static(b"]}"));
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{FakeStore, Headers, Reply, Server, request, server, server_with};

    const JSON: Headers = &[("content-type", "application/json")];

    async fn post(server: &Server, headers: Headers<'_>, body: impl Into<Body>) -> Reply {
        server.send(request("POST", "/api/v1/agents", headers, body)).await
    }

    async fn listed(server: &Server) -> Vec<Value> {
        let reply = server.get("/api/v1/agents").await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["content-type"]),
            (200, &"application/json".parse().unwrap())
        );
        reply.json()["agents"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn agents_are_listed_with_what_they_said_last() {
        let server = server();
        assert_eq!(server.get("/api/v1/agents").await.text, r#"{"agents":[]}"#);
        for body in [
            r#"{"name":"web \"2\"","files":[{"path":"/a","lag":3}]}"#,
            r#"{"name":"web 1","version":"0.0.9"}"#,
            r#" {"name": "web 1", "version":"0.1.0", "time":"2026-01-02T03:04:05Z"} "#,
        ] {
            let reply = post(&server, JSON, body).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            assert!(reply.json()["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
        }
        let listed = listed(&server).await;
        let named = |n: usize| listed[n]["name"].as_str().unwrap();
        assert_eq!((listed.len(), named(0), named(1)), (2, "web \"2\"", "web 1"));
        let said = json!({"name": "web 1", "version": "0.1.0", "time": "2026-01-02T03:04:05Z"});
        assert_eq!(listed[1]["status"], said);
        let seen: jiff::Timestamp = listed[1]["seen"].as_str().unwrap().parse().unwrap();
        let said: jiff::Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(listed[1]["skew_ms"], said.as_millisecond() - seen.as_millisecond());
        assert_eq!((&listed[0]["skew_ms"], &listed[0]["status"]["files"][0]["lag"]), (&Value::Null, &json!(3)));
    }

    #[test]
    fn agents_of_one_host_are_told_apart() {
        let mut known = Known::default();
        let mut hear = |id: Option<&str>, seen: i64| {
            let key = Key { name: "web".to_owned(), id: id.map(str::to_owned) };
            let agent = Agent { seen: Timestamp::from_millis(seen), skew_ms: None, status: "{}".into() };
            known.hear(key, agent);
            let ids: Vec<_> = known.agents.keys().map(|key| key.id.clone().unwrap_or_default()).collect();
            assert_eq!(known.bytes, 2 * ids.len());
            ids.join(",")
        };
        assert_eq!(hear(None, 0), "");
        // The same one, of a later version.
        assert_eq!(hear(Some("a"), 1), "a");
        assert_eq!(hear(Some("b"), 2), "a,b");
        assert_eq!(hear(Some("a"), SILENCE_MAX_MS), "a,b");
        // One that is silent stays until its data directory seems to be made anew.
        assert_eq!(hear(Some("a"), 9 * SILENCE_MAX_MS), "a,b");
        assert_eq!(hear(Some("c"), 9 * SILENCE_MAX_MS), "a,c");
    }

    #[tokio::test]
    async fn both_agents_of_a_host_are_listed() {
        let server = server();
        for id in ["a", "b", "a"] {
            let body = json!({"name": "web", "id": id}).to_string();
            assert_eq!(post(&server, JSON, body).await.status, 200);
        }
        let listed = listed(&server).await;
        let ids: Vec<_> = listed.iter().map(|agent| (agent["name"].as_str(), agent["id"].as_str())).collect();
        assert_eq!(ids, [(Some("web"), Some("a")), (Some("web"), Some("b"))]);
        assert_eq!(post(&server, JSON, "{\"name\":\"a\",\"id\":7}").await.status, 400);
    }

    #[tokio::test]
    async fn what_is_no_status_is_refused() {
        let server = server();
        let long = format!(r#"{{"name":"{}"}}"#, "n".repeat(NAME_BYTES_MAX + 1));
        let deep = format!(r#"{{"name":"a","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let large = format!(r#"{{"name":"a","x":"{}"}}"#, "x".repeat(STATUS_BYTES_MAX));
        let grown = format!(r#"{{"name":"a","x":[{}0]}}"#, "1e15,".repeat(STATUS_BYTES_MAX / 6));
        let cases: [(&str, u16, &str); 12] = [
            ("", 400, "bad_request"),
            ("[]", 400, "bad_request"),
            ("{}", 400, "bad_request"),
            ("{\"name\":1}", 400, "bad_request"),
            ("{\"name\":\"\"}", 400, "bad_request"),
            ("{\"name\":\"a\"} x", 400, "bad_request"),
            ("{\"name\":\"a\",\"time\":5}", 400, "bad_request"),
            ("{\"name\":\"a\",\"time\":\"now\"}", 400, "bad_request"),
            (&long, 400, "bad_request"),
            (&deep, 400, "bad_request"),
            (&large, 413, "too_large"),
            (&grown, 413, "too_large"),
        ];
        for (body, status, code) in cases {
            let reply = post(&server, JSON, body.to_owned()).await;
            assert_eq!((reply.status.as_u16(), reply.error().0.as_str()), (status, code), "{}", reply.text);
        }
        for (headers, status) in [
            (&[("content-type", "text/plain")][..], 415),
            (&[JSON[0], ("content-encoding", "zstd")], 415),
            (&[JSON[0], ("content-length", "1048577")], 413),
            (&[JSON[0], ("content-length", "90")], 400),
        ] {
            assert_eq!(post(&server, headers, "{\"name\":\"a\"}").await.status, status, "{headers:?}");
        }
        assert_eq!(server.get("/api/v1/agents?q=a").await.status, 400);
        assert!(listed(&server).await.is_empty());
    }

    #[test]
    fn the_one_heard_of_longest_ago_goes() {
        let agent = |seen: usize, bytes: usize| Agent {
            seen: Timestamp::from_millis(seen as i64),
            skew_ms: None,
            status: vec![b' '; bytes].into(),
        };
        let key = |name: &str| Key { name: name.to_owned(), id: None };
        let mut known = Known::default();
        (0..AGENTS_MAX).for_each(|n| known.hear(key(&format!("{n:05}")), agent(n, 9)));
        known.hear(key("00000"), agent(5_000, 10));
        known.hear(key("new"), agent(5_001, 9));
        assert_eq!((known.agents.len(), known.bytes), (AGENTS_MAX, AGENTS_MAX * 9 + 1));
        assert!(known.agents.contains_key(&key("00000")) && !known.agents.contains_key(&key("00001")));
        let large = STATUSES_BYTES_MAX / STATUS_BYTES_MAX;
        (0..large).for_each(|n| known.hear(key(&format!("large {n}")), agent(6_000 + n, STATUS_BYTES_MAX)));
        assert_eq!((known.agents.len(), known.bytes), (large, STATUSES_BYTES_MAX));
        known.hear(key("last"), agent(9_000, 1));
        assert_eq!((known.agents.len(), known.bytes), (large, STATUSES_BYTES_MAX - STATUS_BYTES_MAX + 1));
    }

    #[tokio::test]
    async fn both_routes_are_guarded() {
        let server = server_with(FakeStore::of(1), "a-good-token");
        assert_eq!(server.get("/api/v1/agents").await.status, 401);
        assert_eq!(post(&server, JSON, "{\"name\":\"a\"}").await.status, 401);
        let headers = [JSON[0], ("authorization", "Bearer a-good-token")];
        assert_eq!(post(&server, &headers, "{\"name\":\"a\"}").await.status, 200);
        let reply = server.send(request("GET", "/api/v1/agents", &headers[1..], Body::empty())).await;
        assert_eq!(reply.json()["agents"][0]["name"], "a");
        let foreign = self::server();
        let headers = [JSON[0], ("sec-fetch-site", "cross-site")];
        assert_eq!(post(&foreign, &headers, "{\"name\":\"a\"}").await.status, 403);
    }
}
