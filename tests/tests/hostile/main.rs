//! What a public port meets: broken items, broken queries, broken HTTP, slow clients. Each gets a 4xx
//! (or the 200 it deserves), never a 5xx, a hang or a reset; `/health` answers all through, and the
//! schedule is whole afterwards. Seeds are fixed and part of every failure's text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod bodies;
mod flood;
mod prober;
mod queries;
mod slow;
mod wire;

use rota_ans104::WalletKind;
use rota_testkit::Site;

const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");

/// A scheduler that signs fast and asks its gateway with patience of half a second.
async fn site() -> Site {
    Site::with(ROTA, WalletKind::Ed25519, &[]).await
}
