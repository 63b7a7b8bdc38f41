//! The templates in `infra/`: linted, the functions built as an operator builds them, the stack created in a stand-in of AWS
//! with the parameters of `dev`, and used through what it made. What is granted is compared with what is asked for.
//!
//! Nothing leaves loopback. The stand-in runs the built functions but no containers, so the writer is the `rota` command with
//! the environment of the task definition; the database is a real Postgres with a replica that "exists already".
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod api;
mod built;
mod called;
mod lint;
mod nested;
mod policy;
mod recorder;
mod rules;
mod stack;
mod town;

/// The `rota` command.
const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");
/// The workspace.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
