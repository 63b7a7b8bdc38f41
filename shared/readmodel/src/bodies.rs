//! The bytes of large items: in the archive where there is one, else in a table of their own.
//!
//! A row whose `message_length` is set has bytes: if neither the row nor the table `bodies` holds them, the
//! archive does. An [`Entry`] is made only once they are there, so none is ever shown without what it has
//! (RD-1).

use crate::ModelError;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rota_archive::{Archive, ArchiveError};
use rota_schedule::{Entry, MessageId};

/// Bodies that are stored or fetched at once.
const AT_ONCE: usize = 8;

/// An entry as a row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The entry, without a message where that lies in the archive.
    entry: Entry,
    /// How long the message is that lies in the archive.
    elsewhere: Option<usize>,
}

impl Stored {
    /// An entry with a message of `length` bytes, of which the database has given those that it holds.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if they are not as many.
    pub(crate) fn new(entry: Entry, length: Option<i32>) -> Result<Self, ModelError> {
        let length = length.map(usize::try_from).transpose();
        let length = length.map_err(|_| ModelError::Damaged("a length is negative"))?;
        let there = entry.message.as_ref().map(Bytes::len);
        let elsewhere = length.filter(|_| there.is_none());
        if there != length && elsewhere.is_none() {
            return Err(ModelError::Damaged("a message is not as long as its entry says"));
        }
        Ok(Self { entry, elsewhere })
    }

    /// When it was placed.
    pub(crate) const fn timestamp(&self) -> u64 {
        self.entry.timestamp.0
    }

    /// Whether its item has bytes, wherever they lie.
    pub(crate) const fn has_message(&self) -> bool {
        self.entry.message.is_some() || self.elsewhere.is_some()
    }

    /// The entry with everything it has.
    ///
    /// # Errors
    /// As [`fetch`].
    pub(crate) async fn complete(self, archive: Option<&Archive>) -> Result<Entry, ModelError> {
        let Self { mut entry, elsewhere } = self;
        if let Some(length) = elsewhere {
            entry.message = Some(fetch(archive, entry.message_id, length).await?);
        }
        Ok(entry)
    }
}

/// Entries with everything they have, in their order.
///
/// # Errors
/// As [`fetch`].
pub(crate) async fn complete(
    stored: Vec<Stored>,
    archive: Option<&Archive>,
) -> Result<Vec<Entry>, ModelError> {
    let entries = stream::iter(stored).map(|stored| stored.complete(archive));
    entries.buffered(AT_ONCE).try_collect().await
}

/// The bytes of an item that the database has not.
///
/// # Errors
/// [`ModelError::Damaged`] if nobody has them; [`ModelError::Unavailable`] if the archive does not answer.
pub(crate) async fn fetch(
    archive: Option<&Archive>,
    id: MessageId,
    length: usize,
) -> Result<Bytes, ModelError> {
    let archive = archive.ok_or(ModelError::Damaged(
        "a body is not in the database, and no archive is configured (ARCHIVE_BUCKET)",
    ))?;
    // Boxed: it is rare, and every reading future would be as large as the SDK's.
    Ok(Box::pin(archive.body(id, length)).await?)
}

/// Stores the bytes of items, durably once this returns.
///
/// # Errors
/// [`ModelError::Unavailable`].
pub(crate) async fn store(
    archive: &Archive,
    bodies: impl IntoIterator<Item = (MessageId, Bytes)>,
) -> Result<(), ModelError> {
    let puts = stream::iter(bodies.into_iter().map(Ok::<_, ArchiveError>));
    let put = async |(id, bytes)| archive.put_body(id, bytes).await;
    Ok(puts.try_for_each_concurrent(AT_ONCE, put).await?)
}

impl From<ArchiveError> for ModelError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Missing { .. } => Self::Damaged("a body is not in the archive"),
            ArchiveError::Damaged { .. } => Self::Damaged("a body in the archive is damaged"),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_schedule::{AssignmentId, Timestamp};

    fn entry(message: Option<&'static [u8]>) -> Entry {
        Entry {
            nonce: 1,
            timestamp: Timestamp(2),
            assignment_id: AssignmentId::new([3; 32]),
            message_id: MessageId::new([4; 32]),
            assignment: Bytes::from_static(b"assignment"),
            message: message.map(Bytes::from_static),
        }
    }

    #[tokio::test]
    async fn an_entry_is_whole_or_none() {
        for (message, length) in [(None, None), (Some(&b"abc"[..]), Some(3)), (Some(b""), Some(0))]
        {
            let stored = Stored::new(entry(message), length).unwrap();
            assert_eq!(stored.has_message(), message.is_some());
            assert_eq!(stored.complete(None).await.unwrap(), entry(message));
        }
        for (message, length) in
            [(Some(&b"abc"[..]), Some(4)), (Some(b"abc"), None), (None, Some(-1))]
        {
            assert!(matches!(Stored::new(entry(message), length), Err(ModelError::Damaged(_))));
        }
        let lacking = Stored::new(entry(None), Some(5)).unwrap();
        assert!(lacking.has_message());
        assert!(matches!(lacking.complete(None).await, Err(ModelError::Damaged(_))));
    }
}
