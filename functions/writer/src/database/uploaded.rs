//! Up to which timestamp everything of this writer is uploaded.
//!
//! When a closed timestamp is published, everything at or below it is committed, and so it is in the
//! outbox or through it: the end of the outbox at that moment stands for the timestamp. Once the outbox is
//! delivered up to there, everything up to the timestamp is uploaded.

use rota_schedule::Timestamp;
use std::collections::VecDeque;

/// Ends that are remembered. Beyond that every second one is forgotten, and of the further ones as many are
/// left out: what is told is then a little older, never wrong.
const ENDS_MAX: usize = 1_024;

/// Closed timestamps with the ends of the outbox that stand for them, both rising.
pub(super) struct Uploaded {
    ends: VecDeque<(Timestamp, u64)>,
    /// Of so many ends one is remembered.
    stride: u64,
    /// How many came since the last one that is.
    left_out: u64,
    until: Timestamp,
}

impl Uploaded {
    /// `until` is what earlier terms have published.
    pub(super) const fn since(until: Timestamp) -> Self {
        Self { ends: VecDeque::new(), stride: 1, left_out: 0, until }
    }

    /// Everything up to `closed` has rows below `end`, if it ever had any.
    pub(super) fn closed(&mut self, closed: Timestamp, end: u64) {
        self.left_out += 1;
        if self.left_out < self.stride {
            return;
        }
        self.left_out = 0;
        if self.ends.len() >= ENDS_MAX {
            self.stride *= 2;
            let mut keep = false;
            self.ends.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.ends.push_back((closed, end));
    }

    /// All rows below `low` are delivered: up to which timestamp everything is uploaded.
    pub(super) fn delivered(&mut self, low: u64) -> Timestamp {
        while let Some((closed, end)) = self.ends.front()
            && *end <= low
        {
            self.until = self.until.max(*closed);
            self.ends.pop_front();
        }
        if self.ends.is_empty() {
            self.stride = 1;
        }
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_uploaded_once_the_outbox_is_delivered_up_to_its_end() {
        let mut uploaded = Uploaded::since(Timestamp(5));
        assert_eq!(uploaded.delivered(0), Timestamp(5));
        for (closed, end) in [(10, 3), (20, 3), (30, 7)] {
            uploaded.closed(Timestamp(closed), end);
        }
        assert_eq!(uploaded.delivered(2), Timestamp(5));
        assert_eq!(uploaded.delivered(3), Timestamp(20));
        assert_eq!(uploaded.delivered(6), Timestamp(20));
        assert_eq!(uploaded.delivered(9), Timestamp(30));
        assert_eq!(uploaded.delivered(9), Timestamp(30));
    }

    #[test]
    fn an_outbox_that_stands_still_fills_no_memory_and_tells_nothing_wrong() {
        let mut uploaded = Uploaded::since(Timestamp(0));
        for beat in 1..100_000 {
            uploaded.closed(Timestamp(beat), beat);
            assert!(uploaded.ends.len() <= ENDS_MAX);
        }
        let until = uploaded.delivered(50_000).0;
        assert!((45_000..=50_000).contains(&until), "{until}");
    }
}
