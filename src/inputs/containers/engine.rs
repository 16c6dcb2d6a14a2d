//! The HTTP interface of a container engine, Docker's or Podman's like it, over its unix socket.
//!
//! Source: the reference of the Docker Engine API. Paths name no version, so that any engine answers. One connection a
//! request: an answer may be a stream that never ends.
//!
//! Limits: [`ANSWER_WAIT`] for the head of an answer; [`ANSWER_BYTES_MAX`] for one that is read whole.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};

/// Where Docker listens.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// How long the engine may take to begin an answer, and to end one that is no stream.
pub const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Longest answer that is read whole, in bytes.
pub const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A container as the engine describes it: `GET /containers/<id>/json`, and Docker's own `config.v2.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Inspected {
    /// Its name, with a slash before it.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// What it was made with.
    #[serde(deserialize_with = "or_default")]
    pub config: Config,
    /// What its host gives it.
    #[serde(deserialize_with = "or_default")]
    pub host_config: HostConfig,
    /// How it is.
    #[serde(deserialize_with = "or_default")]
    pub state: State,
}

/// What a host gives a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfig {
    /// Where its log goes.
    #[serde(deserialize_with = "or_default")]
    pub log_config: LogConfig,
}

/// Where a container's log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// The log driver.
    #[serde(rename = "Type")]
    pub driver: String,
}

/// How a container is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct State {
    /// It runs.
    pub running: bool,
}

/// What a container was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    /// The image, as it was named.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// Its labels and its image's.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// It has a terminal: its output is one stream without frames.
    pub tty: bool,
}

/// `null` is what Go writes for an empty map.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// Why the engine did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineError {
    /// There is no such container.
    Absent,
    /// Something else: what happened, where, and what to do.
    Failed(String),
}

/// An engine.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

impl Engine {
    /// The engine that listens there.
    #[must_use]
    pub fn at(socket: &Path) -> Engine {
        Engine { socket: socket.to_owned() }
    }

    /// Asks for a stream: its body is given as it comes.
    ///
    /// # Errors
    /// The engine is away or refuses.
    pub async fn stream(&self, path: &str) -> Result<Incoming, EngineError> {
        match timeout(ANSWER_WAIT, self.request(path)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.failed(path, &format!("no answer within {} s", ANSWER_WAIT.as_secs()))),
        }
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// The engine is away or refuses, or its answer is too long or cannot be read.
    pub async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        let body = Limited::new(self.stream(path).await?, ANSWER_BYTES_MAX);
        let whole = timeout(ANSWER_WAIT, body.collect()).await;
        let whole = whole.map_err(|_| self.failed(path, "the answer does not end"))?;
        let bytes = whole.map_err(|cause| self.failed(path, &cause.to_string()))?.to_bytes();
        serde_json::from_slice(&bytes).map_err(|cause| self.failed(path, &format!("unexpected answer: {cause}")))
    }

    async fn request(&self, path: &str) -> Result<Incoming, EngineError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|cause| self.away(&cause))?;
        let failed = |cause: hyper::Error| self.failed(path, &cause.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // It ends with the body, or when that is dropped.
        tokio::spawn(connection);
        let request = Request::get(path).header("Host", "docker").body(Empty::<Bytes>::new());
        let request = request.map_err(|cause| self.failed(path, &cause.to_string()))?;
        let response = sender.send_request(request).await.map_err(failed)?;
        match response.status() {
            status if status.is_success() => Ok(response.into_body()),
            StatusCode::NOT_FOUND => Err(EngineError::Absent),
            status => Err(self.failed(path, &format!("status {}", status.as_u16()))),
        }
    }

    fn away(&self, cause: &std::io::Error) -> EngineError {
        let socket = self.socket.display();
        EngineError::Failed(format!(
            "cannot reach the container engine at {socket}: {cause}; is it running, and may this user open its socket?"
        ))
    }

    fn failed(&self, path: &str, cause: &str) -> EngineError {
        EngineError::Failed(format!("the container engine at {}: GET {path}: {cause}", self.socket.display()))
    }
}
