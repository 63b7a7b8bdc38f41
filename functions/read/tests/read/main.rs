//! The read function from outside: its answers as caches see them, and as a Lambda gives them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod alarms;
mod caching;
mod database;
mod function;
mod growing;
mod immutable;
mod large_pages;
mod layers;
