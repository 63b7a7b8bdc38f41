//! How fast the bundler is asked: whether it is well, how many deliveries may run, and when it is
//! tried again if it is not.
//!
//! Pure: time and randomness are arguments. It knows deliveries only by when they were sent, which is
//! how it tells a probe (sent after the pause was over) from one that was on its way before the
//! trouble and says nothing new.

use rand::Rng;
use rota_permaweb::Backoff;
use std::time::Duration;
use tokio::time::Instant;

/// Deliveries that run at once.
pub(super) const UPLOADS_PARALLEL_MAX: usize = 16;
/// Deliveries in a row that were answered, but not with a receipt, before the bundler counts as unwell.
const MISSES_MAX: u32 = 32;
/// The longest pause that a bundler's `Retry-After` brings about.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Pauses of a bundler that answers, but not with receipts: short, since the next item may be welcome.
const MISSES_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(2));

/// The health of the bundler as deliveries show it.
pub(super) struct Pace {
    backoff: Backoff,
    /// Deliveries that may run while it is well. Starts at one after each pause and grows by one with
    /// every success, so that a bundler that has just come back is not run over.
    parallel: usize,
    /// Answers in a row that were not receipts.
    misses: u32,
    pause: Option<Pause>,
}

/// The bundler is unwell: one probe at a time, each after a pause.
struct Pause {
    failed_probes: u32,
    until: Instant,
}

impl Pace {
    /// Takes the bundler to be well.
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::default(), parallel: UPLOADS_PARALLEL_MAX, misses: 0, pause: None }
    }

    pub(super) const fn is_well(&self) -> bool {
        self.pause.is_none()
    }

    /// From when on something may be sent while `in_flight` deliveries run; `None` if one of them has
    /// to end first.
    pub(super) fn opens_at(&self, now: Instant, in_flight: usize) -> Option<Instant> {
        match &self.pause {
            Some(pause) => (in_flight == 0).then_some(pause.until),
            None => (in_flight < self.parallel).then_some(now),
        }
    }

    /// How many deliveries may start once it is open.
    pub(super) const fn room(&self, in_flight: usize) -> usize {
        match &self.pause {
            Some(_) => 1usize.saturating_sub(in_flight),
            None => self.parallel.saturating_sub(in_flight),
        }
    }

    /// A delivery succeeded. True if this ends a pause.
    pub(super) fn succeeded(&mut self, sent: Instant) -> bool {
        self.misses = 0;
        match &self.pause {
            Some(pause) if sent < pause.until => false,
            Some(_) => {
                (self.pause, self.parallel) = (None, 1);
                true
            }
            None => {
                self.parallel = (self.parallel + 1).min(UPLOADS_PARALLEL_MAX);
                false
            }
        }
    }

    /// A delivery failed for a reason that would hit any other too. True if this begins a pause.
    pub(super) fn failed(
        &mut self,
        now: Instant,
        sent: Instant,
        retry_after: Option<Duration>,
        rng: &mut impl Rng,
    ) -> bool {
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        let backoff = self.backoff;
        if let Some(pause) = &mut self.pause
            && sent < pause.until
        {
            pause.until = pause.until.max(now + asked);
            return false;
        }
        self.pause(now, |probes| backoff.delay(probes, rng).max(asked))
    }

    /// The bundler answered, but did not take what it was sent. True if this begins a pause: so many
    /// in a row are no accident.
    pub(super) fn missed(&mut self, now: Instant, sent: Instant, rng: &mut impl Rng) -> bool {
        self.misses = self.misses.saturating_add(1);
        let counts = match &self.pause {
            Some(pause) => sent >= pause.until,
            None => self.misses >= MISSES_MAX,
        };
        counts && self.pause(now, |probes| MISSES_BACKOFF.delay(probes, rng))
    }

    /// Begins a pause, or the next one after a failed probe; `delay` takes the number of the latter.
    fn pause(&mut self, now: Instant, delay: impl FnOnce(u32) -> Duration) -> bool {
        let begins = self.pause.is_none();
        let failed_probes = self.pause.as_ref().map_or(0, |p| p.failed_probes.saturating_add(1));
        self.pause = Some(Pause { failed_probes, until: now + delay(failed_probes) });
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_failure_leads_to_single_probes_until_one_succeeds() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        assert_eq!(pace.room(0), UPLOADS_PARALLEL_MAX);
        assert!(pace.failed(now, now, None, &mut rng()));
        assert_eq!((pace.room(0), pace.room(1), pace.opens_at(now, 1)), (1, 0, None));
        let open = pace.opens_at(now, 0).unwrap();
        assert!(open >= now && open <= now + Duration::from_millis(250));
        assert!(!pace.failed(open, open, None, &mut rng()), "the pause has begun already");
        let open = pace.opens_at(open, 0).unwrap();
        assert!(pace.succeeded(open));
        assert!(pace.is_well());
    }

    #[test]
    fn after_a_pause_it_starts_with_one_and_grows() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        pace.failed(now, now, None, &mut rng());
        pace.succeeded(now + secs(1));
        assert_eq!(pace.room(0), 1);
        for expected in (2..=UPLOADS_PARALLEL_MAX).chain([UPLOADS_PARALLEL_MAX]) {
            pace.succeeded(now + secs(1));
            assert_eq!(pace.room(0), expected);
        }
    }

    #[test]
    fn what_was_sent_before_the_pause_neither_lengthens_nor_ends_it() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        pace.failed(now + secs(1), now, Some(secs(2)), &mut rng());
        let open = pace.opens_at(now, 0).unwrap();
        for _ in 0..15 {
            assert!(!pace.failed(now + secs(1), now, None, &mut rng()));
            assert!(!pace.succeeded(now));
        }
        assert_eq!(pace.opens_at(now, 0), Some(open));
    }

    #[test]
    fn retry_after_is_honoured_from_whomever_it_comes_and_capped() {
        let (mut pace, now) = (Pace::new(), Instant::now());
        pace.failed(now, now, Some(secs(7)), &mut rng());
        assert_eq!(pace.opens_at(now, 0), Some(now + secs(7)));
        pace.failed(now, now, Some(secs(9)), &mut rng());
        assert_eq!(pace.opens_at(now, 0), Some(now + secs(9)));
        pace.failed(now + secs(9), now + secs(9), Some(secs(100_000)), &mut rng());
        assert_eq!(pace.opens_at(now, 0), Some(now + secs(9) + RETRY_AFTER_MAX));
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let (mut pace, now, mut rng) = (Pace::new(), Instant::now(), rng());
        let mut longest = Duration::ZERO;
        let mut at = now;
        for _ in 0..50 {
            pace.failed(at, at, None, &mut rng);
            let open = pace.opens_at(at, 0).unwrap();
            longest = longest.max(open - at);
            at = open;
        }
        assert!(longest > secs(30) && longest <= secs(60), "{longest:?}");
    }

    #[test]
    fn only_misses_in_a_row_make_it_unwell_and_pauses_stay_short() {
        let (mut pace, mut at, mut rng) = (Pace::new(), Instant::now(), rng());
        for _ in 0..10 {
            for _ in 1..MISSES_MAX {
                assert!(!pace.missed(at, at, &mut rng));
            }
            pace.succeeded(at);
        }
        let begun = (0..MISSES_MAX).filter(|_| pace.missed(at, at, &mut rng)).count();
        assert_eq!((begun, pace.is_well()), (1, false));
        for _ in 0..50 {
            let open = pace.opens_at(at, 0).unwrap();
            assert!(open - at <= secs(2));
            at = open;
            pace.missed(at, at, &mut rng);
        }
    }
}
