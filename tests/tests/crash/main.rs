//! Crashes: whatever dies, and whenever, the schedules agree with what the world outside was told.
//!
//! `process` kills a real scheduler at any time, and takes its power too; `points` kills it at named
//! points of the write path. `images` copies a ledger at such points, cuts it off as a power cut may, and
//! goes on from the copy, many times. All compare what is there afterwards with the book (ORD-1 to
//! ORD-3, DUR-1 to DUR-3, DUP-1).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_macros,
    reason = "in a test a panic is the report, and what it prints is shown when it fails"
)]

#[cfg(feature = "failpoints")]
mod images;
#[cfg(feature = "failpoints")]
mod points;
mod process;
