//! Reads the columns of a row. Whatever the database sends, the answer is a value or an error.

use crate::ModelError;
use crate::bodies::Stored;
use bytes::Bytes;
use rota_schedule::{AssignmentId, Entry, MessageId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};

/// What a writer says of itself, as seen in one snapshot of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The writer.
    pub(super) writer: i32,
    /// At or below this it commits nothing more, in milliseconds.
    pub(super) closed: u64,
}

/// A column.
pub(super) fn value<'r, T>(row: &'r PgRow, index: usize) -> Result<T, ModelError>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    Ok(row.try_get(index)?)
}

/// A nonce, a time or a length.
pub(super) fn number(row: &PgRow, index: usize) -> Result<u64, ModelError> {
    unsigned(value(row, index)?)
}

/// A number that the schema keeps from being negative.
pub(super) fn unsigned(number: i64) -> Result<u64, ModelError> {
    u64::try_from(number).map_err(|_| ModelError::Damaged("a number is negative"))
}

/// An id.
pub(super) fn id(row: &PgRow, index: usize) -> Result<[u8; 32], ModelError> {
    let bytes: &[u8] = value(row, index)?;
    bytes.try_into().map_err(|_| ModelError::Damaged("an id is not 32 bytes long"))
}

/// Writer and closed timestamp, in two columns; absent if the process is bound to none.
pub(super) fn progress(row: &PgRow, index: usize) -> Result<Option<Progress>, ModelError> {
    let Some(writer) = value(row, index)? else {
        return Ok(None);
    };
    Ok(Some(Progress { writer, closed: number(row, index + 1)? }))
}

/// An entry: nonce, timestamp, both ids, the message's length, assignment, message and body.
pub(super) fn entry(row: &PgRow, index: usize) -> Result<Stored, ModelError> {
    let message: Option<&[u8]> = value(row, index + 6)?;
    let entry = Entry {
        nonce: number(row, index)?,
        timestamp: Timestamp(number(row, index + 1)?),
        assignment_id: AssignmentId::new(id(row, index + 2)?),
        message_id: MessageId::new(id(row, index + 3)?),
        assignment: Bytes::copy_from_slice(value(row, index + 5)?),
        message: message.map(Bytes::copy_from_slice),
    };
    Stored::new(entry, value(row, index + 4)?, value(row, index + 7)?)
}
