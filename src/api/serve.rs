//! The listener: accepts connections, bounds them, ends them.
//!
//! Limits: [`CONNECTIONS_MAX`]; a request's head within [`HEADER_READ_SECONDS_MAX`], which is also how long an idle
//! connection stays open; at the end, requests have [`SHUTDOWN_SECONDS_MAX`] to finish.

use super::{ApiState, router};
use crate::flow::Shutdown;
use axum::{body::Body, http::Request};
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
pub async fn serve(listener: TcpListener, state: Arc<ApiState>, mut shutdown: Shutdown) {
    let service = TowerToHyperService::new(router(Arc::clone(&state)));
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
    state.tail.close();
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
