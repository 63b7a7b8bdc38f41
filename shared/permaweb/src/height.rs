//! The block height, cached: assignments need one, and no POST may wait for a gateway.
//!
//! The cached height never goes back, whatever a gateway says. It is `None` until one is known: 0 is a height. When
//! gateways are down, the last known height stays and the poller backs off. A height that leaps further than one
//! gateway is believed is put to the other configured gateways, and counts when two agree. An outage and a leap are
//! logged once when they start and once when they end.

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{Rng, RngExt, rngs::StdRng};
use tokio::sync::watch;

use crate::believed::{Belief, agreed};
use crate::gateway::ToldHeight;
use crate::{Backoff, Gateway, KnownHeight, PermawebError};

/// The pause between two polls unless configured otherwise; a block takes about two minutes.
pub const HEIGHT_POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(30);

/// The highest block height seen. Clones share it.
#[derive(Debug, Clone)]
pub struct HeightCache {
    /// The height plus one; 0 while none is known.
    next: Arc<AtomicU64>,
    /// When it was last told, or else made.
    told: Arc<Mutex<Instant>>,
    /// Whether a first poll has ended.
    polled: Arc<watch::Sender<bool>>,
}

impl HeightCache {
    /// A cache that starts at a height known from before, if there is one.
    pub fn starting_at(height: Option<u64>) -> Self {
        let next = height.map_or(0, |height| height.saturating_add(1));
        Self {
            next: Arc::new(AtomicU64::new(next)),
            told: Arc::new(Mutex::new(Instant::now())),
            polled: Arc::new(watch::Sender::new(false)),
        }
    }

    /// The highest height seen so far. Does not wait.
    pub fn get(&self) -> Option<u64> {
        // The number stands alone: nothing else is published through it.
        self.next.load(Ordering::Relaxed).checked_sub(1)
    }

    /// How long ago a gateway said it, or else since when nobody has.
    pub fn age(&self) -> Duration {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Takes note of a height; returns whether it is higher than all before.
    pub fn observe(&self, height: u64) -> bool {
        let next = height.saturating_add(1);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.next.fetch_max(next, Ordering::Relaxed) < next
    }

    /// Waits until a height is known or the first poll has failed.
    pub async fn first_poll(&self) {
        if self.get().is_none() {
            // Fails only when the sender is gone, and this is one.
            let _ = self.polled.subscribe().wait_for(|polled| *polled).await;
        }
    }
}

/// Polls the height into `cache` about every `every` (up to a fifth less, so that many writers do not
/// ask in step) until `stop` is done. `kept` is the height of before that `cache` starts at, and `now_ms` the
/// clock, in milliseconds since 1970. `on_change` gets each new highest height and when it was told, to keep it
/// across restarts; it runs on the poller's task and must not block for long.
pub async fn run_height_poller(
    gateway: Gateway,
    cache: HeightCache,
    kept: Option<KnownHeight>,
    every: Duration,
    now_ms: impl Fn() -> u64 + Send + Sync,
    on_change: impl Fn(u64, u64) + Send + Sync,
    stop: impl Future,
) {
    let mut judge = Judge { gateway, belief: Belief::after(kept), doubts: false };
    let mut poller = Poller { every, failures: 0, rng: rand::make_rng::<StdRng>() };
    let polling = async {
        loop {
            let pause = match judge.ask(cache.get(), &now_ms).await {
                Ok(Some(height)) => {
                    if cache.observe(height) {
                        on_change(height, now_ms());
                    }
                    poller.succeeded(height)
                }
                // Answered, and not believed: asked again as usual.
                Ok(None) => poller.pause(),
                Err(error) => poller.failed(&error),
            };
            cache.polled.send_replace(true);
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        _ = stop => {}
        () = polling => {}
    }
}

/// Decides whether what gateways tell is believed.
struct Judge {
    gateway: Gateway,
    belief: Belief,
    /// A height was not believed, and none has been since.
    doubts: bool,
}

impl Judge {
    /// The height that is believed now, or `None` if gateways answer and none is.
    async fn ask(
        &mut self,
        known: Option<u64>,
        now_ms: impl Fn() -> u64,
    ) -> Result<Option<u64>, PermawebError> {
        let told = self.gateway.told_height().await?;
        let now = now_ms();
        if told.height <= self.belief.highest(now) {
            self.belief.note(told.height, now);
            self.believe(told.height);
            return Ok(Some(told.height));
        }
        let beside = self.gateway.heights_beside(&told.host).await;
        let all = || beside.iter().chain([&told]).map(|told| told.height);
        let one = all().filter(|height| *height <= self.belief.highest(now)).max();
        let two = agreed(all());
        let height = one.max(two);
        if two.is_some() && two == height {
            height.inspect(|height| self.belief.note_agreed(*height, now));
        } else {
            height.inspect(|height| self.belief.note(*height, now));
        }
        match height {
            Some(height) => self.believe(height),
            None => self.doubt(known, &told, now),
        }
        Ok(height)
    }

    fn believe(&mut self, height: u64) {
        if std::mem::take(&mut self.doubts) {
            tracing::info!(height, "block height is believed again");
        }
    }

    fn doubt(&mut self, known: Option<u64>, told: &ToldHeight, now_ms: u64) {
        if std::mem::replace(&mut self.doubts, true) {
            return;
        }
        let ToldHeight { host, height } = told;
        let (gateways, highest) = (self.gateway.witnesses(), self.belief.highest(now_ms));
        tracing::warn!(
            %host, height, highest, gateways, known,
            "a gateway tells a block height that is too high to believe it alone, so the last one stays in use: \
             check this machine's clock, and name gateways of other operators in ARWEAVE_URL_LIST: two that agree \
             are believed"
        );
    }
}

/// When to ask next, and what to say about it.
struct Poller<R> {
    every: Duration,
    /// Failures since the last success.
    failures: u32,
    rng: R,
}

impl<R: Rng> Poller<R> {
    fn succeeded(&mut self, height: u64) -> Duration {
        if self.failures > 0 {
            tracing::info!(height, failures = self.failures, "block height is known again");
            self.failures = 0;
        }
        self.pause()
    }

    fn pause(&mut self) -> Duration {
        self.every - self.rng.random_range(Duration::ZERO..=self.every / 5)
    }

    fn failed(&mut self, error: &PermawebError) -> Duration {
        if self.failures == 0 {
            let error = error as &(dyn Error + 'static);
            tracing::warn!(error, "block height cannot be asked, the last one stays in use");
        }
        let pause = Backoff::default().delay(self.failures, &mut self.rng);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_cache_starts_where_told_and_only_rises() {
        let cache = HeightCache::starting_at(None);
        assert_eq!(cache.get(), None);
        assert!(cache.observe(0));
        assert_eq!(cache.get(), Some(0));
        let clone = cache.clone();
        assert!(clone.observe(9));
        assert!(!cache.observe(9) && !cache.observe(8));
        assert_eq!(cache.get(), Some(9));
        assert_eq!(HeightCache::starting_at(Some(5)).get(), Some(5));
    }

    #[test]
    fn the_cache_rises_under_many_observers() {
        let cache = HeightCache::starting_at(None);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let cache = &cache;
                scope.spawn(move || {
                    for i in 0..1_000 {
                        cache.observe(i * 4 + thread);
                    }
                });
            }
        });
        assert_eq!(cache.get(), Some(3_999));
    }

    fn poller(every: Duration) -> Poller<StdRng> {
        Poller { every, failures: 0, rng: StdRng::seed_from_u64(7) }
    }

    #[test]
    fn a_success_is_followed_by_the_interval_less_a_fifth_at_most() {
        let every = Duration::from_secs(30);
        let mut poller = poller(every);
        let pauses: Vec<_> = (0..100).map(|_| poller.succeeded(1)).collect();
        assert!(pauses.iter().all(|pause| (every * 4 / 5..=every).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "there is jitter");
        assert_eq!(self::poller(Duration::ZERO).succeeded(1), Duration::ZERO);
    }

    #[test]
    fn failures_back_off_up_to_a_minute_until_a_success() {
        let error = PermawebError::NotFound { id: String::new() };
        let mut poller = poller(Duration::from_secs(30));
        for attempt in 0..100 {
            assert!(poller.failed(&error) <= Backoff::default().ceiling(attempt));
        }
        assert!((0..100).any(|_| poller.failed(&error) > Duration::from_secs(50)));
        poller.succeeded(1);
        assert!(poller.failed(&error) <= Duration::from_millis(250));
    }
}
