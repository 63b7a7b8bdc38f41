//! What reading needs of a store. The ledger implements it, and so does the read model.

use crate::{Bounds, Cursor, Entry, PAGE_LIMIT_MAX, PageQuery, ProcessId};
use bytes::Bytes;
use rota_ans104::Address;
use std::future::Future;

/// A part of a schedule, in the order of nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries; empty only when there is none within the bounds. Of a page with a `rest` only the first.
    pub entries: Vec<Entry>,
    /// What of the page was not read: it has more bytes than [`crate::PAGE_PART_BYTES_MAX`].
    pub rest: Option<Rest>,
    /// True only if a further entry exists within the bounds.
    pub has_next: bool,
    /// The nonce of the newest entry of the whole schedule, as this page saw it.
    pub head: u64,
    /// True only if no entry that is still to come can change this page: it may be cached for ever.
    pub closed: bool,
}

/// The entries of a page that follow those that were read with it. They are committed and never change, so
/// they can be read later, from another source too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The nonce of the last entry of the page.
    pub last: u64,
    /// The whole page has at most so many bytes of items and assignments.
    pub page_bytes: u64,
}

impl Rest {
    /// Asks for the next part of the page: what follows the entry `after`, at most `bytes_max` bytes of it.
    #[must_use]
    pub fn query(&self, after: u64, bytes_max: usize) -> PageQuery {
        let bounds =
            Bounds { after_nonce: Some(after), to_nonce: Some(self.last), ..Bounds::default() };
        PageQuery { bounds, cursor: Cursor::Nonce, limit: PAGE_LIMIT_MAX, bytes_max }
    }
}

/// What an id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is a process: the asked-for page of its schedule.
    Page(Page),
    /// It is a message or an assignment: its entry.
    Entry(Entry),
}

/// What the scheduler says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerInfo {
    /// The address of the wallet that signs assignments.
    pub address: Address,
    /// The newest height of the Arweave block chain it knows; 0 until one was ever seen.
    pub block_height: u64,
}

/// Why a read could not be answered. Never means "not found": that is an `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store cannot answer now; asking again may help.
    #[error("the store did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What lies in the store cannot be what was put there.
    #[error("a stored record is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Reads schedules. Shows committed entries only (DUR-1) and never answers short (RD-1).
pub trait ScheduleReader: Send + Sync + 'static {
    /// Finds what `id` stands for: a page of a process's schedule, or the entry of a message or an
    /// assignment. A message that was assigned more than once is found at its earliest place, in
    /// `process` if that is given. An assignment that was itself assigned stands for what it placed: that
    /// answer is kept for ever. `query` is used only if `id` is a process. Of a large page only the
    /// first part is read: [`Rest::query`] asks for the next.
    fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> impl Future<Output = Result<Option<Found>, ReadError>> + Send;

    /// The newest entry of a process.
    fn latest(
        &self,
        process: ProcessId,
    ) -> impl Future<Output = Result<Option<Entry>, ReadError>> + Send;

    /// The nonce of the newest entry of a process: cheaper than the entry, and never older than what
    /// any earlier answer has shown.
    fn head(
        &self,
        process: ProcessId,
    ) -> impl Future<Output = Result<Option<u64>, ReadError>> + Send;

    /// The entry of a process's own assignment, with the item that spawned it.
    fn process(
        &self,
        process: ProcessId,
    ) -> impl Future<Output = Result<Option<Entry>, ReadError>> + Send;

    /// The bytes of an item or an assignment, exactly as signed.
    fn raw(&self, id: [u8; 32]) -> impl Future<Output = Result<Option<Bytes>, ReadError>> + Send;

    /// The wallet's address and the block height of the writer that owns `process`; of any writer if no
    /// process is named or it is not known.
    fn scheduler(
        &self,
        process: Option<ProcessId>,
    ) -> impl Future<Output = Result<SchedulerInfo, ReadError>> + Send;
}
