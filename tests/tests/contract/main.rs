//! The wire contract (§2, §3 and §5 of the contract page) over real HTTP against the real binary, each
//! sentence once: on the embedded ledger and, all of it again, with the commit in Postgres and reads from
//! a hot standby.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod answers;
mod assigning;
mod bundles;
mod database;
mod large_pages;
mod nodes;
mod pages;
mod places;
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
    site_of(WalletKind::Rsa4Prime, &[]).await
}

/// A scheduler that signs fast, with settings of its own.
async fn site_with(settings: &[(&str, &str)]) -> Site {
    site_of(WalletKind::Ed25519, settings).await
}

/// A scheduler with this kind of wallet, and with a database if that is what is tested.
async fn site_of(kind: WalletKind, settings: &[(&str, &str)]) -> Site {
    let database = database::settings();
    let database = database.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<_> = database.chain(settings.iter().copied()).collect();
    Site::with(ROTA, kind, &settings).await
}
