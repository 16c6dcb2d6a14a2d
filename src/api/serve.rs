//! The listener: accepts connections, bounds them, ends them.
//!
//! Limits: [`CONNECTIONS_MAX`]; a request's head within [`HEADER_READ_SECONDS_MAX`], which is also how long an idle
//! connection stays open; at the end, requests have [`SHUTDOWN_SECONDS_MAX`] to finish.

use super::{ApiState, router};
use crate::flow::Shutdown;
use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

/// Connections at a time; further ones wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Seconds for the head of a request.
pub const HEADER_READ_SECONDS_MAX: u64 = 30;
/// Seconds that running requests have once the end was asked for.
pub const SHUTDOWN_SECONDS_MAX: u64 = 5;
/// After a failed accept (no file descriptors left) the listener rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Whom a request comes from, in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Serves until `shutdown`, then lets running requests finish, but not for long.
pub async fn serve(listener: TcpListener, state: Arc<ApiState>, shutdown: Shutdown) {
    serve_routes(listener, router(Arc::clone(&state)), shutdown, || state.tail.close()).await;
}

/// The same with other routes; `closing` ends requests that have no end of their own.
pub async fn serve_routes(listener: TcpListener, routes: Router, mut shutdown: Shutdown, closing: impl FnOnce()) {
    let service = TowerToHyperService::new(routes);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &room) => accepted,
            Some(_) = connections.join_next() => continue,
            () = shutdown.wait() => break,
        };
        let Some((stream, peer, permit)) = accepted else { continue };
        let (service, shutdown) = (service.clone(), shutdown.clone());
        connections.spawn(async move {
            let _permit = permit;
            connection(stream, peer, service, shutdown).await;
        });
    }
    drop(listener);
    closing();
    let patience = Duration::from_secs(SHUTDOWN_SECONDS_MAX);
    let finished = tokio::time::timeout(patience, async { while connections.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!(open = connections.len(), "requests did not finish in {SHUTDOWN_SECONDS_MAX} s and are cut off");
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, permit)),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_REST).await;
            None
        }
    }
}

async fn connection<S>(stream: TcpStream, peer: SocketAddr, service: S, mut shutdown: Shutdown)
where
    S: Service<Request<Body>, Response = axum::response::Response, Error = std::convert::Infallible>,
    S::Future: Send + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, %peer, "the connection keeps its delay");
    }
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEADER_READ_SECONDS_MAX))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut asked = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = shutdown.wait(), if !asked => {
                asked = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        // A client that hangs up in the middle is its own affair.
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::testing::{FakeStore, server, server_with, until};
    use std::sync::atomic::Ordering;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn serves_until_the_end_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = server().state;
        let (stop, shutdown) = Shutdown::channel();
        let serving = tokio::spawn(serve(listener, state, shutdown));
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let reply = ask(address, &get("/api/v1/health")).await;
        assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with(r#"{"status":"ok"}"#), "{reply}");
        let reply = ask(address, "GET / HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.1 403"), "{reply}");

        let mut tail = TcpStream::connect(address).await.unwrap();
        tail.write_all(get("/api/v1/tail").as_bytes()).await.unwrap();
        let mut head = [0; 8];
        tail.read_exact(&mut head).await.unwrap();
        let idle = TcpStream::connect(address).await.unwrap();
        stop.send(true).unwrap();
        let mut rest = Vec::new();
        tail.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "the tail ends whole");
        serving.await.unwrap();
        drop(idle);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_closed_connection_ends_the_work_on_its_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = server_with(FakeStore { endless: true, ..FakeStore::of(1) }, "");
        let (stop, shutdown) = Shutdown::channel();
        let serving = tokio::spawn(serve(listener, server.state, shutdown));
        for (n, path) in ["search", "histogram?by=level", "fields/values?field=x"].iter().enumerate() {
            let mut client = TcpStream::connect(address).await.unwrap();
            let get = format!("GET /api/v1/{path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
            client.write_all(get.as_bytes()).await.unwrap();
            until(|| server.store.begun.load(Ordering::SeqCst) == n + 1).await;
            drop(client);
            until(|| server.store.cancelled.load(Ordering::SeqCst) == n + 1).await;
        }
        stop.send(true).unwrap();
        serving.await.unwrap();
    }
}
