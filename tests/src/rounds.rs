//! How often the seeded tests repeat, and where they work.

use rota_ans104::{Wallet, WalletKind};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// Multiplies rounds and seeds: 1 is what the gate runs, more is for a quiet night.
const FACTOR: &str = "ROTA_TEST_ROUNDS";
/// A file system in memory, where syncing costs nothing.
const MEMORY: &str = "/dev/shm";

/// `usual` rounds, times the factor in `ROTA_TEST_ROUNDS`.
#[must_use]
pub fn rounds(usual: u64) -> u64 {
    let factor = std::env::var(FACTOR).map_or(1, |factor| factor.parse().expect(FACTOR));
    usual * factor
}

/// A directory for tests that model the disk themselves, so that the real one need not be slow.
#[must_use]
pub fn fast_dir() -> TempDir {
    let memory = Path::new(MEMORY);
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.unwrap()
}

/// The key that signs for schedulers under test: Ed25519, so that signing is not what they wait for.
#[must_use]
pub fn scheduler_wallet() -> Arc<Wallet> {
    static WALLET: OnceLock<Arc<Wallet>> = OnceLock::new();
    let made = || Arc::new(Wallet::generate(WalletKind::Ed25519).unwrap());
    WALLET.get_or_init(made).clone()
}
