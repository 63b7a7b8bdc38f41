//! One batch in the making: entries with their indexes, heads and outbox rows.
//!
//! Checks before it puts anything (ORD-1), so a refused append leaves no trace in the batch.

use crate::{
    Append, KeptHeight, LedgerError, Upload,
    key::{self, EntryRow, Family, IdKind, META_BLOCK_HEIGHT, META_BLOCK_HEIGHT_TIME},
    outbox::{OutboxStaging, OutboxState},
    record::{self, AssignmentRecord, ProvisionalRecord},
    store::{Place, Store},
};
use rocksdb::{ColumnFamily, WriteBatch};
use rota_schedule::{Head, ProcessId};
use std::collections::{HashMap, HashSet};

/// Bytes that an entry takes in a batch besides its items: keys, indexes, head, outbox rows.
const ENTRY_OVERHEAD_BYTES: usize = 1 << 10;

/// The handles of all families that a batch writes to.
struct Families<'a> {
    entries: &'a ColumnFamily,
    ids: &'a ColumnFamily,
    times: &'a ColumnFamily,
    heads: &'a ColumnFamily,
    contents: &'a ColumnFamily,
    provisional: &'a ColumnFamily,
    outbox: &'a ColumnFamily,
    meta: &'a ColumnFamily,
}

/// A batch, and what will be true once it is written.
pub(crate) struct Staging<'a> {
    store: &'a Store,
    families: Families<'a>,
    batch: WriteBatch,
    /// Heads that are newer in the batch than in the store.
    heads: HashMap<ProcessId, Head>,
    outbox: OutboxStaging,
    /// Reused for each assignment record.
    scratch: Vec<u8>,
}

impl<'a> Staging<'a> {
    /// Starts a batch with room for `entries` entries whose items have `bytes` bytes.
    pub(crate) fn new(
        store: &'a Store,
        outbox: OutboxState,
        entries: usize,
        bytes: usize,
    ) -> Result<Self, LedgerError> {
        let families = Families {
            entries: store.family(Family::Entries)?,
            ids: store.family(Family::Ids)?,
            times: store.family(Family::Times)?,
            heads: store.family(Family::Heads)?,
            contents: store.family(Family::Contents)?,
            provisional: store.family(Family::Provisional)?,
            outbox: store.family(Family::Outbox)?,
            meta: store.family(Family::Meta)?,
        };
        Ok(Self {
            store,
            families,
            batch: WriteBatch::with_capacity_bytes(bytes + entries * ENTRY_OVERHEAD_BYTES),
            heads: HashMap::new(),
            outbox: OutboxStaging::new(outbox),
            scratch: Vec::new(),
        })
    }

    /// Takes delivered rows out of the outbox. To be called before any append.
    pub(crate) fn deliver(&mut self, seqs: &[u64]) -> Result<(), LedgerError> {
        self.outbox.deliver(self.store, seqs, self.families.outbox, &mut self.batch)
    }

    /// Makes provisional entries final: from now on they wait in the outbox. Places that are not
    /// provisional change nothing. To be called after [`Self::deliver`] and before any append.
    pub(crate) fn confirm(&mut self, places: &HashSet<Place>) -> Result<(), LedgerError> {
        let Families { provisional, outbox, .. } = self.families;
        for place in places {
            let key = key::provisional(&place.0, place.1);
            let Some(bytes) = self.store.get(Family::Provisional, &key)? else { continue };
            let ProvisionalRecord { has_message, queued_at, .. } = ProvisionalRecord::read(&bytes)?;
            self.batch.delete_cf(provisional, key);
            self.outbox.add(*place, has_message, queued_at, outbox, &mut self.batch);
        }
        Ok(())
    }

    /// Stores the newest block height, and when it was told.
    pub(crate) fn block_height(&mut self, kept: KeptHeight) {
        let meta = self.families.meta;
        self.batch.put_cf(meta, META_BLOCK_HEIGHT, record::write_number(kept.height));
        match kept.told {
            Some(told) => {
                self.batch.put_cf(meta, META_BLOCK_HEIGHT_TIME, record::write_number(told.0));
            }
            None => self.batch.delete_cf(meta, META_BLOCK_HEIGHT_TIME),
        }
    }

    /// Adds an entry and all that belongs to it.
    ///
    /// # Errors
    /// The append does not follow the head; the batch is then as it was before.
    pub(crate) fn append(&mut self, append: &Append) -> Result<(), LedgerError> {
        let before = self.check(append)?;
        self.put_entry(append);
        self.put_indexes(append);
        self.batch.put_cf(
            self.families.heads,
            append.process.as_bytes(),
            record::write_head(&append.head),
        );
        self.put_queue(append, before);
        self.heads.insert(append.process, append.head);
        Ok(())
    }

    /// The batch, and the outbox once it is written.
    pub(crate) fn finish(mut self) -> (WriteBatch, OutboxState) {
        let outbox = self.outbox.finish(self.families.meta, &mut self.batch);
        (self.batch, outbox)
    }

    /// Checks that the append follows the head, and gives that head.
    fn check(&self, append: &Append) -> Result<Option<Head>, LedgerError> {
        let Append { process, entry, head, .. } = append;
        let before = match self.heads.get(process) {
            Some(head) => Some(*head),
            None => self.store.head(process)?,
        };
        let expected = before.map_or(Some(0), |before| before.nonce.checked_add(1));
        if expected != Some(entry.nonce) {
            let expected = expected.unwrap_or(u64::MAX);
            return Err(LedgerError::OutOfOrder {
                process: *process,
                expected,
                found: entry.nonce,
            });
        }
        let refused =
            |what| LedgerError::Inconsistent { process: *process, nonce: entry.nonce, what };
        if (head.nonce, head.assignment, head.timestamp)
            != (entry.nonce, entry.assignment_id, entry.timestamp)
        {
            return Err(refused("its head is not of its entry"));
        }
        // ORD-3 is the slot's to keep; finding nonces by time needs only that time does not step back.
        if before.is_some_and(|before| entry.timestamp < before.timestamp) {
            return Err(refused("its timestamp is before the one of the entry before it"));
        }
        Ok(before)
    }

    fn put_entry(&mut self, Append { process, entry, .. }: &Append) {
        self.scratch.clear();
        AssignmentRecord::of(entry).write(&mut self.scratch);
        let key = key::entry(process, entry.nonce, EntryRow::Assignment);
        self.batch.put_cf(self.families.entries, key, &self.scratch);
        if let Some(message) = &entry.message {
            let key = key::entry(process, entry.nonce, EntryRow::Message);
            self.batch.put_cf(self.families.entries, key, message);
        }
    }

    /// What is final goes to the outbox, what is provisional waits for [`Self::confirm`].
    fn put_queue(&mut self, append: &Append, before: Option<Head>) {
        let Append { process, entry, queued_at, content, .. } = append;
        let has_message = entry.message.is_some();
        match append.upload {
            Upload::Now => {
                let place = (*process, entry.nonce);
                let family = self.families.outbox;
                self.outbox.add(place, has_message, *queued_at, family, &mut self.batch);
            }
            Upload::OnceConfirmed => {
                let (queued_at, content) = (*queued_at, *content);
                let record = ProvisionalRecord { queued_at, has_message, before, content };
                let key = key::provisional(process, entry.nonce);
                self.batch.put_cf(self.families.provisional, key, record.write());
            }
            Upload::Elsewhere => {}
        }
    }

    fn put_indexes(&mut self, Append { process, entry, content, .. }: &Append) {
        let Families { ids, times, contents, .. } = self.families;
        let (nonce, time) = (entry.nonce, entry.timestamp.0);
        let kind = if entry.message.is_some() { IdKind::Stored } else { IdKind::Assigned };
        self.batch.put_cf(ids, key::place(&entry.message_id, process, nonce), []);
        self.batch.put_cf(
            ids,
            key::place_by_time(&entry.message_id, kind, time, process, nonce),
            [],
        );
        self.batch.put_cf(
            ids,
            key::assignment(&entry.assignment_id),
            record::write_place(process, nonce),
        );
        self.batch.put_cf(times, key::time(process, time, nonce), []);
        if let Some(content) = content {
            self.batch.put_cf(
                contents,
                key::content(process, content),
                record::write_number(nonce),
            );
        }
    }
}
