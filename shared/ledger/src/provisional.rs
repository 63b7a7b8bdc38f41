//! Entries that are in the ledger and not yet committed: a database has the last word on them.
//!
//! Their rows are written with them and go when the database has committed ([`crate::Ledger::confirm`]).
//! What is left of them at a start is sent to the database again, byte for byte (DUR-3), or, if another
//! ledger has written under the same name meanwhile, taken back.

use crate::{
    LedgerError,
    key::{self, EntryRow, Family, IdKind},
    record::{self, ProvisionalRecord},
    store::{self, Store},
};
use rocksdb::WriteBatch;
use rota_schedule::{ContentKey, Entry, ProcessId};

/// An entry that the database may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provisional {
    /// The process.
    pub process: ProcessId,
    /// The entry.
    pub entry: Entry,
    /// By what its message is deduplicated, if it was pushed.
    pub content: Option<ContentKey>,
}

/// Up to `limit` of them after a place.
pub(crate) fn after(
    store: &Store,
    after: Option<(ProcessId, u64)>,
    limit: usize,
) -> Result<Vec<Provisional>, LedgerError> {
    let from = match after {
        Some((process, nonce)) => key::provisional(&process, nonce.saturating_add(1)),
        None => [0; key::PROVISIONAL_LEN],
    };
    let mut rows = store.range(Family::Provisional, &from, &[u8::MAX; key::PROVISIONAL_LEN])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some((key, value)) = rows.item()
    {
        let (process, nonce) = key::read_provisional(key)?;
        let content = ProvisionalRecord::read(value)?.content;
        found.push(Provisional { process, entry: store.entry_at((process, nonce))?, content });
        rows.next();
    }
    rows.status()?;
    Ok(found)
}

/// Takes back all entries of `process` from `from` on.
pub(crate) fn discard(store: &Store, process: &ProcessId, from: u64) -> Result<u64, LedgerError> {
    let Some(head) = store.head(process)?.filter(|head| head.nonce >= from) else { return Ok(0) };
    let mut batch = WriteBatch::default();
    let mut before = None;
    for nonce in (from..=head.nonce).rev() {
        let key = key::provisional(process, nonce);
        let record = store.get(Family::Provisional, &key)?.ok_or_else(|| {
            LedgerError::damaged(format!("nonce {nonce} of process {process} is not provisional"))
        })?;
        let record = ProvisionalRecord::read(&record)?;
        before = record.before;
        batch.delete_cf(store.family(Family::Provisional)?, key);
        let entry = store.entry(process, nonce)?.ok_or_else(|| store::missing(process, nonce))?;
        forget(store, process, &entry, &record, &mut batch)?;
    }
    let heads = store.family(Family::Heads)?;
    match before {
        Some(head) => batch.put_cf(heads, process.as_bytes(), record::write_head(&head)),
        None => batch.delete_cf(heads, process.as_bytes()),
    }
    store.db.write_opt(batch, &store::synced())?;
    Ok(head.nonce - from + 1)
}

/// Deletes an entry and its indexes.
fn forget(
    store: &Store,
    process: &ProcessId,
    entry: &Entry,
    record: &ProvisionalRecord,
    batch: &mut WriteBatch,
) -> Result<(), LedgerError> {
    let Entry { nonce, timestamp, assignment_id, message_id, .. } = entry;
    let (entries, ids) = (store.family(Family::Entries)?, store.family(Family::Ids)?);
    batch.delete_cf(entries, key::entry(process, *nonce, EntryRow::Assignment));
    batch.delete_cf(entries, key::entry(process, *nonce, EntryRow::Message));
    let kind = if record.has_message { IdKind::Stored } else { IdKind::Assigned };
    batch.delete_cf(ids, key::place(message_id, process, *nonce));
    batch.delete_cf(ids, key::place_by_time(message_id, kind, timestamp.0, process, *nonce));
    batch.delete_cf(ids, key::assignment(assignment_id));
    batch.delete_cf(store.family(Family::Times)?, key::time(process, timestamp.0, *nonce));
    if let Some(content) = &record.content {
        batch.delete_cf(store.family(Family::Contents)?, key::content(process, content));
    }
    Ok(())
}
