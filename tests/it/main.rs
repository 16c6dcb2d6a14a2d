//! The one integration-test binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and wait by the real clock"
)]

mod agent;
mod agent_bad_input;
mod agent_chaos;
mod agent_programs;
mod agent_proxy;
mod agent_stdin;
mod agent_world;
mod bad_input;
mod cases;
mod commands;
mod contract;
mod crash;
mod damage;
mod damaged_log;
mod dead_letters;
mod deploy;
mod faults;
mod frames;
mod full_disk;
mod fuzz;
mod grok;
mod harness;
mod outputs;
mod pipe;
mod pipelines;
mod pipelines_live;
mod pipelines_load;
mod pipelines_logship;
mod pipelines_peers;
mod run;
mod server;
mod succession;
mod terminal;
mod tidy;
