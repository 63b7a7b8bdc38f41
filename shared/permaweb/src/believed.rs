//! What one gateway alone is believed about the block height.
//!
//! A height that is signed stays for ever, and the next one may not be lower. So a single gateway is believed only
//! within what the clock allows: [`highest_plausible`] bounds every height, and [`Belief`] bounds the rise since the
//! last one. A height beyond that needs a second gateway. Pure: the time is an argument, in milliseconds since 1970.

/// The day of Arweave's first block: 2018-06-08T00:00:00Z.
const FIRST_BLOCK_DAY_MS: u64 = 1_528_416_000_000;
/// Arweave aims at two minutes between two blocks. The average up to block 1,500,000 (2024-09-04) is 131 s.
const BLOCK_TARGET_MS: u64 = 120_000;
/// The rise that is believed for good: a block a minute, twice as fast as Arweave's target.
const RISE_MS: u64 = 60_000;
/// How far a height may run ahead of that rise: the blocks of a day.
const AHEAD_MAX: u64 = 720;

/// Two gateways agree when their heights differ by at most this many blocks, about three hours.
pub(crate) const AGREE_WITHIN: u64 = 100;

/// A block height, and when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHeight {
    /// The height.
    pub height: u64,
    /// When a gateway told it, in milliseconds since 1970; `None` if that was not kept.
    pub told_ms: Option<u64>,
}

/// The highest height that Arweave can have by this clock: a block every two minutes since the first.
#[must_use]
pub const fn highest_plausible(now_ms: u64) -> u64 {
    now_ms.saturating_sub(FIRST_BLOCK_DAY_MS) / BLOCK_TARGET_MS
}

/// How high one gateway is believed. The bound rises by one block every [`RISE_MS`], and stays within
/// [`AHEAD_MAX`] blocks of the last believed height: many small leaps gain no more than one large one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Belief(Option<Bound>);

/// A height in units of 1/[`RISE_MS`] block, so that no millisecond is lost in rounding.
#[derive(Clone, Copy, Debug)]
struct Bound {
    fine: u64,
    at_ms: u64,
}

impl Bound {
    const fn after(height: u64, at_ms: u64) -> Self {
        Self { fine: height.saturating_add(AHEAD_MAX).saturating_mul(RISE_MS), at_ms }
    }

    const fn at(self, now_ms: u64) -> u64 {
        self.fine.saturating_add(now_ms.saturating_sub(self.at_ms))
    }
}

impl Belief {
    /// After a height that was kept. Without the time of it, only [`highest_plausible`] bounds the next one.
    pub(crate) fn after(kept: Option<KnownHeight>) -> Self {
        let told = kept.and_then(|kept| Some((kept.height, kept.told_ms?)));
        Self(told.map(|(height, at_ms)| Bound::after(height, at_ms)))
    }

    /// The highest height for which one gateway is enough.
    pub(crate) fn highest(&self, now_ms: u64) -> u64 {
        let risen = self.0.map_or(u64::MAX, |bound| bound.at(now_ms) / RISE_MS);
        risen.min(highest_plausible(now_ms))
    }

    /// Notes a height that one gateway told and that was believed.
    pub(crate) fn note(&mut self, height: u64, now_ms: u64) {
        let next = Bound::after(height, now_ms);
        let risen = self.0.map_or(u64::MAX, |bound| bound.at(now_ms));
        self.0 = Some(Bound { fine: next.fine.min(risen), ..next });
    }

    /// Notes a height on which two gateways agree: the bound begins anew there.
    pub(crate) fn note_agreed(&mut self, height: u64, now_ms: u64) {
        self.0 = Some(Bound::after(height, now_ms));
    }
}

/// The highest height on which two of these answers agree, each from another gateway: the lower of the two.
pub(crate) fn agreed(heights: impl IntoIterator<Item = u64>) -> Option<u64> {
    let mut heights: Vec<_> = heights.into_iter().collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    let pair = heights.windows(2).find(|pair| pair[0] - pair[1] <= AGREE_WITHIN)?;
    Some(pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2024-09-04T19:45:16Z: block 1,500,000 was mined.
    const THEN_MS: u64 = 1_725_479_116_000;
    const THEN: u64 = 1_500_000;
    const DAY_MS: u64 = 86_400_000;

    fn told(height: u64, told_ms: u64) -> Belief {
        Belief::after(Some(KnownHeight { height, told_ms: Some(told_ms) }))
    }

    #[test]
    fn real_heights_are_plausible_and_twelve_digits_are_not() {
        // Heights and times of mainnet blocks.
        for (height, seconds) in [
            (1_000, 1_528_615_440),
            (100_000, 1_544_572_455),
            (500_000, 1_596_497_259),
            (1_000_000, 1_661_080_544),
            (THEN, THEN_MS / 1_000),
        ] {
            assert!(height <= highest_plausible(seconds * 1_000), "{height}");
            assert!(height * 2 > highest_plausible(seconds * 1_000), "the bound says little");
        }
        assert!(highest_plausible(THEN_MS) < 2 * THEN);
        assert_eq!(highest_plausible(0), 0);
    }

    #[test]
    fn first_height_is_bounded_by_the_clock_alone() {
        let first = Belief::default();
        assert_eq!(first.highest(THEN_MS), highest_plausible(THEN_MS));
        let untimed = Belief::after(Some(KnownHeight { height: 5, told_ms: None }));
        assert_eq!(untimed.highest(THEN_MS), highest_plausible(THEN_MS));
    }

    #[test]
    fn bound_follows_the_time_since_the_kept_height() {
        let belief = told(THEN, THEN_MS);
        assert_eq!(belief.highest(THEN_MS), THEN + AHEAD_MAX);
        assert_eq!(belief.highest(THEN_MS + 10 * DAY_MS), THEN + AHEAD_MAX + 10 * 1_440);
        assert_eq!(belief.highest(THEN_MS - DAY_MS), THEN + AHEAD_MAX, "a clock that is set back");
    }

    #[test]
    fn many_small_leaps_gain_no_more_than_one_large_one() {
        let mut belief = told(THEN, THEN_MS);
        let (mut now, mut height) = (THEN_MS, THEN);
        for _ in 0..2_880 {
            now += 30_000;
            height = belief.highest(now);
            belief.note(height, now);
        }
        assert_eq!(height, THEN + AHEAD_MAX + 1_440, "a day of polls, each as high as allowed");
    }

    #[test]
    fn two_gateways_begin_the_bound_anew() {
        let mut belief = told(5, THEN_MS);
        assert!(belief.highest(THEN_MS) < THEN);
        belief.note_agreed(THEN, THEN_MS);
        assert_eq!(belief.highest(THEN_MS), THEN + AHEAD_MAX);
    }

    #[test]
    fn agreement_takes_two_close_answers_and_the_lower_of_them() {
        assert_eq!(agreed([7]), None);
        assert_eq!(agreed([THEN, THEN + AGREE_WITHIN]), Some(THEN));
        assert_eq!(agreed([THEN, THEN + AGREE_WITHIN + 1]), None);
        assert_eq!(agreed([THEN - 3, 999_999_999_999, THEN]), Some(THEN - 3), "one of three lies");
        assert_eq!(agreed([]), None);
    }

    proptest! {
        /// Arweave's own pace never meets the bound, whatever the pauses between two polls are.
        #[test]
        fn a_chain_at_its_target_pace_is_always_believed(
            pauses in prop::collection::vec(1_000_u64..30 * DAY_MS, 1..50)
        ) {
            let (mut belief, mut now) = (told(THEN, THEN_MS), THEN_MS);
            for pause in pauses {
                now += pause;
                let height = THEN + (now - THEN_MS) / BLOCK_TARGET_MS;
                prop_assert!(height <= belief.highest(now));
                belief.note(height, now);
            }
        }
    }
}
