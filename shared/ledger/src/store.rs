//! Point reads of the store: what every other part of the ledger looks things up by.
//!
//! All of them are O(1): a get or one seek. Nothing here writes.

use crate::{
    LedgerError, key, key::EntryRow, key::Family, key::IdKind, record, record::AssignmentRecord,
};
use bytes::Bytes;
use rocksdb::{Cache, ColumnFamily, DB, DBPinnableSlice, DBRawIterator, ReadOptions, WriteOptions};
use rota_schedule::{AssignmentId, ContentKey, Entry, Head, MessageId, ProcessId};
use std::collections::HashMap;

/// Where an entry lies.
pub(crate) type Place = (ProcessId, u64);

/// What an id stands for, whatever the process.
#[derive(Default)]
pub(crate) struct Places {
    /// What this assignment placed.
    pub(crate) assignment: Option<Place>,
    /// The earliest place that holds the item's bytes, and its time.
    pub(crate) stored: Option<(u64, Place)>,
    /// The earliest place where the item was assigned without its bytes, and its time.
    assigned: Option<(u64, Place)>,
}

impl Places {
    /// The assignment's place, else the item's earliest. Anybody may have an assignment assigned. That must
    /// not change what its id has stood for since it was signed.
    pub(crate) fn first(self) -> Option<Place> {
        let item = self.stored.into_iter().chain(self.assigned).min();
        self.assignment.or(item.map(|(_, place)| place))
    }
}

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

    /// What an id stands for, in one pass over its rows: the kinds lie behind each other.
    pub(crate) fn places(&self, id: &[u8; 32]) -> Result<Places, LedgerError> {
        let from = key::id_kind(id, IdKind::Stored);
        let below = key::id_kind_end(id, IdKind::Assigned);
        let mut rows = self.range(Family::Ids, &from, &below)?;
        let mut places = Places::default();
        if let Some(key) = of_kind(&rows, IdKind::Stored) {
            places.stored = Some(key::read_place_by_time(key)?);
            rows.seek(key::id_kind(id, IdKind::Assignment));
        }
        if of_kind(&rows, IdKind::Assignment).is_some() {
            places.assignment = rows.value().map(record::read_place).transpose()?;
        } else if let Some(key) = of_kind(&rows, IdKind::Assigned) {
            places.assigned = Some(key::read_place_by_time(key)?);
        }
        rows.status()?;
        Ok(places)
    }

    /// What an assignment placed.
    pub(crate) fn assignment_place(&self, id: &AssignmentId) -> Result<Option<Place>, LedgerError> {
        self.get(Family::Ids, &key::assignment(id))?
            .map(|bytes| record::read_place(&bytes))
            .transpose()
    }

    /// The place of the pushed message under this key.
    pub(crate) fn place_of_content(
        &self,
        process: &ProcessId,
        content: &ContentKey,
    ) -> Result<Option<u64>, LedgerError> {
        let bytes = self.get(Family::Contents, &key::content(process, content))?;
        bytes.map(|bytes| record::read_number("content", &bytes)).transpose()
    }

    /// The content keys of a process's pushed messages, by nonce.
    pub(crate) fn contents(
        &self,
        process: &ProcessId,
    ) -> Result<HashMap<u64, ContentKey>, LedgerError> {
        let (from, below) = key::contents(process);
        let mut rows = self.range(Family::Contents, &from, &below)?;
        let mut found = HashMap::new();
        while let Some((key, value)) = rows.item() {
            let content = key
                .last_chunk()
                .ok_or_else(|| LedgerError::damaged("a key in `contents` is too short"))?;
            found.insert(record::read_number("content", value)?, ContentKey(*content));
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

/// The key that `rows` stand on if it says this of its id.
fn of_kind<'a>(rows: &'a DBRawIterator<'_>, kind: IdKind) -> Option<&'a [u8]> {
    rows.key().filter(|key| key.get(key::ID_LEN) == Some(&(kind as u8)))
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
