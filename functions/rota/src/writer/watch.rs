//! When a lease may be taken: a pure decision over what was seen of it, and when by one's own clock.

use rota_schedule::{Lease, LeaseHolder};
use std::time::{Duration, Instant};

/// How long a holder may give no sign of life.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(7);

/// What to do about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take it, if it is still as it was seen.
    Take(Option<Lease>),
    /// This run has it: an attempt to take it had no answer, and took it.
    Held,
    /// Look again.
    Wait,
}

/// Watches a lease. It never compares the clocks of two machines: a holder is gone when nothing has
/// changed for long enough while this one looked on.
#[derive(Debug)]
pub(super) struct Watch {
    /// This run.
    own: LeaseHolder,
    /// The last run on this very disk: if it has the lease it is dead, since this run has its ledger.
    before: Option<LeaseHolder>,
    seen: Option<(Lease, Instant)>,
}

impl Watch {
    /// `own` is this run, `before` the last one with this data directory, if there was one.
    pub(super) const fn new(own: LeaseHolder, before: Option<LeaseHolder>) -> Self {
        Self { own, before, seen: None }
    }

    /// Decides on the lease as it was read just before `now`.
    pub(super) fn judge(&mut self, lease: Option<Lease>, now: Instant) -> Verdict {
        let Some(lease) = lease else { return Verdict::Take(None) };
        if lease.holder == self.own && !lease.released {
            return Verdict::Held;
        }
        if lease.released || self.before == Some(lease.holder) {
            return Verdict::Take(Some(lease));
        }
        match self.seen {
            Some((seen, since)) if seen == lease => {
                if now.saturating_duration_since(since) >= SILENCE_MAX {
                    Verdict::Take(Some(lease))
                } else {
                    Verdict::Wait
                }
            }
            _ => {
                self.seen = Some((lease, now));
                Verdict::Wait
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run that watches.
    const OWN: LeaseHolder = LeaseHolder([9; 16]);

    const fn lease(holder: u8, beat: u64) -> Lease {
        Lease { holder: LeaseHolder([holder; 16]), beat, released: false }
    }

    #[test]
    fn a_lease_that_nobody_has_is_taken_at_once() {
        let now = Instant::now();
        assert_eq!(Watch::new(OWN, None).judge(None, now), Verdict::Take(None));
        let released = Lease { released: true, ..lease(1, 4) };
        assert_eq!(Watch::new(OWN, None).judge(Some(released), now), Verdict::Take(Some(released)));
        let mine = lease(7, 4);
        let mut watch = Watch::new(OWN, Some(mine.holder));
        assert_eq!(
            watch.judge(Some(mine), now),
            Verdict::Take(Some(mine)),
            "the run before is dead"
        );
    }

    #[test]
    fn take_without_an_answer_is_read_back_as_held() {
        let (mut watch, now) = (Watch::new(OWN, None), Instant::now());
        assert_eq!(watch.judge(None, now), Verdict::Take(None));
        assert_eq!(watch.judge(Some(lease(9, 1)), now), Verdict::Held, "it took effect");
        assert_eq!(watch.judge(Some(lease(1, 1)), now), Verdict::Wait, "another was faster");
        let given_back = Lease { released: true, ..lease(9, 1) };
        assert_eq!(watch.judge(Some(given_back), now), Verdict::Take(Some(given_back)));
    }

    #[test]
    fn a_holder_is_gone_only_after_a_silence_that_was_watched() {
        let (mut watch, start) = (Watch::new(OWN, None), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(watch.judge(Some(lease(1, 1)), start), Verdict::Wait);
        assert_eq!(watch.judge(Some(lease(1, 1)), after(6_999)), Verdict::Wait);
        assert_eq!(watch.judge(Some(lease(1, 2)), after(7_001)), Verdict::Wait, "it lives");
        assert_eq!(watch.judge(Some(lease(2, 2)), after(14_000)), Verdict::Wait, "another took it");
        assert_eq!(watch.judge(Some(lease(2, 2)), after(20_999)), Verdict::Wait);
        let taken = Verdict::Take(Some(lease(2, 2)));
        assert_eq!(watch.judge(Some(lease(2, 2)), after(21_000)), taken);
    }
}
