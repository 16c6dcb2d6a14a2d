//! Health, status and metrics of a process without a store, on an address of their own.

use super::{Failure, passing::no_thread};
use crate::{api, flow::Shutdown};
use axum::Router;
use std::{
    net::TcpListener,
    thread::{Builder, JoinHandle},
};
use tokio::sync::watch;

/// A page that is served, by one thread.
pub struct Page {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Page {
    /// Serves these routes.
    pub fn serve(listener: TcpListener, routes: Router) -> Result<Page, Failure> {
        listener.set_nonblocking(true).map_err(Failure::failed)?;
        let (stop, shutdown) = Shutdown::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let serve = move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => api::serve_routes(listener, routes, shutdown, || {}).await,
                    Err(cause) => tracing::error!("cannot serve: {cause}"),
                }
            });
        };
        let thread = Builder::new().name("status".into()).spawn(serve).map_err(no_thread)?;
        Ok(Page { stop, thread })
    }

    /// Ends it.
    pub fn end(self) {
        // A thread that is gone needs no telling, and a panic has been printed.
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
