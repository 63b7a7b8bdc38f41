//! The explorer in a real browser, over a real scheduler: what people see and do, what is verified in their
//! browser, and what strangers' data can not do to them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod browser;
mod browsing;
mod ed25519;
mod function;
mod hostile;
mod keyboard;
mod layout;
mod page;
mod scene;
mod tampering;
mod trouble;
mod vectors;
mod verdicts;
mod whole;

/// The `rota` command.
const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");
