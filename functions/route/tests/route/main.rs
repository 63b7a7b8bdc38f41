//! The router from outside: over real connections, before writers that do what writers and networks do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod alarms;
mod failing;
mod following;
mod footprint;
mod function;
mod hostile;
mod memory;
mod passing;
mod pointing;
mod site;
mod spawning;
mod spread;
mod writer;
