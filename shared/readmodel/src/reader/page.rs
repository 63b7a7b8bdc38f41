//! A page of a schedule: one statement, a packed value for each entry, one buffer (contract §3).

use super::row::{self, Progress, value};
use super::statement::{Query, Sql, Standing, Statement, clamped, sql};
use crate::ModelError;
use crate::bodies::{self, Stored};
use bytes::{Buf, Bytes};
use rota_archive::Archive;
use rota_schedule::{
    AssignmentId, Cursor, Entry, MessageId, PAGE_PART_BYTES_MAX, Page, PageQuery, ProcessId, Rest,
    Timestamp,
};
use sqlx::postgres::PgRow;

/// What precedes the items of an entry: nonce, timestamp, both lengths, both ids. In bytes.
const ENTRY_HEAD_BYTES: usize = 8 + 8 + 4 + 4 + 32 + 32;
/// The hash under which an item lies apart from its row. In bytes.
const HASH_BYTES: usize = 32;
/// The length of a message that was only assigned: its bytes are nobody's here.
const NO_MESSAGE: i32 = -1;
/// The writer of a process that is bound to none.
const NO_WRITER: i32 = -1;

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
    entries: Vec<Stored>,
    rest: Option<Rest>,
    has_next: bool,
    head: u64,
    closed: bool,
    progress: Option<Progress>,
}

impl Sheet {
    /// The page with everything that belongs on it.
    pub(super) async fn complete(self, archive: Option<&Archive>) -> Result<Page, ModelError> {
        let Self { entries, rest, has_next, head, closed, .. } = self;
        let entries = bodies::complete(entries, archive).await?;
        Ok(Page { entries, rest, has_next, head, closed })
    }
}

impl Statement for PageOf {
    type Answer = Option<Sheet>;

    const SQL: Sql = sql!("sql/page.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let PageQuery { bounds, cursor, limit, bytes_max } = self.query;
        let first = bounds.after_nonce.map_or(0, |after| clamped(after.saturating_add(1)));
        query
            .bind(self.process.as_bytes().as_slice())
            .bind(first)
            .bind(bounds.to_nonce.map_or(i64::MAX, clamped))
            .bind(bounds.after_time.map(clamped))
            .bind(bounds.to_time.map(clamped))
            .bind(i64::from(limit))
            .bind(clamped(bytes_max as u64))
            .bind(cursor == Cursor::Timestamp)
            .bind(clamped(bytes_max.min(PAGE_PART_BYTES_MAX) as u64))
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let Some((header, rows)) = rows.split_first() else {
            return Ok(None);
        };
        let header = Header::read(value(header, 0)?)?;
        let Header { head, head_time, progress, first, last, stop, part_stop, page_bytes } = header;
        let entries = unpack(rows, row::unsigned(first)?)?;
        let promised = (part_stop - first + 1).max(0);
        if usize::try_from(promised).ok() != Some(entries.len()) {
            return Err(ModelError::Damaged("an entry is missing"));
        }
        let rest = (promised > 0 && part_stop < stop).then_some(stop);
        let rest = rest.map(row::unsigned).transpose()?;
        let rest = rest.map(|last| Rest { last, page_bytes });
        let has_next = promised > 0 && stop < last;
        let promised = progress.map(|progress| Timestamp(progress.closed));
        let closed = has_next || self.query.bounds.are_closed(head, Timestamp(head_time), promised);
        Ok(Some(Sheet { entries, rest, has_next, head, closed, progress }))
    }

    fn progress(&self, answer: &Self::Answer) -> Option<Progress> {
        answer.as_ref()?.progress
    }

    fn standing(&self, answer: &Self::Answer, trusted: &dyn Fn(Progress) -> bool) -> Standing {
        match answer {
            None if self.settle_absence => Standing::Unknown,
            None => Standing::Final,
            Some(sheet) if sheet.closed || sheet.progress.is_some_and(trusted) => Standing::Final,
            Some(sheet) => Standing::IfHead(self.process, sheet.head),
        }
    }
}

/// What precedes the entries of a page.
struct Header {
    /// The newest entry of the schedule.
    head: u64,
    head_time: u64,
    progress: Option<Progress>,
    /// The first and the last nonce within the bounds; none if they are the wrong way round.
    first: i64,
    last: i64,
    /// Where the page ends, and its part that is here; below `first` if it is empty.
    stop: i64,
    part_stop: i64,
    /// At most so many bytes are on the whole page.
    page_bytes: u64,
}

impl Header {
    fn read(mut bytes: &[u8]) -> Result<Self, ModelError> {
        let mut next = || {
            bytes
                .try_get_i64()
                .map_err(|_| ModelError::Damaged("the header of a page is too short"))
        };
        let (head, head_time) = (row::unsigned(next()?)?, row::unsigned(next()?)?);
        let (writer, closed) = (next()?, row::unsigned(next()?)?);
        let progress = i32::try_from(writer).ok().filter(|writer| *writer != NO_WRITER);
        let progress = progress.map(|writer| Progress { writer, closed });
        let (first, last, stop, part_stop) = (next()?, next()?, next()?, next()?);
        let page_bytes = row::unsigned(next()?)?;
        Ok(Self { head, head_time, progress, first, last, stop, part_stop, page_bytes })
    }
}

/// Cuts rows into entries, which follow each other from `first` on. They hold slices of one buffer.
fn unpack(rows: &[PgRow], first: u64) -> Result<Vec<Stored>, ModelError> {
    let packed: Vec<&[u8]> = rows.iter().map(|row| value(row, 0)).collect::<Result<_, _>>()?;
    let mut rest = Bytes::from(packed.concat());
    let mut entries = Vec::with_capacity(packed.len());
    for (nonce, packed) in (first..).zip(packed) {
        entries.push(entry(rest.split_to(packed.len()), nonce)?);
    }
    Ok(entries)
}

/// Reads one entry, which must have this nonce. What follows the assignment is the message, and nothing if that
/// lies in the archive. Before either there is the hash, if the message lies under that apart from its row.
fn entry(mut packed: Bytes, nonce: u64) -> Result<Stored, ModelError> {
    let mut head = take(&mut packed, Some(ENTRY_HEAD_BYTES))?;
    if head.get_u64() != nonce {
        return Err(ModelError::Damaged("entries do not follow each other"));
    }
    let timestamp = Timestamp(head.get_u64());
    let (assignment, message) = (head.get_i32(), head.get_i32());
    let mut id = || {
        let mut bytes = [0; 32];
        head.copy_to_slice(&mut bytes);
        bytes
    };
    let (assignment_id, message_id) = (AssignmentId::new(id()), MessageId::new(id()));
    let assignment = take(&mut packed, usize::try_from(assignment).ok())?;
    let length = (message != NO_MESSAGE).then_some(message);
    let is_long = |length: i32| usize::try_from(length) == Ok(packed.len());
    let hash = match length {
        // The schema keeps what is as short as a hash in its row.
        Some(length) if !packed.is_empty() && !is_long(length) => {
            Some(take(&mut packed, Some(HASH_BYTES))?)
        }
        _ => None,
    };
    let is_here = !packed.is_empty() || length == Some(0);
    let message = is_here.then_some(packed);
    let entry = Entry { nonce, timestamp, assignment_id, message_id, assignment, message };
    Stored::new(entry, length, hash.as_deref())
}

/// The next bytes, if there are so many.
fn take(packed: &mut Bytes, length: Option<usize>) -> Result<Bytes, ModelError> {
    match length {
        Some(length) if length <= packed.len() => Ok(packed.split_to(length)),
        _ => Err(ModelError::Damaged("a page ends within an entry")),
    }
}
