//! The ledger from outside: what is appended is found, survives, and is never told short.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod checkpoints;
mod damage;
mod identity;
mod lookups;
mod opening;
mod outbox;
mod provisional;
mod writing;

#[path = "../support/mod.rs"]
mod support;
