//! The records: what the values of the column families look like.
//!
//! Every record starts with the version of its own layout, then fields of a fixed width, numbers
//! big-endian; only the last field may be of any length. Readers are bounded and name the field that is
//! missing. A record of an unknown version is an error, never a guess. The golden files in
//! `tests/golden` pin every byte: a layout never changes, a new one gets the next version.

use crate::LedgerError;
use rota_schedule::{
    AssignmentId, ContentKey, Entry, HashChain, Head, MessageId, ProcessId, Timestamp,
};

/// The version that every record is written in.
pub(crate) const RECORD_VERSION: u8 = 1;
/// Bytes of a head within a record.
const HEAD_LEN: usize = 8 + 32 + 32 + 8 + 8;

/// An assignment as `entries` holds it; its message lies in the row behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AssignmentRecord<'a> {
    /// When it was placed.
    pub(crate) timestamp: Timestamp,
    /// Its id.
    pub(crate) assignment_id: AssignmentId,
    /// The id of the item that it places.
    pub(crate) message_id: MessageId,
    /// Whether the item's bytes are in the ledger.
    pub(crate) has_message: bool,
    /// The assignment, byte for byte as signed.
    pub(crate) assignment: &'a [u8],
}

impl<'a> AssignmentRecord<'a> {
    /// What is stored of `entry`, but for the message.
    pub(crate) fn of(entry: &'a Entry) -> Self {
        Self {
            timestamp: entry.timestamp,
            assignment_id: entry.assignment_id,
            message_id: entry.message_id,
            has_message: entry.message.is_some(),
            assignment: &entry.assignment,
        }
    }

    /// Appends the record to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(RECORD_VERSION);
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(self.assignment_id.as_bytes());
        out.extend_from_slice(self.message_id.as_bytes());
        out.push(u8::from(self.has_message));
        out.extend_from_slice(self.assignment);
    }

    /// Reads it back.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::versioned("assignment", bytes)?;
        Ok(Self {
            timestamp: Timestamp(reader.number("timestamp")?),
            assignment_id: AssignmentId::new(reader.array("assignment id")?),
            message_id: MessageId::new(reader.array("message id")?),
            has_message: reader.flag("has message")?,
            assignment: reader.rest(),
        })
    }
}

/// Writes the head of a process.
pub(crate) fn write_head(head: &Head) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + HEAD_LEN);
    out.push(RECORD_VERSION);
    append_head(head, &mut out);
    out
}

fn append_head(head: &Head, out: &mut Vec<u8>) {
    out.extend_from_slice(&head.nonce.to_be_bytes());
    out.extend_from_slice(head.assignment.as_bytes());
    out.extend_from_slice(&head.hash_chain.0);
    out.extend_from_slice(&head.timestamp.0.to_be_bytes());
    out.extend_from_slice(&head.block_height.to_be_bytes());
}

/// Reads the head of a process.
pub(crate) fn read_head(bytes: &[u8]) -> Result<Head, LedgerError> {
    let mut reader = Reader::versioned("head", bytes)?;
    let head = reader.head()?;
    reader.end(head)
}

/// Writes where an assignment placed something.
pub(crate) fn write_place(process: &ProcessId, nonce: u64) -> Vec<u8> {
    [&[RECORD_VERSION], process.as_bytes().as_slice(), &nonce.to_be_bytes()].concat()
}

/// Reads where an assignment placed something.
pub(crate) fn read_place(bytes: &[u8]) -> Result<(ProcessId, u64), LedgerError> {
    let mut reader = Reader::versioned("place", bytes)?;
    let place = (ProcessId::new(reader.array("process id")?), reader.number("nonce")?);
    reader.end(place)
}

/// Writes a record that is one number: a nonce, a block height.
pub(crate) fn write_number(number: u64) -> [u8; 9] {
    let mut out = [RECORD_VERSION; 9];
    if let Some(tail) = out.last_chunk_mut() {
        *tail = number.to_be_bytes();
    }
    out
}

/// Reads a record that is one number; `record` names it in the error.
pub(crate) fn read_number(record: &'static str, bytes: &[u8]) -> Result<u64, LedgerError> {
    let mut reader = Reader::versioned(record, bytes)?;
    let number = reader.number("number")?;
    reader.end(number)
}

/// Writes the ledger's own id.
pub(crate) fn write_id(id: [u8; 16]) -> Vec<u8> {
    [&[RECORD_VERSION], id.as_slice()].concat()
}

/// Reads the ledger's own id.
pub(crate) fn read_id(bytes: &[u8]) -> Result<[u8; 16], LedgerError> {
    let mut reader = Reader::versioned("ledger id", bytes)?;
    let id = reader.array("id")?;
    reader.end(id)
}

/// Writes an address.
pub(crate) fn write_address(address: &[u8; 32]) -> Vec<u8> {
    [&[RECORD_VERSION], address.as_slice()].concat()
}

/// Reads an address.
pub(crate) fn read_address(bytes: &[u8]) -> Result<[u8; 32], LedgerError> {
    let mut reader = Reader::versioned("scheduler address", bytes)?;
    let address = reader.array("address")?;
    reader.end(address)
}

/// What is known of an entry that the database has not committed yet, besides the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvisionalRecord {
    /// When its item was taken in: the age of the outbox rows it will get.
    pub(crate) queued_at: Timestamp,
    /// Whether the item's bytes are in the ledger.
    pub(crate) has_message: bool,
    /// The head that the process has without it.
    pub(crate) before: Option<Head>,
    /// By what its message is deduplicated.
    pub(crate) content: Option<ContentKey>,
}

impl ProvisionalRecord {
    /// Writes it. Each option is a flag, and its value if the flag is set.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 8 + 1 + 1 + HEAD_LEN + 1 + 48);
        out.push(RECORD_VERSION);
        out.extend_from_slice(&self.queued_at.0.to_be_bytes());
        out.push(u8::from(self.has_message));
        out.push(u8::from(self.before.is_some()));
        if let Some(head) = &self.before {
            append_head(head, &mut out);
        }
        out.push(u8::from(self.content.is_some()));
        if let Some(content) = &self.content {
            out.extend_from_slice(&content.0);
        }
        out
    }

    /// Reads it back.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::versioned("provisional", bytes)?;
        let record = Self {
            queued_at: Timestamp(reader.number("queued at")?),
            has_message: reader.flag("has message")?,
            before: if reader.flag("has head")? { Some(reader.head()?) } else { None },
            content: if reader.flag("has content")? {
                Some(ContentKey(reader.array("content")?))
            } else {
                None
            },
        };
        reader.end(record)
    }
}

/// Which part of an entry is to be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The item that was posted.
    Message = 0,
    /// The assignment that was signed.
    Assignment = 1,
}

/// A row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxRecord {
    /// The process of the entry.
    pub(crate) process: ProcessId,
    /// The nonce of the entry.
    pub(crate) nonce: u64,
    /// Which part of it.
    pub(crate) part: Part,
    /// When its item was taken in.
    pub(crate) queued_at: Timestamp,
}

impl OutboxRecord {
    /// Writes it.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 32 + 8 + 1 + 8);
        out.push(RECORD_VERSION);
        out.extend_from_slice(self.process.as_bytes());
        out.extend_from_slice(&self.nonce.to_be_bytes());
        out.push(self.part as u8);
        out.extend_from_slice(&self.queued_at.0.to_be_bytes());
        out
    }

    /// Reads it back.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::versioned("outbox", bytes)?;
        let record = Self {
            process: ProcessId::new(reader.array("process id")?),
            nonce: reader.number("nonce")?,
            part: if reader.flag("part")? { Part::Assignment } else { Part::Message },
            queued_at: Timestamp(reader.number("queued at")?),
        };
        reader.end(record)
    }
}

/// The counters of the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutboxCounters {
    /// The sequence number that the next row gets.
    pub(crate) next: u64,
    /// The lowest sequence number that may be undelivered; `next` if there is none.
    pub(crate) low: u64,
    /// How many rows there are.
    pub(crate) depth: u64,
}

impl OutboxCounters {
    /// Writes them.
    pub(crate) fn write(&self) -> Vec<u8> {
        let numbers = [self.next, self.low, self.depth].map(u64::to_be_bytes);
        [&[RECORD_VERSION], numbers.as_flattened()].concat()
    }

    /// Reads them back.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, LedgerError> {
        let mut reader = Reader::versioned("outbox counters", bytes)?;
        let counters = Self {
            next: reader.number("next")?,
            low: reader.number("low")?,
            depth: reader.number("depth")?,
        };
        reader.end(counters)
    }
}

/// Takes fields off a record from its front.
struct Reader<'a> {
    record: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes the version off and checks it.
    fn versioned(record: &'static str, bytes: &'a [u8]) -> Result<Self, LedgerError> {
        let mut reader = Self { record, rest: bytes };
        let [version] = reader.array("version")?;
        match version {
            RECORD_VERSION => Ok(reader),
            0 => Err(LedgerError::damaged(format!("a record `{record}` has version 0"))),
            found => Err(LedgerError::TooNew { found, supported: RECORD_VERSION }),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], LedgerError> {
        let (head, rest) =
            self.rest.split_first_chunk().ok_or_else(|| self.wrong(field, "is cut off"))?;
        self.rest = rest;
        Ok(*head)
    }

    fn number(&mut self, field: &'static str) -> Result<u64, LedgerError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn flag(&mut self, field: &'static str) -> Result<bool, LedgerError> {
        match self.array(field)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(self.wrong(field, "is neither 0 nor 1")),
        }
    }

    fn head(&mut self) -> Result<Head, LedgerError> {
        Ok(Head {
            nonce: self.number("nonce")?,
            assignment: AssignmentId::new(self.array("assignment id")?),
            hash_chain: HashChain(self.array("hash chain")?),
            timestamp: Timestamp(self.number("timestamp")?),
            block_height: self.number("block height")?,
        })
    }

    /// All that is left.
    const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Gives `value` if nothing is left.
    fn end<T>(&self, value: T) -> Result<T, LedgerError> {
        if self.rest.is_empty() {
            Ok(value)
        } else {
            Err(self.wrong("end", "is not where it must be"))
        }
    }

    fn wrong(&self, field: &str, how: &str) -> LedgerError {
        LedgerError::damaged(format!("field `{field}` of a record `{}` {how}", self.record))
    }
}
