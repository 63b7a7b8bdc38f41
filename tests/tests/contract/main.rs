//! The wire contract (§2, §3 and §5 of the contract page) over real HTTP against the real binary, each
//! sentence once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod answers;
mod assigning;
mod bundles;
mod nodes;
mod pages;
mod posting;
mod refusals;
mod server;
mod shape;

use rota_ans104::WalletKind;
use rota_testkit::Site;

/// The `rota` command.
const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");

/// A scheduler as a first start makes it.
async fn site() -> Site {
    Site::start(ROTA).await
}

/// A scheduler that signs fast, with settings of its own.
async fn site_with(settings: &[(&str, &str)]) -> Site {
    Site::with(ROTA, WalletKind::Ed25519, settings).await
}
