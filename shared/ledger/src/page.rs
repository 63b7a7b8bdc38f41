//! A page of a schedule: bounds to nonces, then one scan into few allocations (contract §3).
//!
//! A large page is read in parts. The scan then goes on behind the first part only to count, because an answer
//! says at its start whether a further page follows.

use crate::{LedgerError, record::AssignmentRecord, scan::Scan, store::Store};
use bytes::Bytes;
use rota_schedule::{
    AssignmentId, Bounds, Cursor, Entry, Head, MessageId, Page, PageQuery, ProcessId, Rest,
    Timestamp,
};
use std::ops::{Range, RangeInclusive};

/// Items from this size on get an allocation of their own, so that holding a small one of the same
/// page does not keep them in memory, and the page's buffer does not grow over them. In bytes.
const OWN_ALLOCATION_BYTES: usize = 64 << 10;
/// What the page's buffer starts with: a usual entry is two items of 1.3 KB each.
const ENTRY_BYTES_USUAL: usize = 3 << 10;
/// The most that the page's buffer starts with, in bytes.
const BUFFER_BYTES_START_MAX: usize = 512 << 10;

/// Reads the first part of a page, and finds out where the page ends. A part ends at `part_max` bytes, but
/// never before its first entry.
pub(crate) fn read(
    store: &Store,
    process: ProcessId,
    head: &Head,
    query: &PageQuery,
    part_max: usize,
) -> Result<Page, LedgerError> {
    let closed = query.bounds.are_closed(head.nonce, head.timestamp, None);
    let Some(nonces) = resolve(store, &process, head, &query.bounds)? else {
        let (entries, rest) = (Vec::new(), None);
        return Ok(Page { entries, rest, has_next: false, head: head.nonce, closed });
    };
    let (first, last) = nonces.into_inner();
    let mut scan = Scan::new(store, process, first, last)?;
    let count = last.saturating_sub(first).saturating_add(1).min(query.limit.into());
    let mut draft = Draft::with_room_for(usize::try_from(count).unwrap_or(usize::MAX));
    let mut extent = Extent::default();
    let mut step = Step::Taken;
    while step == Step::Taken && !scan.is_done() && extent.wants(&scan.assignment()?, query) {
        step = draft.take(&mut scan, &mut extent, query, part_max)?;
    }
    if step == Step::Counted {
        extent.count(&mut scan, query)?;
    }
    let has_next = !scan.is_done();
    let closed = has_next || closed;
    let page_bytes = extent.bytes as u64;
    let rest = scan.nonce().checked_sub(1).filter(|_| step == Step::Counted);
    let rest = rest.map(|last| Rest { last, page_bytes });
    Ok(Page { entries: draft.finish(), rest, has_next, head: head.nonce, closed })
}

/// The nonces within the bounds; `None` if there are none. All given bounds hold at once.
fn resolve(
    store: &Store,
    process: &ProcessId,
    head: &Head,
    bounds: &Bounds,
) -> Result<Option<RangeInclusive<u64>>, LedgerError> {
    let (mut first, mut last) = (0, head.nonce);
    if let Some(after) = bounds.after_nonce {
        let Some(next) = after.checked_add(1) else {
            return Ok(None);
        };
        first = next;
    }
    if let Some(to) = bounds.to_nonce {
        last = last.min(to);
    }
    if let Some(after) = bounds.after_time {
        let Some(later) = store.first_after(process, after)? else {
            return Ok(None);
        };
        first = first.max(later);
    }
    if let Some(to) = bounds.to_time
        && let Some(later) = store.first_after(process, to)?
    {
        let Some(within) = later.checked_sub(1) else {
            return Ok(None);
        };
        last = last.min(within);
    }
    Ok((first <= last).then_some(first..=last))
}

/// How much belongs to a page so far.
#[derive(Default)]
struct Extent {
    entries: u64,
    /// Of items and assignments.
    bytes: usize,
    /// Of the last entry.
    timestamp: Option<Timestamp>,
}

impl Extent {
    /// Whether the limit leaves room, or the entry is as old as the last one of a page by timestamp:
    /// such a page never ends between the two, else its cursor would skip the second.
    fn wants(&self, record: &AssignmentRecord<'_>, query: &PageQuery) -> bool {
        self.entries < u64::from(query.limit) || self.continues(record.timestamp, query.cursor)
    }

    fn continues(&self, timestamp: Timestamp, cursor: Cursor) -> bool {
        cursor == Cursor::Timestamp && self.timestamp == Some(timestamp)
    }

    /// Takes an entry of so many bytes in, unless the page would be too large.
    fn add(&mut self, bytes: usize, timestamp: Timestamp, query: &PageQuery) -> bool {
        let sum = self.bytes.saturating_add(bytes);
        let fits =
            sum <= query.bytes_max || self.entries == 0 || self.continues(timestamp, query.cursor);
        if fits {
            *self = Self { entries: self.entries + 1, bytes: sum, timestamp: Some(timestamp) };
        }
        fits
    }

    /// Goes on to the end of the page. Of each entry only the lengths matter.
    fn count(&mut self, scan: &mut Scan<'_>, query: &PageQuery) -> Result<(), LedgerError> {
        while !scan.is_done() {
            let record = scan.assignment()?;
            if !self.wants(&record, query) {
                break;
            }
            let (timestamp, has_message) = (record.timestamp, record.has_message);
            let assignment = record.assignment.len();
            let message = if has_message { scan.message()?.len() } else { 0 };
            if !self.add(assignment + message, timestamp, query) {
                break;
            }
            scan.advance();
        }
        Ok(())
    }
}

/// What became of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is in the draft.
    Taken,
    /// It belongs to the page, but no longer to this part.
    Counted,
    /// It belongs to the next page.
    Refused,
}

/// A part of a page in the making: items lie in one buffer, and are cut out of it at the end.
struct Draft {
    buffer: Vec<u8>,
    entries: Vec<DraftEntry>,
}

struct DraftEntry {
    nonce: u64,
    timestamp: Timestamp,
    assignment_id: AssignmentId,
    message_id: MessageId,
    assignment: Range<usize>,
    message: Option<Body>,
}

enum Body {
    /// Lies in the page's buffer.
    Shared(Range<usize>),
    /// Lies by itself.
    Own(Bytes),
}

impl Draft {
    fn with_room_for(count: usize) -> Self {
        let bytes = count.saturating_mul(ENTRY_BYTES_USUAL).min(BUFFER_BYTES_START_MAX);
        Self { buffer: Vec::with_capacity(bytes), entries: Vec::with_capacity(count) }
    }

    /// Takes the entry that `scan` stands on and steps over it, unless the page would be too large.
    fn take(
        &mut self,
        scan: &mut Scan<'_>,
        extent: &mut Extent,
        query: &PageQuery,
        part_max: usize,
    ) -> Result<Step, LedgerError> {
        let start = self.buffer.len();
        let nonce = scan.nonce();
        let record = scan.assignment()?;
        let has_message = record.has_message;
        let mut entry = DraftEntry {
            nonce,
            timestamp: record.timestamp,
            assignment_id: record.assignment_id,
            message_id: record.message_id,
            assignment: self.append(record.assignment),
            message: None,
        };
        let message = if has_message { scan.message()? } else { &[] };
        if !extent.add(entry.assignment.len() + message.len(), entry.timestamp, query) {
            self.buffer.truncate(start);
            return Ok(Step::Refused);
        }
        if extent.bytes > part_max && !self.entries.is_empty() {
            self.buffer.truncate(start);
            scan.advance();
            return Ok(Step::Counted);
        }
        if has_message {
            entry.message = Some(if message.len() < OWN_ALLOCATION_BYTES {
                Body::Shared(self.append(message))
            } else {
                Body::Own(Bytes::copy_from_slice(message))
            });
        }
        self.entries.push(entry);
        scan.advance();
        Ok(Step::Taken)
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }

    fn finish(self) -> Vec<Entry> {
        let buffer = Bytes::from(self.buffer);
        let entry = |draft: DraftEntry| Entry {
            nonce: draft.nonce,
            timestamp: draft.timestamp,
            assignment_id: draft.assignment_id,
            message_id: draft.message_id,
            assignment: buffer.slice(draft.assignment),
            message: draft.message.map(|body| match body {
                Body::Shared(range) => buffer.slice(range),
                Body::Own(bytes) => bytes,
            }),
        };
        self.entries.into_iter().map(entry).collect()
    }
}
