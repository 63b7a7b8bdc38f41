//! How long to wait before trying again: exponential with full jitter, so that many who failed together
//! do not come back together. Pure: randomness is an argument, and nothing here sleeps or counts.

use std::time::Duration;

use rand::{Rng, RngExt};

/// Exponential back-off with full jitter and no last attempt. The default starts at 250 ms, doubles,
/// and never waits longer than 60 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// A back-off whose first wait is at most `first`, and every wait at most `cap`.
    pub const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap }
    }

    /// The wait after failed attempt number `attempt` (the first is 0): anything from nothing to
    /// [`Backoff::ceiling`], each as likely.
    pub fn delay(&self, attempt: u32, rng: &mut impl Rng) -> Duration {
        rng.random_range(Duration::ZERO..=self.ceiling(attempt))
    }

    /// The longest wait after failed attempt number `attempt`: `first * 2^attempt`, at most `cap`.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(2u32.saturating_pow(attempt)).min(self.cap)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn the_default_doubles_from_a_quarter_second_to_a_minute() {
        let ceilings = [0, 1, 2, 7, 8, 9, 31, 32, u32::MAX].map(|n| Backoff::default().ceiling(n));
        let millis = [250, 500, 1_000, 32_000, 60_000, 60_000, 60_000, 60_000, 60_000];
        assert_eq!(ceilings, millis.map(Duration::from_millis));
    }

    #[test]
    fn delays_fill_the_whole_range() {
        let mut rng = StdRng::seed_from_u64(1);
        let delays: Vec<_> = (0..1_000).map(|_| Backoff::default().delay(2, &mut rng)).collect();
        assert!(delays.iter().any(|d| *d < Duration::from_millis(50)));
        assert!(delays.iter().any(|d| *d > Duration::from_millis(950)));
    }

    proptest! {
        #[test]
        fn a_delay_never_exceeds_its_ceiling_nor_the_cap(
            attempt in any::<u32>(), first in any::<u32>(), cap in any::<u32>(), seed in any::<u64>(),
        ) {
            let backoff = Backoff::new(Duration::from_micros(first.into()), Duration::from_micros(cap.into()));
            let delay = backoff.delay(attempt, &mut StdRng::seed_from_u64(seed));
            assert!(delay <= backoff.ceiling(attempt) && delay <= backoff.cap);
            assert_eq!(delay, backoff.delay(attempt, &mut StdRng::seed_from_u64(seed)));
        }

        #[test]
        fn ceilings_never_shrink(attempt in 0..u32::MAX, first in any::<u32>(), cap in any::<u32>()) {
            let backoff = Backoff::new(Duration::from_micros(first.into()), Duration::from_micros(cap.into()));
            assert!(backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1));
        }
    }
}
