//! The uploader against a real ledger and real bundlers on loopback that misbehave (DUR-2, DUR-3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

mod bundles;
mod items;
mod setup;
mod stub;
