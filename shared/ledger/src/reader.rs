//! Reading for the world: the ledger as a [`ScheduleReader`].
//!
//! Point lookups run where they are called: they take microseconds, less than handing them to another
//! thread would. Pages copy up to megabytes and go to a bounded number of blocking threads.

use crate::{Ledger, LedgerError, page, store::Place};
use bytes::Bytes;
use rota_schedule::{
    AssignmentId, Entry, Found, Head, MessageId, PAGE_PART_BYTES_MAX, Page, PageQuery, ProcessId,
    ReadError, ScheduleReader, SchedulerInfo,
};
use std::{io, sync::Arc};

impl ScheduleReader for Ledger {
    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, ReadError> {
        let as_process = ProcessId::new(id);
        if let Some(head) = self.head(&as_process)? {
            return Ok(Some(Found::Page(self.page(as_process, head, query).await?)));
        }
        Ok(self.entry_of(&id, process)?.map(Found::Entry))
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        let Some(head) = self.head(&process)? else {
            return Ok(None);
        };
        Ok(Some(self.store().entry_at((process, head.nonce))?))
    }

    async fn head(&self, process: ProcessId) -> Result<Option<u64>, ReadError> {
        Ok(Self::head(self, &process)?.map(|head| head.nonce))
    }

    async fn process(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        // An imported process has no assignment of its own: its first entry is a message.
        let first = self.store().entry(&process, 0)?;
        Ok(first.filter(|entry| entry.message_id == process.into()))
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, ReadError> {
        let store = self.store();
        let places = store.places(&id)?;
        if let Some(place) = places.assignment {
            return Ok(Some(store.assignment(place)?));
        }
        let Some((_, (process, nonce))) = places.stored else {
            return Ok(None);
        };
        Ok(Some(store.message(&process, nonce)?))
    }

    async fn scheduler(&self, _: Option<ProcessId>) -> Result<SchedulerInfo, ReadError> {
        let address = self.scheduler_address().ok_or(LedgerError::NoScheduler)?;
        Ok(SchedulerInfo {
            address,
            block_height: self.block_height().map_or(0, |kept| kept.height),
        })
    }
}

impl Ledger {
    /// The entry of an assignment, or else of an item at its earliest place; in `process` if that is given.
    fn entry_of(
        &self,
        id: &[u8; 32],
        process: Option<ProcessId>,
    ) -> Result<Option<Entry>, LedgerError> {
        let store = self.store();
        let entry_at = |place: Option<Place>| place.map(|place| store.entry_at(place)).transpose();
        let Some(process) = process else { return entry_at(store.places(id)?.first()) };
        let nonce = store.place_of(&process, &MessageId::new(*id))?;
        let item = entry_at(nonce.map(|nonce| (process, nonce)))?;
        // Only spawns and messages are taken in with their bytes: such an item is no assignment.
        if item.as_ref().is_some_and(|entry| entry.message.is_some()) {
            return Ok(item);
        }
        let assignment = store.assignment_place(&AssignmentId::new(*id))?;
        Ok(entry_at(assignment.filter(|(found, _)| *found == process))?.or(item))
    }

    async fn page(
        &self,
        process: ProcessId,
        head: Head,
        query: PageQuery,
    ) -> Result<Page, LedgerError> {
        let permit = Arc::clone(self.page_readers()).acquire_owned().await;
        let permit = permit.map_err(|closed| LedgerError::Thread(io::Error::other(closed)))?;
        let store = Arc::clone(self.store());
        let read = move || {
            let _permit = permit;
            page::read(&store, process, &head, &query, PAGE_PART_BYTES_MAX)
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|died| LedgerError::Thread(io::Error::other(died)))?
    }
}
