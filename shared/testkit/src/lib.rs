//! For tests only: what several crates' tests need and no server links.
//!
//! A helper that cannot do its work ends the test: tests have nothing else to do about it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "every caller is a test, for which a panic is the report"
)]

pub mod scheduler;
