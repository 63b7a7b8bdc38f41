//! The service crate from outside: settings by value, everything else over real sockets on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of it is test code"
)]

mod bodies;
mod child;
mod client;
mod compression;
mod files;
mod layers;
mod leftovers;
mod limits;
mod metrics;
mod request_lines;
mod settings;
mod signals;
mod stopping;
