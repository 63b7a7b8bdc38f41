//! The bytes of large items: in the archive where there is one, else in a table of their own.
//!
//! A row whose `message_length` is set has bytes. If they are not in the row, its `body` is the hash under
//! which they lie, in the table `bodies_by_hash` or in the archive. A row from before has no `body`: its bytes
//! lie under the message's id, in the table `bodies` or in the archive. An [`Entry`] is made only once its bytes
//! are there, so none is ever shown without what it has (RD-1).

use crate::ModelError;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rota_archive::{Archive, ArchiveError, Body, BodyHash};
use rota_schedule::{Entry, MessageId};

/// Bodies that are stored or fetched at once.
const AT_ONCE: usize = 8;

/// The bytes of an item as a row has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// The database has given them.
    Here(Bytes),
    /// They lie in the archive.
    Archived {
        /// Under which key.
        key: Key,
        /// How many they are.
        length: usize,
    },
}

/// Under which bytes lie apart from their row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// Their hash.
    Hash(BodyHash),
    /// The message's id: from before they lay under their hash.
    Id(MessageId),
}

impl Key {
    /// Of a row with this `body`.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if that is no hash.
    pub(crate) fn of(body: Option<&[u8]>, id: MessageId) -> Result<Self, ModelError> {
        let hash = body.map(BodyHash::try_from).transpose();
        let hash = hash.map_err(|_| ModelError::Damaged("a hash is not 32 bytes long"))?;
        Ok(hash.map_or(Self::Id(id), Self::Hash))
    }
}

impl Located {
    /// Of a row that says that its item is `length` bytes long. `found` are the bytes that the database has
    /// given, if it holds them.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if they are not as many, or not those that the row means.
    pub(crate) fn new(key: Key, length: i32, found: Option<Bytes>) -> Result<Self, ModelError> {
        let length = usize::try_from(length);
        let length = length.map_err(|_| ModelError::Damaged("a length is negative"))?;
        let Some(bytes) = found else { return Ok(Self::Archived { key, length }) };
        if bytes.len() != length {
            return Err(ModelError::Damaged("a message is not as long as its entry says"));
        }
        match key {
            Key::Hash(hash) if BodyHash::of(&bytes) != hash => {
                Err(ModelError::Damaged("a body is another than its entry says"))
            }
            Key::Hash(_) | Key::Id(_) => Ok(Self::Here(bytes)),
        }
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if nobody has them; [`ModelError::Unavailable`] if the archive does not answer.
    pub(crate) async fn fetch(self, archive: Option<&Archive>) -> Result<Bytes, ModelError> {
        let (key, length) = match self {
            Self::Here(bytes) => return Ok(bytes),
            Self::Archived { key, length } => (key, length),
        };
        let archive = archive.ok_or(ModelError::Damaged(
            "a body is not in the database, and no archive is configured (ARCHIVE_BUCKET)",
        ))?;
        // Boxed: it is rare, and every reading future would be as large as the SDK's.
        let body = async {
            match key {
                Key::Hash(hash) => archive.body(hash, length).await,
                Key::Id(id) => archive.body_by_id(id, length).await,
            }
        };
        Ok(Box::pin(body).await?)
    }
}

/// An entry as a row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The entry, without its message.
    entry: Entry,
    /// Its message, if it has one.
    message: Option<Located>,
}

impl Stored {
    /// An entry with the bytes that the database has given, and what its row says of them: how many there
    /// must be, and the hash under which they lie apart from the row.
    ///
    /// # Errors
    /// As [`Located::new`].
    pub(crate) fn new(
        mut entry: Entry,
        length: Option<i32>,
        body: Option<&[u8]>,
    ) -> Result<Self, ModelError> {
        let message = match (length, entry.message.take()) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(ModelError::Damaged("a message is not as long as its entry says"));
            }
            (Some(length), found) => {
                Some(Located::new(Key::of(body, entry.message_id)?, length, found)?)
            }
        };
        Ok(Self { entry, message })
    }

    /// When it was placed.
    pub(crate) const fn timestamp(&self) -> u64 {
        self.entry.timestamp.0
    }

    /// Whether its item has bytes, wherever they lie.
    pub(crate) const fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// The entry with everything it has.
    ///
    /// # Errors
    /// As [`Located::fetch`].
    pub(crate) async fn complete(self, archive: Option<&Archive>) -> Result<Entry, ModelError> {
        let Self { mut entry, message } = self;
        if let Some(message) = message {
            entry.message = Some(message.fetch(archive).await?);
        }
        Ok(entry)
    }
}

/// Entries with everything they have, in their order.
///
/// # Errors
/// As [`Located::fetch`].
pub(crate) async fn complete(
    stored: Vec<Stored>,
    archive: Option<&Archive>,
) -> Result<Vec<Entry>, ModelError> {
    let entries = stream::iter(stored).map(|stored| stored.complete(archive));
    entries.buffered(AT_ONCE).try_collect().await
}

/// Stores bodies, durably once this returns.
///
/// # Errors
/// [`ModelError::Unavailable`].
pub(crate) async fn store(archive: &Archive, bodies: Vec<Body>) -> Result<(), ModelError> {
    let puts = stream::iter(bodies.into_iter().map(Ok::<_, ArchiveError>));
    let put = async |body: Body| archive.put_body(&body).await;
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
            let stored = Stored::new(entry(message), length, None).unwrap();
            assert_eq!(stored.has_message(), message.is_some());
            assert_eq!(stored.complete(None).await.unwrap(), entry(message));
        }
        for (message, length) in
            [(Some(&b"abc"[..]), Some(4)), (Some(b"abc"), None), (None, Some(-1))]
        {
            let stored = Stored::new(entry(message), length, None);
            assert!(matches!(stored, Err(ModelError::Damaged(_))));
        }
        let lacking = Stored::new(entry(None), Some(5), None).unwrap();
        assert!(lacking.has_message());
        assert!(matches!(lacking.complete(None).await, Err(ModelError::Damaged(_))));
    }

    #[tokio::test]
    async fn body_with_another_hash_is_damage() {
        let (right, wrong) = (BodyHash::of(b"abc"), BodyHash::of(b"abd"));
        let stored = Stored::new(entry(Some(b"abc")), Some(3), Some(right.as_ref())).unwrap();
        assert_eq!(stored.complete(None).await.unwrap(), entry(Some(b"abc")));
        for body in [wrong.as_ref(), &[1; 31]] {
            let stored = Stored::new(entry(Some(b"abc")), Some(3), Some(body));
            assert!(matches!(stored, Err(ModelError::Damaged(_))));
        }
    }
}
