//! The line: which rows are held in memory, and which of them goes next.
//!
//! Three kinds: *fresh* rows, read from the ledger and not tried yet; parcels that are *back* because the
//! bundler was unwell; parcels that *wait* on their own because the bundler did not take them. Pure and
//! bounded: the ledger holds all rows that are not delivered (DUR-2), so whatever finds no room here is
//! forgotten and read again later.

use super::parcel::{Parcel, same_entry};
use rota_ledger::OutboxRow;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Rows read from the ledger at once.
pub(super) const WINDOW_ROWS: usize = 1_024;
/// Fresh rows at or below which the next window is read. As many as a bundle has, so that a bundle is
/// never closed early while there is more.
const FRESH_ROWS_MIN: usize = super::BUNDLE_ROWS_MAX;
/// Rows that may wait on their own. Beyond, those that would wait longest are forgotten.
const WAITING_ROWS_MAX: usize = 65_536;
/// How long after rows were forgotten the outbox is read from the oldest of them again.
const FORGOTTEN_REST: Duration = Duration::from_secs(3_600);

/// How fresh rows are put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packing {
    /// Rows in one parcel.
    pub(super) rows_max: usize,
    /// How long fresh rows wait for more of them.
    pub(super) wait: Duration,
}

/// Rows that found no room.
struct Forgotten {
    lowest: u64,
    read_at: Instant,
}

/// The rows in memory, but for those in preparation or on their way, which it only remembers.
pub(super) struct Line {
    packing: Packing,
    fresh: VecDeque<OutboxRow>,
    /// When `fresh` got its first row.
    fresh_since: Instant,
    /// The last row in `fresh` that waits for no company.
    urgent: Option<u64>,
    /// By the number of the first row.
    back: BTreeMap<u64, Parcel>,
    /// By when it is due, then by the number of the first row.
    waiting: BTreeMap<(Instant, u64), Parcel>,
    waiting_rows: usize,
    /// Every row that was read and is neither delivered nor forgotten.
    held: HashSet<u64>,
    /// The last row that was read.
    cursor: Option<u64>,
    /// The ledger may have rows behind the cursor.
    more: bool,
    forgotten: Option<Forgotten>,
}

impl Line {
    pub(super) fn new(packing: Packing, now: Instant) -> Self {
        Self {
            packing,
            fresh: VecDeque::new(),
            fresh_since: now,
            urgent: None,
            back: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_rows: 0,
            held: HashSet::new(),
            cursor: None,
            more: true,
            forgotten: None,
        }
    }

    /// Whether the ledger was read to its end, so that only a change brings more.
    pub(super) const fn is_read(&self) -> bool {
        !self.more
    }

    /// The ledger has new rows.
    pub(super) const fn changed(&mut self) {
        self.more = true;
    }

    /// When the ledger should be read; `None` if there is enough, or nothing more.
    pub(super) fn reads_at(&self, now: Instant) -> Option<Instant> {
        if self.fresh.len() > FRESH_ROWS_MIN {
            return None;
        }
        let again = self.forgotten.as_ref().map(|forgotten| forgotten.read_at);
        if self.more { Some(now) } else { again }
    }

    /// The row after which to read [`WINDOW_ROWS`]; the answer goes to [`Self::fill`].
    pub(super) fn cursor(&mut self, now: Instant) -> Option<u64> {
        if !self.more
            && let Some(forgotten) = self.forgotten.take_if(|forgotten| forgotten.read_at <= now)
        {
            self.cursor = forgotten.lowest.checked_sub(1);
            self.more = true;
        }
        self.cursor
    }

    /// Takes in a window of rows.
    pub(super) fn fill(&mut self, window: Vec<OutboxRow>, now: Instant) {
        self.more = window.len() >= WINDOW_ROWS;
        if self.fresh.is_empty() {
            self.fresh_since = now;
        }
        for row in window {
            self.cursor = Some(row.seq);
            if self.held.insert(row.seq) {
                self.note_urgent(&row);
                self.fresh.push_back(row);
            }
        }
    }

    /// When there is something to take; in the past if there is now.
    pub(super) fn ready_at(&self, now: Instant) -> Option<Instant> {
        let back = (!self.back.is_empty()).then_some(now);
        let due = self.waiting.first_key_value().map(|((due, _), _)| *due);
        [back, due, self.packed_at()].into_iter().flatten().min()
    }

    /// When the fresh rows make a parcel.
    fn packed_at(&self) -> Option<Instant> {
        let first = self.fresh.front()?;
        let full = self.fresh.len() >= self.packing.rows_max;
        let urgent = self.urgent.is_some_and(|urgent| first.seq <= urgent);
        let wait = if full || urgent { Duration::ZERO } else { self.packing.wait };
        Some(self.fresh_since + wait)
    }

    /// A new process waits for no company: its messages fail until others find it.
    fn note_urgent(&mut self, row: &OutboxRow) {
        if row.nonce == 0 {
            self.urgent = self.urgent.max(Some(row.seq));
        }
    }

    /// The next parcel. What has waited comes first, except as a `probe` of a bundler that is unwell:
    /// it may be unwell because of that very item.
    pub(super) fn take(&mut self, now: Instant, probe: bool) -> Option<Parcel> {
        let back = |line: &mut Self| line.back.pop_first().map(|(_, parcel)| parcel);
        if probe {
            return back(self).or_else(|| self.pack(now)).or_else(|| self.due(now));
        }
        self.due(now).or_else(|| back(self)).or_else(|| self.pack(now))
    }

    fn due(&mut self, now: Instant) -> Option<Parcel> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let parcel = first.remove();
        self.waiting_rows -= parcel.rows().len();
        Some(parcel)
    }

    fn pack(&mut self, now: Instant) -> Option<Parcel> {
        if self.packed_at().is_none_or(|at| at > now) {
            return None;
        }
        let mut count = self.fresh.len().min(self.packing.rows_max);
        if count > 1
            && let (Some(last), Some(next)) = (self.fresh.get(count - 1), self.fresh.get(count))
            && same_entry(last, next)
        {
            count -= 1;
        }
        Parcel::of(self.fresh.drain(..count).collect())
    }

    /// Puts a parcel where it was: untried rows to the front, a tried parcel, which is not packed with
    /// others again, among those that are back.
    pub(super) fn put_back(&mut self, parcel: Parcel) {
        if parcel.failures > 0 {
            self.back.insert(parcel.first_seq(), parcel);
            return;
        }
        for row in parcel.into_rows().into_iter().rev() {
            self.note_urgent(&row);
            self.fresh.push_front(row);
        }
    }

    /// Lets a parcel wait until `due`, while others go on. Rows that find no room are forgotten.
    pub(super) fn wait(&mut self, parcel: Parcel, due: Instant, now: Instant) {
        self.waiting_rows += parcel.rows().len();
        self.waiting.insert((due, parcel.first_seq()), parcel);
        while self.waiting_rows > WAITING_ROWS_MAX
            && let Some((_, parcel)) = self.waiting.pop_last()
        {
            self.waiting_rows -= parcel.rows().len();
            self.release(&parcel);
            let read_at = self.forgotten.as_ref().map_or(now + FORGOTTEN_REST, |f| f.read_at);
            let lowest = self.forgotten.as_ref().map_or(u64::MAX, |f| f.lowest);
            let lowest = lowest.min(parcel.first_seq());
            self.forgotten = Some(Forgotten { lowest, read_at });
        }
    }

    /// The rows of a parcel are delivered: they need not be remembered.
    pub(super) fn release(&mut self, parcel: &Parcel) {
        for seq in parcel.seqs() {
            self.held.remove(&seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parcel::tests::rows;
    use super::*;

    const ITEMS: Packing = Packing { rows_max: 1, wait: Duration::ZERO };
    const BUNDLE: Packing = Packing { rows_max: 1_000, wait: Duration::from_millis(250) };

    fn line(packing: Packing, seqs: std::ops::Range<u64>, now: Instant) -> Line {
        let mut line = Line::new(packing, now);
        line.fill(rows(seqs), now);
        line
    }

    fn all(line: &mut Line, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| line.take(now, false)).map(|parcel| parcel.first_seq()).collect()
    }

    #[test]
    fn rows_come_in_order_and_those_that_come_back_come_before_others() {
        let now = Instant::now();
        let mut line = line(ITEMS, 0..6, now);
        let mut out: Vec<_> = (0..4).map(|_| line.take(now, false).unwrap()).collect();
        for parcel in &mut out[..2] {
            parcel.failures = 1;
        }
        for parcel in out.into_iter().rev() {
            line.put_back(parcel);
        }
        assert_eq!(all(&mut line, now), [0, 1, 2, 3, 4, 5]);
        assert_eq!(line.ready_at(now), None);
    }

    #[test]
    fn what_waits_holds_nobody_and_comes_first_when_it_is_due() {
        let now = Instant::now();
        let mut line = line(ITEMS, 0..4, now);
        let first = line.take(now, false).unwrap();
        let due = now + Duration::from_secs(5);
        line.wait(first, due, now);
        assert_eq!(line.take(now, false).unwrap().first_seq(), 1);
        assert_eq!(line.take(due, true).unwrap().first_seq(), 2, "no probe while there are others");
        assert_eq!(line.take(due, false).unwrap().first_seq(), 0);
        assert_eq!(all(&mut line, due), [3]);
    }

    #[test]
    fn bundles_fill_up_or_close_after_the_wait() {
        let now = Instant::now();
        let mut line = line(BUNDLE, 2..12, now);
        assert!(line.take(now, false).is_none());
        assert_eq!(line.ready_at(now), Some(now + BUNDLE.wait));
        assert_eq!(line.take(now + BUNDLE.wait, false).unwrap().rows().len(), 10);
        line.fill(rows(12..1_036), now);
        assert_eq!(line.take(now, false).unwrap().rows().len(), 1_000);
        assert!(line.take(now, false).is_none());
    }

    #[test]
    fn a_new_process_closes_its_bundle_at_once() {
        let now = Instant::now();
        let mut line = line(BUNDLE, 4..10, now);
        assert!(line.take(now, false).is_none());
        line.fill(
            rows(0..2).into_iter().map(|row| OutboxRow { seq: row.seq + 10, ..row }).collect(),
            now,
        );
        let bundle = line.take(now, false).unwrap();
        assert_eq!(bundle.rows().len(), 8, "what waits goes with it");
        line.put_back(bundle);
        assert_eq!(line.take(now, false).unwrap().rows().len(), 8);
        line.fill(rows(12..20), now);
        assert!(line.take(now, false).is_none(), "the next ones wait for company again");
    }

    #[test]
    fn a_full_bundle_does_not_cut_an_entry() {
        let now = Instant::now();
        let mut line = line(BUNDLE, 1..1_025, now);
        assert_eq!(line.take(now, false).unwrap().rows().len(), 999);
    }

    #[test]
    fn the_ledger_is_read_on_only_when_rows_run_low() {
        let now = Instant::now();
        let mut line = Line::new(ITEMS, now);
        assert_eq!((line.reads_at(now), line.cursor(now)), (Some(now), None));
        line.fill(rows(0..1_024), now);
        assert_eq!(line.reads_at(now), None);
        for _ in 0..24 {
            line.take(now, false);
        }
        assert_eq!((line.reads_at(now), line.cursor(now)), (Some(now), Some(1_023)));
        line.fill(Vec::new(), now);
        assert_eq!((line.reads_at(now), line.is_read()), (None, true));
    }

    #[test]
    fn rows_beyond_the_limit_are_forgotten_and_read_again_but_none_twice() {
        let now = Instant::now();
        let total = WAITING_ROWS_MAX as u64 + 10;
        let mut line = Line::new(ITEMS, now);
        line.fill(rows(0..total), now);
        for seq in 0..total {
            let parcel = line.take(now, false).unwrap();
            line.wait(parcel, now + Duration::from_secs(1 + seq), now);
        }
        assert_eq!((line.waiting_rows, line.held.len()), (WAITING_ROWS_MAX, WAITING_ROWS_MAX));
        line.fill(Vec::new(), now);
        let again = now + FORGOTTEN_REST;
        assert_eq!(line.reads_at(now), Some(again));
        assert_eq!(line.cursor(now), Some(total - 1));
        assert_eq!(line.cursor(again), Some(total - 11));
        line.fill(rows(total - 12..total), again);
        assert_eq!(line.fresh.len(), 10);
    }
}
