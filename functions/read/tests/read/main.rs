//! The read function from outside: its answers as caches see them, over a model of the store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod caching;
mod growing;
mod immutable;
