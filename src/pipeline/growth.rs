//! How a plain thread learns that a log of its own process has grown.

use crate::flow::Pos;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};
use tokio::sync::watch;

/// The next growth; nothing once the writer is gone.
type Next = Pin<Box<dyn Future<Output = Option<watch::Receiver<Pos>>> + Send>>;

/// A log that this process writes.
pub struct Growing {
    durable: watch::Receiver<Pos>,
    next: Option<Next>,
}

fn next(mut durable: watch::Receiver<Pos>) -> Next {
    Box::pin(async move { durable.changed().await.is_ok().then_some(durable) })
}

impl Growing {
    /// By what its writer says.
    #[must_use]
    pub fn new(durable: watch::Receiver<Pos>) -> Growing {
        Growing { next: Some(next(durable.clone())), durable }
    }

    /// Up to where it is durable.
    #[must_use]
    pub fn end(&self) -> Pos {
        *self.durable.borrow()
    }

    /// Asks for `waker` to be woken when it grows, or when its writer is gone. Whether the writer is there.
    pub fn watch(&mut self, waker: &Waker) -> bool {
        while let Some(growing) = &mut self.next {
            match growing.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Pending => return true,
                Poll::Ready(again) => self.next = again.map(next),
            }
        }
        false
    }
}
