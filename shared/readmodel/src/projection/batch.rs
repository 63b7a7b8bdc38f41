//! Rows that are committed together: checked for what they tell by themselves, then laid out as the
//! columns that one statement takes.

use super::shelf::Large;
use super::{Row, to_db};
use crate::ModelError;
use rota_archive::Body;
use rota_schedule::{Entry, ProcessId};
use std::collections::HashMap;

/// Rows in a batch.
pub const BATCH_ROWS_MAX: usize = 512;
/// Bytes of items in a batch of more than one row.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Items up to this many bytes lie in their rows, larger ones in the archive or in a table of their own: a
/// page reads as little of what it does not show as can be.
pub const INLINE_BYTES_MAX: usize = 128 << 10;

/// A row of a batch, and its item if that is too large for the row.
#[derive(Clone, Debug)]
pub(super) struct Placed<'a> {
    pub(super) row: &'a Row,
    pub(super) body: Option<Body>,
}

impl<'a> From<&'a Row> for Placed<'a> {
    /// Hashes the item if it is too large.
    fn from(row: &'a Row) -> Self {
        let message = row.entry.message.as_ref();
        let large = message.filter(|message| message.len() > INLINE_BYTES_MAX);
        Self { row, body: large.cloned().map(Body::of) }
    }
}

/// How full a batch is.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchSize {
    rows: usize,
    bytes: usize,
}

impl BatchSize {
    /// Whether a further row may be committed with the others. One that is larger than a batch goes alone.
    #[must_use]
    pub fn has_room_for(&self, entry: &Entry) -> bool {
        let fits =
            || self.rows < BATCH_ROWS_MAX && self.bytes + entry.len_bytes() <= BATCH_BYTES_MAX;
        self.rows == 0 || fits()
    }

    /// Counts a row.
    pub fn add(&mut self, entry: &Entry) {
        self.rows += 1;
        self.bytes += entry.len_bytes();
    }
}

/// What a batch needs of the database before it may be inserted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs<'a> {
    /// Each process once: it must be bound to the writer.
    pub(super) processes: Vec<&'a [u8]>,
    /// The places right before the first rows, where there is one: something must be there.
    pub(super) before: (Vec<&'a [u8]>, Vec<i64>),
}

impl<'a> Needs<'a> {
    /// Checks that the rows of each process go on without a gap, and says what the first need.
    ///
    /// # Errors
    /// [`ModelError::Gap`], [`ModelError::OutOfRange`].
    pub(super) fn of(rows: &[&Placed<'a>]) -> Result<Self, ModelError> {
        let mut needs = Self::default();
        let mut last: HashMap<ProcessId, u64> = HashMap::new();
        for row in rows.iter().map(|placed| placed.row) {
            let (process, nonce) = (row.process, row.entry.nonce);
            match last.insert(process, nonce) {
                Some(last) if last.checked_add(1) == Some(nonce) => {}
                Some(_) => return Err(ModelError::Gap { process, nonce }),
                None => needs.begin(row)?,
            }
        }
        Ok(needs)
    }

    fn begin(&mut self, first: &'a Row) -> Result<(), ModelError> {
        let process = &first.process.as_bytes()[..];
        self.processes.push(process);
        if let Some(before) = first.entry.nonce.checked_sub(1) {
            self.before.0.push(process);
            self.before.1.push(to_db(before, "a nonce")?);
        }
        Ok(())
    }
}

/// The limits of a batch.
///
/// # Errors
/// [`ModelError::OutOfRange`].
pub(super) fn check_size(rows: &[Row]) -> Result<(), ModelError> {
    let mut size = BatchSize::default();
    for Row { entry, .. } in rows {
        if !size.has_room_for(entry) {
            return Err(ModelError::OutOfRange("the size of a batch"));
        }
        size.add(entry);
    }
    Ok(())
}

/// The rows of a batch by columns; `large` are the bodies that lie in a table of their own.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) process: Vec<&'a [u8]>,
    pub(super) nonce: Vec<i64>,
    pub(super) timestamp: Vec<i64>,
    pub(super) message_length: Vec<Option<i32>>,
    pub(super) assignment_id: Vec<&'a [u8]>,
    pub(super) message_id: Vec<&'a [u8]>,
    pub(super) content: Vec<Option<&'a [u8]>>,
    pub(super) assignment: Vec<&'a [u8]>,
    pub(super) message: Vec<Option<&'a [u8]>>,
    pub(super) body: Vec<Option<&'a [u8]>>,
    pub(super) large: (Vec<&'a [u8]>, Vec<&'a [u8]>),
}

impl<'a> Columns<'a> {
    /// # Errors
    /// [`ModelError::OutOfRange`].
    pub(super) fn of(rows: &[&'a Placed<'a>], large: Large) -> Result<Self, ModelError> {
        let mut columns = Self::default();
        for row in rows {
            columns.push(row, large)?;
        }
        Ok(columns)
    }

    fn push(&mut self, placed: &'a Placed<'a>, large: Large) -> Result<(), ModelError> {
        let Placed { row, body } = placed;
        let entry = &row.entry;
        self.process.push(row.process.as_bytes());
        self.nonce.push(to_db(entry.nonce, "a nonce")?);
        self.timestamp.push(to_db(entry.timestamp.0, "a timestamp")?);
        self.assignment_id.push(entry.assignment_id.as_bytes());
        self.message_id.push(entry.message_id.as_bytes());
        self.content.push(row.content.as_ref().map(|content| &content.0[..]));
        self.assignment.push(&entry.assignment);
        let length = entry.message.as_ref().map(|message| i32::try_from(message.len()));
        let length = length.transpose().map_err(|_| ModelError::OutOfRange("an item's length"))?;
        self.message_length.push(length);
        self.message.push(entry.message.as_deref().filter(|_| body.is_none()));
        self.body.push(body.as_ref().map(|body| &body.hash().as_bytes()[..]));
        if let (Some(body), Large::Table) = (body, large) {
            self.large.0.push(body.hash().as_bytes());
            self.large.1.push(body.bytes());
        }
        Ok(())
    }
}
