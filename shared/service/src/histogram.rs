//! How long stages take: counts by buckets that a scraper reads whole, and of which quantiles over any
//! interval can be told.
//!
//! Observing is two additions to atomics: no lock, no allocation.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in seconds: 1, 2, 5 per decade from 10 µs to 10 s. Above the last one there is one bucket more.
pub const BOUNDS: [f64; 19] = [
    1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];
const BUCKETS: usize = BOUNDS.len() + 1;
const NS_PER_S: f64 = 1e9;
const MS_PER_S: f64 = 1e3;

/// The times of one stage. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct StageTimes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// How many times fell into each bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; BUCKETS]);

impl StageTimes {
    /// Takes in one time.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What was taken in so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts(std::array::from_fn(|bucket| self.0.counts[bucket].load(Ordering::Relaxed)))
    }
}

impl EncodeMetric for StageTimes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let counts = self.counts();
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.0).collect();
        let sum = self.0.sum_ns.load(Ordering::Relaxed) as f64 / NS_PER_S;
        encoder.encode_histogram::<NoLabelSet>(sum, counts.total(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for StageTimes {
    const TYPE: MetricType = MetricType::Histogram;
}

impl Counts {
    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What has come since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket])))
    }

    /// The time, in milliseconds, that a share of all times stays at or below, interpolated within its
    /// bucket; the last bound for what lies above it. `None` if there are none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let wanted = self.total() as f64 * share;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.0.into_iter().zip(BOUNDS) {
            let count = count as f64;
            if count > 0.0 && below + count >= wanted {
                return Some((lower + (upper - lower) * (wanted - below) / count) * MS_PER_S);
            }
            (below, lower) = (below + count, upper);
        }
        (self.total() > 0).then_some(lower * MS_PER_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ms: &[u64]) -> StageTimes {
        let times = StageTimes::default();
        ms.iter().for_each(|ms| times.observe(Duration::from_millis(*ms)));
        times
    }

    #[test]
    fn quantiles_lie_where_the_times_do() {
        assert_eq!(of(&[]).counts().quantile_ms(0.5), None);
        let times = of(&[3; 100]);
        let p50 = times.counts().quantile_ms(0.5).unwrap();
        assert!((2.0..=5.0).contains(&p50), "{p50}");
        let mixed = of(&[[1; 98].as_slice(), &[150, 150]].concat());
        let p50 = mixed.counts().quantile_ms(0.5).unwrap();
        assert!((0.5..=1.0).contains(&p50), "{p50}");
        let p99 = mixed.counts().quantile_ms(0.99).unwrap();
        assert!((100.0..=200.0).contains(&p99), "{p99}");
        assert_eq!(of(&[60_000]).counts().quantile_ms(0.5), Some(10_000.0), "the last bound");
    }

    #[test]
    fn an_interval_knows_nothing_of_what_was_before() {
        let times = of(&[1; 50]);
        let before = times.counts();
        assert_eq!(times.counts().since(&before).quantile_ms(0.99), None);
        times.observe(Duration::from_millis(300));
        let since = times.counts().since(&before);
        assert_eq!(since.total(), 1);
        assert!((200.0..=500.0).contains(&since.quantile_ms(0.5).unwrap()));
    }
}
