//! The one integration-test binary.

mod crash;
mod harness;
mod pipe;
mod server;
mod tidy;
