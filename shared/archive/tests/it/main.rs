//! The archive against a real server of S3: what is sent, what is kept, and what comes back after anything
//! in between broke.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod bodies;
mod conflicts;
mod faults;
mod fetching;
mod house;
mod taking;
