//! Rows that are committed together: checked for what they tell by themselves, then laid out as the
//! columns that one statement takes.

use super::shelf::Large;
use super::{Row, to_db};
use crate::ModelError;
use bytes::Bytes;
use rota_schedule::{MessageId, ProcessId};
use std::collections::HashMap;

/// Rows in a batch.
pub const BATCH_ROWS_MAX: usize = 512;
/// Bytes of items in a batch of more than one row.
pub const BATCH_BYTES_MAX: usize = 8 << 20;
/// Items up to this many bytes lie in their rows, larger ones in the archive or in a table of their own: a
/// page reads as little of what it does not show as can be.
pub const INLINE_BYTES_MAX: usize = 128 << 10;

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
    pub(super) fn of(rows: &[&'a Row]) -> Result<Self, ModelError> {
        let mut needs = Self::default();
        let mut last: HashMap<ProcessId, u64> = HashMap::new();
        for row in rows {
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
    let bytes: usize = rows.iter().map(|row| row.entry.len_bytes()).sum();
    if rows.len() > BATCH_ROWS_MAX || (rows.len() > 1 && bytes > BATCH_BYTES_MAX) {
        return Err(ModelError::OutOfRange("the size of a batch"));
    }
    Ok(())
}

/// The bodies of a batch that are too large for their rows.
pub(super) fn large(rows: &[Row]) -> impl Iterator<Item = (MessageId, Bytes)> + '_ {
    let body = |row: &Row| Some((row.entry.message_id, row.entry.message.clone()?));
    rows.iter().filter_map(body).filter(|(_, body)| body.len() > INLINE_BYTES_MAX)
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
    pub(super) large: (Vec<&'a [u8]>, Vec<&'a [u8]>),
}

impl<'a> Columns<'a> {
    /// # Errors
    /// [`ModelError::OutOfRange`].
    pub(super) fn of(rows: &[&'a Row], large: Large) -> Result<Self, ModelError> {
        let mut columns = Self::default();
        for row in rows {
            columns.push(row, large)?;
        }
        Ok(columns)
    }

    fn push(&mut self, row: &'a Row, large: Large) -> Result<(), ModelError> {
        let entry = &row.entry;
        let message_id = &entry.message_id.as_bytes()[..];
        self.process.push(row.process.as_bytes());
        self.nonce.push(to_db(entry.nonce, "a nonce")?);
        self.timestamp.push(to_db(entry.timestamp.0, "a timestamp")?);
        self.assignment_id.push(entry.assignment_id.as_bytes());
        self.message_id.push(message_id);
        self.content.push(row.content.as_ref().map(|content| &content.0[..]));
        self.assignment.push(&entry.assignment);
        let length = entry.message.as_ref().map(|message| i32::try_from(message.len()));
        let length = length.transpose().map_err(|_| ModelError::OutOfRange("an item's length"))?;
        self.message_length.push(length);
        let inline = entry.message.as_deref().filter(|message| message.len() <= INLINE_BYTES_MAX);
        self.message.push(inline);
        if let (None, Some(body), Large::Table) = (inline, &entry.message, large) {
            self.large.0.push(message_id);
            self.large.1.push(body);
        }
        Ok(())
    }
}
