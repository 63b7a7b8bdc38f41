//! The block height that a scheduler starts with, and what people are told about it.

use rota_ledger::{KeptHeight, Ledger};
use rota_permaweb::{
    Gateway, HEIGHT_POLL_INTERVAL_DEFAULT, HeightCache, KnownHeight, highest_plausible,
    run_height_poller,
};
use rota_schedule::{Clock, Timestamp};
use rota_service::{Env, Stop};
use rota_writer::{Database, WithoutHeight};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a start waits for the first answer of a gateway while no height is known.
const FIRST_HEIGHT_WAIT: Duration = Duration::from_secs(2);

/// Settings of which each one means that others depend on this scheduler.
const DEPENDED_ON: [&str; 7] = [
    "DATABASE_URL",
    "UPLOAD_NODE_URL",
    "GATEWAY_URL",
    "ARWEAVE_URL",
    "ARWEAVE_URL_LIST",
    "GRAPHQL_URL",
    "GATEWAY_TIMEOUT",
];

/// Only a scheduler that was told nothing of database, gateways and uploads signs without a height.
pub(crate) fn without_height(env: &Env) -> WithoutHeight {
    if DEPENDED_ON.into_iter().any(|name| env.is_set(name)) {
        WithoutHeight::Refuse
    } else {
        WithoutHeight::SignZero
    }
}

/// What a person is told about the height.
pub(crate) fn shown(height: Option<u64>, without: WithoutHeight) -> String {
    match (height, without) {
        (Some(height), _) => crate::output::thousands(height),
        (None, WithoutHeight::SignZero) => UNKNOWN.to_owned(),
        (None, WithoutHeight::Refuse) => {
            "not known yet: items are refused until a gateway tells it".to_owned()
        }
    }
}

/// What a scheduler without gateways is said to have.
pub(crate) const UNKNOWN: &str = "no gateway: height unknown";

/// The heights that are known before any gateway is asked.
pub(crate) struct Kept {
    known: Option<KnownHeight>,
    pub(crate) cache: HeightCache,
}

impl Kept {
    /// The highest that the ledger keeps or a writer of the database has published. One that the clock does not
    /// allow is not used: the next height that gateways tell takes its place.
    pub(crate) fn of(ledger: &Ledger, database: Option<&Database>, now: Timestamp) -> Self {
        let own = ledger.block_height().map(|KeptHeight { height, told }| (height, told));
        let published = database.map(Database::block_heights).unwrap_or_default();
        let published = published.iter().map(|(height, closed)| (*height, Some(*closed)));
        let highest = highest_plausible(now.0);
        let (plausible, absurd): (Vec<_>, Vec<_>) =
            own.into_iter().chain(published).partition(|(height, _)| *height <= highest);
        for (height, _) in absurd {
            tracing::warn!(
                height,
                highest,
                "the kept block height is above what this machine's clock allows, so it is not used: the next \
                 height that gateways tell replaces it"
            );
        }
        let known = plausible.into_iter().max_by_key(|(height, told)| (*height, told.is_some()));
        let known = known
            .map(|(height, told)| KnownHeight { height, told_ms: told.map(|Timestamp(ms)| ms) });
        Self { cache: HeightCache::starting_at(known.map(|known| known.height)), known }
    }

    /// Asks gateways for it from now on, until `stop`.
    pub(crate) async fn poll(
        self,
        gateway: Gateway,
        ledger: Ledger,
        clock: Arc<dyn Clock>,
        stop: Stop,
    ) {
        let keep = move |height, told_ms| {
            let told = Some(Timestamp(told_ms));
            ledger.set_block_height(KeptHeight { height, told });
        };
        let (every, now_ms) = (HEIGHT_POLL_INTERVAL_DEFAULT, move || clock.now().0);
        let Self { cache, known } = self;
        run_height_poller(gateway, cache, known, every, now_ms, keep, stop.wait()).await;
    }
}

/// Waits for the first answer of a gateway if no height is known, but not for long.
pub(crate) async fn first_poll(cache: &HeightCache) {
    let _ = timeout(FIRST_HEIGHT_WAIT, cache.first_poll()).await; // without one it goes on
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_ledger::LedgerOptions;

    /// 2024-09-04T19:45:16Z: block 1,500,000 was mined.
    const NOW: Timestamp = Timestamp(1_725_479_116_000);

    #[test]
    fn any_setting_of_database_gateway_or_upload_makes_the_height_required() {
        for name in DEPENDED_ON {
            let env = Env::from_pairs([(name, "x")]);
            assert_eq!(without_height(&env), WithoutHeight::Refuse, "{name}");
        }
        for bare in [&[("PORT", "1"), ("SU_DATA_DIR", "x")][..], &[("GATEWAY_URL", " ")]] {
            let env = Env::from_pairs(bare.iter().copied());
            assert_eq!(without_height(&env), WithoutHeight::SignZero, "{bare:?}");
        }
    }

    #[test]
    fn kept_height_above_the_clock_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path(), LedgerOptions::default()).unwrap();
        assert_eq!(Kept::of(&ledger, None, NOW).cache.get(), None);
        for (height, used) in [(1_500_000, Some(1_500_000)), (999_999_999_999, None)] {
            ledger.set_block_height(KeptHeight { height, told: None });
            assert_eq!(Kept::of(&ledger, None, NOW).cache.get(), used);
        }
    }

    #[test]
    fn people_are_told_whether_a_height_is_missing_or_not_needed() {
        assert_eq!(shown(Some(1_600_000), WithoutHeight::Refuse), "1,600,000");
        assert_eq!(shown(None, WithoutHeight::SignZero), "no gateway: height unknown");
        assert!(shown(None, WithoutHeight::Refuse).contains("refused"));
    }
}
