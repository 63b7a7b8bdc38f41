//! Where everything lies: the column families and their keys.
//!
//! All parts of a key have a fixed width and numbers are big-endian, so keys sort as their numbers do
//! and a range is one scan. Nothing is ever overwritten or deleted but heads, counters, outbox rows,
//! provisional rows and, before a writer starts, the provisional entries themselves. A key never changes its meaning; a new kind gets a new number.
//!
//! | family | key | value |
//! |---|---|---|
//! | `entries` | process ‖ nonce ‖ 0 | assignment record |
//! | | process ‖ nonce ‖ 1 | the item's bytes as received |
//! | `ids` | id ‖ 0 ‖ process ‖ nonce | empty: the item's places in a process, earliest first |
//! | | id ‖ 1 ‖ timestamp ‖ process ‖ nonce | empty: places that hold the item's bytes, earliest first |
//! | | id ‖ 2 | place record: what this assignment placed |
//! | | id ‖ 3 ‖ timestamp ‖ process ‖ nonce | empty: places where the item was assigned without its bytes |
//! | `times` | process ‖ timestamp ‖ nonce | empty |
//! | `heads` | process | head record |
//! | `contents` | process ‖ content key | nonce record |
//! | `provisional` | process ‖ nonce | provisional record |
//! | `outbox` | sequence number | outbox record |
//! | `meta` | name | format, counters, address, height, database |
//!
//! Content keys of entries from before signers were part of them are the hash of the content alone.
//!
//! Places are keys with empty values rather than records, so that the earliest is one seek and
//! writing needs no read before it.

use crate::LedgerError;
use rota_schedule::{AssignmentId, ContentKey, MessageId, ProcessId};

/// Length of an id, and of the prefix that bloom filters know keys by.
pub(crate) const ID_LEN: usize = 32;
/// Length of a key in `entries`.
pub(crate) const ENTRY_LEN: usize = ID_LEN + 8 + 1;
/// Length of a key in `times`.
pub(crate) const TIME_LEN: usize = ID_LEN + 8 + 8;
/// Length of a key in `provisional`.
pub(crate) const PROVISIONAL_LEN: usize = ID_LEN + 8;
/// Length of a key in `contents`.
pub(crate) const CONTENT_LEN: usize = ID_LEN + 48;
/// Length of a key of an item's place in a process.
pub(crate) const PLACE_LEN: usize = ID_LEN + 1 + ID_LEN + 8;
/// Length of a key of an item's place by time.
pub(crate) const PLACE_BY_TIME_LEN: usize = ID_LEN + 1 + 8 + ID_LEN + 8;

/// Key of the format's version in `meta`.
pub(crate) const META_FORMAT: &[u8] = b"format";
/// Key of the outbox's counters in `meta`.
pub(crate) const META_OUTBOX: &[u8] = b"outbox";
/// Key of the scheduler's address in `meta`.
pub(crate) const META_SCHEDULER: &[u8] = b"scheduler";
/// Key of the ledger's own id in `meta`.
pub(crate) const META_ID: &[u8] = b"id";
/// Key of the term under which ledger and database were last found to agree, in `meta`.
pub(crate) const META_SETTLED_TERM: &[u8] = b"settled-term";
/// Key of the id of the database that the ledger works with, in `meta`.
pub(crate) const META_DATABASE: &[u8] = b"database";
/// Key of the newest known block height in `meta`.
pub(crate) const META_BLOCK_HEIGHT: &[u8] = b"block-height";
/// Key of the time at which that height was told, in `meta`. Ledgers of before have none.
pub(crate) const META_BLOCK_HEIGHT_TIME: &[u8] = b"block-height-time";

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// The schedules.
    Entries,
    /// Finds entries by the ids in them.
    Ids,
    /// Finds nonces by time.
    Times,
    /// The newest entry of each process.
    Heads,
    /// Finds pushed messages by their content.
    Contents,
    /// Entries that the database has not committed yet.
    Provisional,
    /// What is to be uploaded.
    Outbox,
    /// What the ledger knows of itself.
    Meta,
}

impl Family {
    /// Every family.
    pub(crate) const ALL: [Self; 8] = [
        Self::Entries,
        Self::Ids,
        Self::Times,
        Self::Heads,
        Self::Contents,
        Self::Provisional,
        Self::Outbox,
        Self::Meta,
    ];

    /// Its name in RocksDB.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Ids => "ids",
            Self::Times => "times",
            Self::Heads => "heads",
            Self::Contents => "contents",
            Self::Provisional => "provisional",
            Self::Outbox => "outbox",
            Self::Meta => "meta",
        }
    }
}

/// What a row of `entries` holds. The order is that of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryRow {
    /// The assignment record.
    Assignment = 0,
    /// The item's bytes.
    Message = 1,
}

/// What a row of `ids` says of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdKind {
    /// It is an item, and this is a place in a process.
    Place = 0,
    /// It is an item, and this is a place that holds its bytes.
    Stored = 1,
    /// It is an assignment.
    Assignment = 2,
    /// It is an item, and this is a place where it was assigned without its bytes.
    Assigned = 3,
}

/// Key of a part of an entry.
pub(crate) fn entry(process: &ProcessId, nonce: u64, row: EntryRow) -> [u8; ENTRY_LEN] {
    join(&[process.as_bytes(), &nonce.to_be_bytes(), &[row as u8]])
}

/// The key that follows all rows of an entry.
pub(crate) fn entry_end(process: &ProcessId, nonce: u64) -> [u8; ENTRY_LEN] {
    join(&[process.as_bytes(), &nonce.to_be_bytes(), &[u8::MAX]])
}

/// Key of an item's place in a process.
pub(crate) fn place(item: &MessageId, process: &ProcessId, nonce: u64) -> [u8; PLACE_LEN] {
    join(&[item.as_bytes(), &[IdKind::Place as u8], process.as_bytes(), &nonce.to_be_bytes()])
}

/// The key that follows all of an item's places in a process but one at the end of the range of nonces.
pub(crate) fn place_end(item: &MessageId, process: &ProcessId) -> [u8; PLACE_LEN] {
    place(item, process, u64::MAX)
}

/// Key of an item's place by time; `kind` is [`IdKind::Stored`] or [`IdKind::Assigned`].
pub(crate) fn place_by_time(
    item: &MessageId,
    kind: IdKind,
    time: u64,
    process: &ProcessId,
    nonce: u64,
) -> [u8; PLACE_BY_TIME_LEN] {
    let nonce = nonce.to_be_bytes();
    join(&[item.as_bytes(), &[kind as u8], &time.to_be_bytes(), process.as_bytes(), &nonce])
}

/// Start of all keys of one kind of an id; for [`IdKind::Assignment`] the key itself.
pub(crate) fn id_kind(id: &[u8; ID_LEN], kind: IdKind) -> [u8; ID_LEN + 1] {
    join(&[id, &[kind as u8]])
}

/// The key that follows all keys of one kind of an id.
pub(crate) fn id_kind_end(id: &[u8; ID_LEN], kind: IdKind) -> [u8; ID_LEN + 1] {
    join(&[id, &[(kind as u8).saturating_add(1)]])
}

/// Key of what an assignment placed.
pub(crate) fn assignment(id: &AssignmentId) -> [u8; ID_LEN + 1] {
    id_kind(id.as_bytes(), IdKind::Assignment)
}

/// Key of a nonce by time.
pub(crate) fn time(process: &ProcessId, time: u64, nonce: u64) -> [u8; TIME_LEN] {
    join(&[process.as_bytes(), &time.to_be_bytes(), &nonce.to_be_bytes()])
}

/// The last possible key of a process in `times`: no schedule gets there (`SlotError::Full`).
pub(crate) fn time_end(process: &ProcessId) -> [u8; TIME_LEN] {
    time(process, u64::MAX, u64::MAX)
}

/// Start of all keys of a process in `contents`, and the key that follows them.
pub(crate) fn contents(process: &ProcessId) -> ([u8; CONTENT_LEN], [u8; CONTENT_LEN]) {
    (content(process, &ContentKey([0; 48])), content(process, &ContentKey([u8::MAX; 48])))
}

/// Key of a message by content.
pub(crate) fn content(process: &ProcessId, content: &ContentKey) -> [u8; CONTENT_LEN] {
    join(&[process.as_bytes(), &content.0])
}

/// Key of a provisional entry.
pub(crate) fn provisional(process: &ProcessId, nonce: u64) -> [u8; PROVISIONAL_LEN] {
    join(&[process.as_bytes(), &nonce.to_be_bytes()])
}

/// What a key of a provisional entry says: where it lies.
pub(crate) fn read_provisional(key: &[u8]) -> Result<(ProcessId, u64), LedgerError> {
    let wrong = || LedgerError::damaged("a key of a provisional entry has a wrong length");
    let (process, rest) = key.split_first_chunk().ok_or_else(wrong)?;
    let nonce: [u8; 8] = rest.try_into().map_err(|_| wrong())?;
    Ok((ProcessId::new(*process), u64::from_be_bytes(nonce)))
}

/// The number at the end of a key: the nonce of a place or of a time.
pub(crate) fn trailing_nonce(key: &[u8]) -> Result<u64, LedgerError> {
    let nonce =
        key.last_chunk().ok_or_else(|| LedgerError::damaged("a key is too short for its nonce"))?;
    Ok(u64::from_be_bytes(*nonce))
}

/// What a place by time says: when, and where.
pub(crate) fn read_place_by_time(key: &[u8]) -> Result<(u64, (ProcessId, u64)), LedgerError> {
    let wrong = || LedgerError::damaged("a key of an item's place has a wrong length");
    let rest = key.get(ID_LEN + 1..).ok_or_else(wrong)?;
    let (time, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
    let (process, rest) = rest.split_first_chunk().ok_or_else(wrong)?;
    let nonce: [u8; 8] = rest.try_into().map_err(|_| wrong())?;
    Ok((u64::from_be_bytes(*time), (ProcessId::new(*process), u64::from_be_bytes(nonce))))
}

/// Puts the parts of a key behind each other. `N` is their length: every caller's is a constant.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N, "length of a key");
    let mut key = [0; N];
    for (to, from) in key.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    key
}
