//! The readers' side of the read model against a real primary and real replicas: that lag, freeze, die and
//! come back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod archived;
mod bodies;
mod concurrent;
mod contract;
mod demoted;
mod failing;
mod house;
mod lagging;
mod login;
mod random;
mod retired;
mod scarce;
