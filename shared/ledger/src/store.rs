//! Point reads of the store: what every other part of the ledger looks things up by.
//!
//! All of them are O(1): a get or one seek. Nothing here writes.

use crate::{
    LedgerError, key, key::EntryRow, key::Family, key::IdKind, record, record::AssignmentRecord,
};
use bytes::Bytes;
use rocksdb::{Cache, ColumnFamily, DB, DBPinnableSlice, DBRawIterator, ReadOptions, WriteOptions};
use rota_schedule::{AssignmentId, ContentHash, Entry, Head, MessageId, ProcessId};
use std::collections::HashMap;

/// Where an entry lies.
pub(crate) type Place = (ProcessId, u64);

/// The open RocksDB.
pub(crate) struct Store {
    /// The database.
    pub(crate) db: DB,
    /// What its families keep blocks in.
    pub(crate) cache: Cache,
}

impl Store {
    /// The handle of a family. All are there from the moment a store is open.
    pub(crate) fn family(&self, family: Family) -> Result<&ColumnFamily, LedgerError> {
        let missing =
            || LedgerError::damaged(format!("column family {} is missing", family.name()));
        self.db.cf_handle(family.name()).ok_or_else(missing)
    }

    /// A value, without copying it.
    pub(crate) fn get(
        &self,
        family: Family,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, LedgerError> {
        Ok(self.db.get_pinned_cf(self.family(family)?, key)?)
    }

    /// An iterator over `from..below`, standing on the first row. In families that know prefixes both
    /// must have the same one. It is a consistent view of the moment it was made.
    pub(crate) fn range(
        &self,
        family: Family,
        from: &[u8],
        below: &[u8],
    ) -> Result<DBRawIterator<'_>, LedgerError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(below);
        let mut rows = self.db.raw_iterator_cf_opt(self.family(family)?, options);
        rows.seek(from);
        Ok(rows)
    }

    /// The first key of `from..below`, read by `read`.
    fn first<T>(
        &self,
        family: Family,
        from: &[u8],
        below: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        let rows = self.range(family, from, below)?;
        let Some(key) = rows.key() else {
            rows.status()?;
            return Ok(None);
        };
        read(key).map(Some)
    }

    /// The newest entry of a process.
    pub(crate) fn head(&self, process: &ProcessId) -> Result<Option<Head>, LedgerError> {
        self.get(Family::Heads, process.as_bytes())?
            .map(|bytes| record::read_head(&bytes))
            .transpose()
    }

    /// An entry.
    pub(crate) fn entry(
        &self,
        process: &ProcessId,
        nonce: u64,
    ) -> Result<Option<Entry>, LedgerError> {
        let Some(bytes) =
            self.get(Family::Entries, &key::entry(process, nonce, EntryRow::Assignment))?
        else {
            return Ok(None);
        };
        let record = AssignmentRecord::read(&bytes)?;
        let message = if record.has_message { Some(self.message(process, nonce)?) } else { None };
        Ok(Some(Entry {
            nonce,
            timestamp: record.timestamp,
            assignment_id: record.assignment_id,
            message_id: record.message_id,
            assignment: Bytes::copy_from_slice(record.assignment),
            message,
        }))
    }

    /// The entry that an index points to: it must be there.
    pub(crate) fn entry_at(&self, (process, nonce): Place) -> Result<Entry, LedgerError> {
        self.entry(&process, nonce)?.ok_or_else(|| missing(&process, nonce))
    }

    /// The bytes of an item whose entry says that they are there.
    pub(crate) fn message(&self, process: &ProcessId, nonce: u64) -> Result<Bytes, LedgerError> {
        let bytes = self.get(Family::Entries, &key::entry(process, nonce, EntryRow::Message))?;
        Ok(Bytes::copy_from_slice(&bytes.ok_or_else(|| missing(process, nonce))?))
    }

    /// The bytes of an assignment that an index points to.
    pub(crate) fn assignment(&self, (process, nonce): Place) -> Result<Bytes, LedgerError> {
        let bytes =
            self.get(Family::Entries, &key::entry(&process, nonce, EntryRow::Assignment))?;
        let bytes = bytes.ok_or_else(|| missing(&process, nonce))?;
        Ok(Bytes::copy_from_slice(AssignmentRecord::read(&bytes)?.assignment))
    }

    /// The earliest place of an item in a process.
    pub(crate) fn place_of(
        &self,
        process: &ProcessId,
        item: &MessageId,
    ) -> Result<Option<u64>, LedgerError> {
        let (first, last) = (key::place(item, process, 0), key::place_end(item, process));
        self.first(Family::Ids, &first, &last, key::trailing_nonce)
    }

    /// The earliest place of an item anywhere that holds its bytes (`Stored`) or does not (`Assigned`).
    fn earliest(&self, item: &[u8; 32], kind: IdKind) -> Result<Option<(u64, Place)>, LedgerError> {
        let (from, below) = (key::id_kind(item, kind), key::id_kind_end(item, kind));
        self.first(Family::Ids, &from, &below, key::read_place_by_time)
    }

    /// The earliest place of an item anywhere.
    pub(crate) fn earliest_place(&self, item: &[u8; 32]) -> Result<Option<Place>, LedgerError> {
        let places = [self.earliest(item, IdKind::Stored)?, self.earliest(item, IdKind::Assigned)?];
        Ok(places.into_iter().flatten().min().map(|(_, place)| place))
    }

    /// A place that holds the bytes of an item.
    pub(crate) fn stored_place(&self, item: &[u8; 32]) -> Result<Option<Place>, LedgerError> {
        Ok(self.earliest(item, IdKind::Stored)?.map(|(_, place)| place))
    }

    /// What an assignment placed.
    pub(crate) fn assignment_place(&self, id: &AssignmentId) -> Result<Option<Place>, LedgerError> {
        self.get(Family::Ids, &key::assignment(id))?
            .map(|bytes| record::read_place(&bytes))
            .transpose()
    }

    /// The place of a pushed message with this content.
    pub(crate) fn place_of_content(
        &self,
        process: &ProcessId,
        content: &ContentHash,
    ) -> Result<Option<u64>, LedgerError> {
        let bytes = self.get(Family::Contents, &key::content(process, content))?;
        bytes.map(|bytes| record::read_number("content", &bytes)).transpose()
    }

    /// The contents of a process's pushed messages, by nonce.
    pub(crate) fn contents(
        &self,
        process: &ProcessId,
    ) -> Result<HashMap<u64, ContentHash>, LedgerError> {
        let (from, below) = key::contents(process);
        let mut rows = self.range(Family::Contents, &from, &below)?;
        let mut found = HashMap::new();
        while let Some((key, value)) = rows.item() {
            let hash = key.last_chunk().ok_or_else(|| {
                LedgerError::damaged("a key of a content is too short for its hash")
            })?;
            found.insert(record::read_number("content", value)?, ContentHash(*hash));
            rows.next();
        }
        rows.status()?;
        Ok(found)
    }

    /// The first nonce later than `time`.
    pub(crate) fn first_after(
        &self,
        process: &ProcessId,
        time: u64,
    ) -> Result<Option<u64>, LedgerError> {
        let Some(time) = time.checked_add(1) else {
            return Ok(None);
        };
        self.first(
            Family::Times,
            &key::time(process, time, 0),
            &key::time_end(process),
            key::trailing_nonce,
        )
    }
}

/// For a write that is durable when it returns.
pub(crate) fn synced() -> WriteOptions {
    let mut sync = WriteOptions::default();
    sync.set_sync(true);
    sync
}

/// An entry that is below the head, or that an index points to, but is not there.
pub(crate) fn missing(process: &ProcessId, nonce: u64) -> LedgerError {
    LedgerError::damaged(format!("nonce {nonce} of process {process} is missing"))
}
