//! Reads a run of entries of one process: one iterator over adjacent rows.
//!
//! The caller takes the head first and scans up to it. Entries up to a head never change, so the
//! whole run is one consistent view, and a row that is missing in it is damage, not an end.

use crate::{
    LedgerError, key, key::EntryRow, key::Family, record::AssignmentRecord, store, store::Store,
};
use bytes::Bytes;
use rocksdb::DBRawIterator;
use rota_schedule::{Entry, ProcessId};

/// Stands on the rows of one entry after the other.
pub(crate) struct Scan<'a> {
    rows: DBRawIterator<'a>,
    process: ProcessId,
    /// The entry it stands on.
    nonce: u64,
    /// The last entry of the run.
    last: u64,
}

impl<'a> Scan<'a> {
    /// Starts at entry `first`; the run ends with entry `last`, which must be committed.
    pub(crate) fn new(
        store: &'a Store,
        process: ProcessId,
        first: u64,
        last: u64,
    ) -> Result<Self, LedgerError> {
        let from = key::entry(&process, first, EntryRow::Assignment);
        let rows = store.range(Family::Entries, &from, &key::entry_end(&process, last))?;
        Ok(Self { rows, process, nonce: first, last })
    }

    /// The entry it stands on.
    pub(crate) const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Whether the run is over.
    pub(crate) const fn is_done(&self) -> bool {
        self.nonce > self.last
    }

    /// The assignment of the entry it stands on.
    pub(crate) fn assignment(&self) -> Result<AssignmentRecord<'_>, LedgerError> {
        AssignmentRecord::read(self.row(EntryRow::Assignment)?)
    }

    /// Steps to the message of the entry it stands on: only if its assignment says there is one.
    pub(crate) fn message(&mut self) -> Result<&[u8], LedgerError> {
        self.rows.next();
        self.row(EntryRow::Message)
    }

    /// Steps to the next entry.
    pub(crate) fn advance(&mut self) {
        self.nonce = self.nonce.saturating_add(1);
        self.rows.next();
    }

    /// The value of the row it stands on, if that is the row it must be.
    fn row(&self, row: EntryRow) -> Result<&[u8], LedgerError> {
        match self.rows.item() {
            Some((key, value)) if key == key::entry(&self.process, self.nonce, row) => Ok(value),
            Some(_) => Err(store::missing(&self.process, self.nonce)),
            None => {
                self.rows.status()?;
                Err(store::missing(&self.process, self.nonce))
            }
        }
    }
}

/// The entries of a process up to its head, as [`crate::Ledger::entries`] gives them.
pub struct Entries<'a> {
    /// `None` once it is over: at the head, or after an error.
    scan: Option<Scan<'a>>,
}

impl<'a> Entries<'a> {
    /// None at all.
    pub(crate) const fn none() -> Self {
        Self { scan: None }
    }

    /// What is left of a run.
    pub(crate) const fn of(scan: Scan<'a>) -> Self {
        Self { scan: Some(scan) }
    }

    fn read(scan: &mut Scan<'_>) -> Result<Entry, LedgerError> {
        let nonce = scan.nonce();
        let record = scan.assignment()?;
        let has_message = record.has_message;
        let mut entry = Entry {
            nonce,
            timestamp: record.timestamp,
            assignment_id: record.assignment_id,
            message_id: record.message_id,
            assignment: Bytes::copy_from_slice(record.assignment),
            message: None,
        };
        if has_message {
            entry.message = Some(Bytes::copy_from_slice(scan.message()?));
        }
        scan.advance();
        Ok(entry)
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        let scan = self.scan.as_mut().filter(|scan| !scan.is_done())?;
        let entry = Self::read(scan);
        if entry.is_err() {
            self.scan = None;
        }
        Some(entry)
    }
}
