//! The unit of delivery: rows of the outbox that go to the bundler in one request.

use rota_ledger::OutboxRow;

/// Rows that are delivered together or not at all: one, or in bundle mode many.
#[derive(Debug)]
pub(super) struct Parcel {
    /// Never empty, in the order of the outbox.
    rows: Vec<OutboxRow>,
    /// How many deliveries failed since it was made.
    pub(super) failures: u32,
}

impl Parcel {
    /// Rows that were never tried together; `None` if there are none.
    pub(super) fn of(rows: Vec<OutboxRow>) -> Option<Self> {
        (!rows.is_empty()).then_some(Self { rows, failures: 0 })
    }

    pub(super) fn rows(&self) -> &[OutboxRow] {
        &self.rows
    }

    pub(super) fn into_rows(self) -> Vec<OutboxRow> {
        self.rows
    }

    /// The number of its first row: no two parcels share it.
    pub(super) fn first_seq(&self) -> u64 {
        self.rows.first().map_or(0, |row| row.seq)
    }

    pub(super) fn seqs(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().map(|row| row.seq)
    }

    /// Takes off the rows from position `at` on.
    pub(super) fn split_off(&mut self, at: usize) -> Option<Self> {
        Self::of(self.rows.split_off(at))
    }

    /// Two halves, so that an item that is not wanted can be found; only one if there is one row. The
    /// two rows of an entry stay together while others are there. Each half counts as tried once.
    pub(super) fn halves(mut self) -> (Self, Option<Self>) {
        let middle = self.rows.len().div_ceil(2);
        let cuts = |at: usize| match (self.rows.get(at - 1), self.rows.get(at)) {
            (Some(before), Some(after)) => same_entry(before, after),
            _ => false,
        };
        let at = if middle > 1 && cuts(middle) { middle - 1 } else { middle };
        let second = self.split_off(at).map(|half| Self { failures: 1, ..half });
        self.failures = 1;
        (self, second)
    }
}

/// Whether two rows are the message and the assignment of one entry.
pub(super) fn same_entry(a: &OutboxRow, b: &OutboxRow) -> bool {
    (a.process, a.nonce) == (b.process, b.nonce)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rota_ledger::Part;
    use rota_schedule::{ProcessId, Timestamp};

    /// The rows as the ledger makes them: two an entry, the message first.
    pub(in crate::uploader) fn rows(seqs: std::ops::Range<u64>) -> Vec<OutboxRow> {
        let row = |seq: u64| OutboxRow {
            seq,
            process: ProcessId::new([1; 32]),
            nonce: seq / 2,
            part: if seq.is_multiple_of(2) { Part::Message } else { Part::Assignment },
            queued_at: Timestamp(seq),
        };
        seqs.map(row).collect()
    }

    #[test]
    fn halving_reaches_every_row_alone_and_cuts_an_entry_only_at_the_end() {
        let mut line = vec![Parcel::of(rows(1..1_000)).unwrap()];
        let mut alone = Vec::new();
        while let Some(parcel) = line.pop() {
            let many = parcel.rows().len() > 2;
            match parcel.halves() {
                (one, None) => alone.extend(one.seqs()),
                (first, Some(second)) => {
                    let cut = same_entry(&first.rows()[first.rows().len() - 1], &second.rows()[0]);
                    assert!(!(many && cut));
                    line.extend([first, second]);
                }
            }
        }
        alone.sort_unstable();
        assert!(alone.into_iter().eq(1..1_000));
    }

    #[test]
    fn there_is_no_parcel_without_rows() {
        assert!(Parcel::of(Vec::new()).is_none());
    }
}
