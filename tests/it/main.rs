//! The one integration-test binary.

mod bad_input;
mod crash;
mod harness;
mod pipe;
mod server;
mod tidy;
