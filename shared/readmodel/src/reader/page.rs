//! A page of a schedule: one statement, one value, few allocations (contract §3).

use super::row::{self, Progress, number, value};
use super::statement::{Query, Standing, Statement, clamped};
use crate::ModelError;
use bytes::{Buf, Bytes};
use rota_schedule::{
    AssignmentId, Cursor, Entry, MessageId, PAGE_BYTES_MAX, Page, PageQuery, ProcessId, Timestamp,
};
use sqlx::postgres::PgRow;

/// What precedes the items of an entry: nonce, timestamp, both lengths, both ids. In bytes.
const ENTRY_HEAD_BYTES: usize = 8 + 8 + 4 + 4 + 32 + 32;
/// The length of a message whose bytes lie elsewhere.
const NO_MESSAGE: i32 = -1;

/// Asks for a page.
pub(super) struct PageOf {
    pub(super) process: ProcessId,
    pub(super) query: PageQuery,
    /// Whether a process that a replica does not know is asked for at the primary; else the caller is told,
    /// who has further questions first.
    pub(super) settle_absence: bool,
}

/// A page, and what its snapshot knows.
pub(super) struct Sheet {
    pub(super) page: Page,
    /// No entry that this snapshot lacks can lie within the bounds.
    complete: bool,
    progress: Option<Progress>,
}

impl Statement for PageOf {
    type Answer = Option<Sheet>;

    const SQL: &'static str = include_str!("sql/page.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let PageQuery { bounds, cursor, limit } = self.query;
        let first = bounds.after_nonce.map_or(0, |after| clamped(after.saturating_add(1)));
        query
            .bind(self.process.as_bytes().as_slice())
            .bind(first)
            .bind(bounds.to_nonce.map_or(i64::MAX, clamped))
            .bind(bounds.after_time.map(clamped))
            .bind(bounds.to_time.map(clamped))
            .bind(i64::from(limit))
            .bind(clamped(PAGE_BYTES_MAX as u64))
            .bind(cursor == Cursor::Timestamp)
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let (head, head_time) = (number(row, 0)?, number(row, 1)?);
        let progress = row::progress(row, 2)?;
        let (first, last): (i64, i64) = (value(row, 4)?, value(row, 5)?);
        let stop: Option<i64> = value(row, 6)?;
        let has_next = stop.is_some_and(|stop| first <= stop && stop < last);
        let entries = match value::<Option<&[u8]>>(row, 7)? {
            Some(packed) => unpack(Bytes::copy_from_slice(packed), row::unsigned(first)?)?,
            None => Vec::new(),
        };
        let promised = stop.map_or(0, |stop| (stop - first + 1).max(0));
        if usize::try_from(promised).ok() != Some(entries.len()) {
            return Err(ModelError::Damaged("an entry is missing"));
        }
        let closed = progress.map_or(0, |progress| progress.closed);
        let bounds = &self.query.bounds;
        let newest = Timestamp(closed.max(head_time));
        let page =
            Page { entries, has_next, head, closed: has_next || bounds.are_closed(head, newest) };
        // A schedule that is being imported may go on with the newest timestamp: only times below it are
        // complete without the writer's word.
        let known = Timestamp(closed.max(head_time.saturating_sub(1)));
        let complete = has_next || bounds.are_closed(head, known);
        Ok(Some(Sheet { page, complete, progress }))
    }

    fn progress(&self, answer: &Self::Answer) -> Option<Progress> {
        answer.as_ref()?.progress
    }

    fn standing(&self, answer: &Self::Answer, trusted: &dyn Fn(Progress) -> bool) -> Standing {
        match answer {
            None if self.settle_absence => Standing::Unknown,
            None => Standing::Final,
            Some(sheet) if sheet.complete || sheet.progress.is_some_and(trusted) => Standing::Final,
            Some(sheet) => Standing::IfHead(self.process, sheet.page.head),
        }
    }
}

/// Cuts the one value of a page into its entries, which follow each other from `first` on.
fn unpack(mut packed: Bytes, first: u64) -> Result<Vec<Entry>, ModelError> {
    let mut entries = Vec::new();
    for nonce in first.. {
        if packed.is_empty() {
            break;
        }
        let entry = take_entry(&mut packed)?;
        if entry.nonce != nonce {
            return Err(ModelError::Damaged("entries do not follow each other"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn take_entry(packed: &mut Bytes) -> Result<Entry, ModelError> {
    let mut head = take(packed, Some(ENTRY_HEAD_BYTES))?;
    let nonce = head.get_u64();
    let timestamp = Timestamp(head.get_u64());
    let (assignment, message) = (head.get_i32(), head.get_i32());
    let mut id = || {
        let mut bytes = [0; 32];
        head.copy_to_slice(&mut bytes);
        bytes
    };
    Ok(Entry {
        nonce,
        timestamp,
        assignment_id: AssignmentId::new(id()),
        message_id: MessageId::new(id()),
        assignment: take(packed, usize::try_from(assignment).ok())?,
        message: match message {
            NO_MESSAGE => None,
            length => Some(take(packed, usize::try_from(length).ok())?),
        },
    })
}

/// The next bytes, if there are so many.
fn take(packed: &mut Bytes, length: Option<usize>) -> Result<Bytes, ModelError> {
    match length {
        Some(length) if length <= packed.len() => Ok(packed.split_to(length)),
        _ => Err(ModelError::Damaged("a page ends within an entry")),
    }
}
