//! The outbox: what is still to be uploaded, in the order it was committed (DUR-2).
//!
//! Rows are numbered without end. Delivered ones are deleted, in any order. The counters lie in the
//! same batches as the rows: how many there are, and a low mark at the oldest one, so that nobody ever
//! walks over the graves of the delivered.

use crate::{
    LedgerError, Part,
    key::{Family, META_OUTBOX},
    record::{OutboxCounters, OutboxRecord},
    store::{Place, Store},
};
use bytes::Bytes;
use rocksdb::{ColumnFamily, WriteBatch};
use rota_ans104::ItemId;
use rota_schedule::{ProcessId, Timestamp};
use std::collections::HashSet;

/// Something that is to be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number: rows come in this order.
    pub seq: u64,
    /// The process of the entry.
    pub process: ProcessId,
    /// The nonce of the entry.
    pub nonce: u64,
    /// Which part of the entry.
    pub part: Part,
    /// When its item was taken in.
    pub queued_at: Timestamp,
}

impl OutboxRow {
    fn of(seq: u64, record: OutboxRecord) -> Self {
        let OutboxRecord { process, nonce, part, queued_at } = record;
        Self { seq, process, nonce, part, queued_at }
    }
}

/// How much is to be uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxStats {
    /// How many rows there are.
    pub depth: u64,
    /// When the item of the oldest row was taken in.
    pub oldest: Option<Timestamp>,
    /// All rows of lower numbers were delivered.
    pub low: u64,
}

/// What is known of the outbox without looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboxState {
    /// The stored counters.
    pub(crate) counters: OutboxCounters,
    /// When the item of the oldest row was taken in.
    pub(crate) oldest: Option<Timestamp>,
}

impl OutboxState {
    /// Reads it from a store that was just opened.
    pub(crate) fn load(store: &Store) -> Result<Self, LedgerError> {
        let Some(bytes) = store.get(Family::Meta, META_OUTBOX)? else {
            return Ok(Self::default());
        };
        let counters = OutboxCounters::read(&bytes)?;
        if counters.depth == 0 {
            return Ok(Self { counters, oldest: None });
        }
        let row = row(store, counters.low)?;
        let oldest = row
            .ok_or_else(|| LedgerError::damaged("the oldest row of the outbox is missing"))?
            .queued_at;
        Ok(Self { counters, oldest: Some(oldest) })
    }

    /// As shown to others.
    pub(crate) const fn stats(&self) -> OutboxStats {
        let OutboxCounters { depth, low, .. } = self.counters;
        OutboxStats { depth, oldest: self.oldest, low }
    }
}

/// A row by its number.
fn row(store: &Store, seq: u64) -> Result<Option<OutboxRecord>, LedgerError> {
    store
        .get(Family::Outbox, &seq.to_be_bytes())?
        .map(|bytes| OutboxRecord::read(&bytes))
        .transpose()
}

/// Up to `limit` rows from number `from` on and below `to`, but for those that `skip` names.
fn rows(
    store: &Store,
    (from, to): (u64, u64),
    limit: usize,
    skip: impl Fn(u64) -> bool,
) -> Result<Vec<OutboxRow>, LedgerError> {
    let mut rows = store.range(Family::Outbox, &from.to_be_bytes(), &to.to_be_bytes())?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some((key, value)) = rows.item()
    {
        let key = key
            .try_into()
            .map_err(|_| LedgerError::damaged("a key of the outbox has a wrong length"))?;
        let seq = u64::from_be_bytes(key);
        if !skip(seq) {
            found.push(OutboxRow::of(seq, OutboxRecord::read(value)?));
        }
        rows.next();
    }
    rows.status()?;
    Ok(found)
}

/// Up to `limit` rows after number `after`, oldest first.
pub(crate) fn rows_after(
    store: &Store,
    counters: &OutboxCounters,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<OutboxRow>, LedgerError> {
    let from = after.map_or(counters.low, |after| after.saturating_add(1).max(counters.low));
    rows(store, (from, counters.next), limit, |_| false)
}

/// The id and the bytes of what a row names; `None` if they are not in the ledger.
pub(crate) fn item(store: &Store, row: &OutboxRow) -> Result<Option<(ItemId, Bytes)>, LedgerError> {
    let Some(entry) = store.entry(&row.process, row.nonce)? else {
        return Ok(None);
    };
    Ok(match row.part {
        Part::Assignment => Some((entry.assignment_id.into(), entry.assignment)),
        Part::Message => entry.message.map(|bytes| (entry.message_id.into(), bytes)),
    })
}

/// The outbox as it will be once a batch is written.
pub(crate) struct OutboxStaging {
    before: OutboxState,
    after: OutboxState,
}

impl OutboxStaging {
    /// Starts from what was written last.
    pub(crate) const fn new(before: OutboxState) -> Self {
        Self { before, after: before }
    }

    /// Takes delivered rows out. Unknown numbers and those delivered before change nothing.
    pub(crate) fn deliver(
        &mut self,
        store: &Store,
        seqs: &[u64],
        family: &ColumnFamily,
        batch: &mut WriteBatch,
    ) -> Result<(), LedgerError> {
        let counters = &mut self.after.counters;
        let mut gone = HashSet::new();
        for seq in seqs.iter().copied().filter(|seq| (counters.low..counters.next).contains(seq)) {
            if row(store, seq)?.is_some() && gone.insert(seq) {
                batch.delete_cf(family, seq.to_be_bytes());
            }
        }
        counters.depth = counters.depth.saturating_sub(gone.len() as u64);
        if gone.contains(&counters.low) {
            let left = rows(store, (counters.low, counters.next), 1, |seq| gone.contains(&seq))?;
            counters.low = left.first().map_or(counters.next, |row| row.seq);
            self.after.oldest = left.first().map(|row| row.queued_at);
        }
        Ok(())
    }

    /// Adds the rows of an entry: one for each part whose bytes are in the ledger. To be called after
    /// [`Self::deliver`], which knows only rows that are written.
    pub(crate) fn add(
        &mut self,
        (process, nonce): Place,
        has_message: bool,
        queued_at: Timestamp,
        family: &ColumnFamily,
        batch: &mut WriteBatch,
    ) {
        let message = has_message.then_some(Part::Message);
        for part in message.into_iter().chain([Part::Assignment]) {
            let record = OutboxRecord { process, nonce, part, queued_at };
            let OutboxState { counters, oldest } = &mut self.after;
            batch.put_cf(family, counters.next.to_be_bytes(), record.write());
            oldest.get_or_insert(queued_at);
            counters.next += 1;
            counters.depth += 1;
        }
    }

    /// Puts the counters into the batch if they changed, and tells what the outbox is then.
    pub(crate) fn finish(self, meta: &ColumnFamily, batch: &mut WriteBatch) -> OutboxState {
        if self.after != self.before {
            batch.put_cf(meta, META_OUTBOX, self.after.counters.write());
        }
        self.after
    }
}
