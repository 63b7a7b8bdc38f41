//! The JSON of the contract (§3), written straight into one buffer.
//!
//! A page of a hundred is 400 KB of which most is base64 of keys and signatures. It is written
//! without an intermediate tree, and an owner that repeats (the scheduler's own, in every assignment)
//! is hashed and encoded once. Tags and data are read as bytes, not as text that would be checked again.

use crate::escape;
use rota_ans104::{Address, Item, ParseError, b64};
use rota_schedule::{Cursor, Entry, Page, ReadError, Receipt, SchedulerInfo, Timestamp};
use std::io::Write as _;

/// Bytes of JSON that an entry takes besides the base64 of what it holds.
const ENTRY_OVERHEAD_BYTES: usize = 1_024;

/// A page of a schedule that is all in memory.
///
/// # Errors
/// [`ReadError::Damaged`] if a stored item does not parse.
pub fn page(page: &Page, cursor: Cursor, show_anchor: bool) -> Result<Vec<u8>, ReadError> {
    let mut out = PageWriter {
        out: NodeWriter::for_entries(&page.entries, show_anchor),
        cursor,
        is_first: true,
    };
    out.head(page.has_next);
    for entry in &page.entries {
        out.edge(entry)?;
    }
    Ok(out.finish())
}

/// Writes a page piece by piece, for pages that are never in memory as a whole. The pieces together are
/// what [`page`] writes.
pub struct PageWriter {
    out: NodeWriter,
    cursor: Cursor,
    is_first: bool,
}

impl PageWriter {
    /// Begins a page.
    #[must_use]
    pub fn new(has_next: bool, cursor: Cursor, show_anchor: bool) -> Self {
        let out = NodeWriter::for_entries(&[], show_anchor);
        let mut writer = Self { out, cursor, is_first: true };
        writer.head(has_next);
        writer
    }

    fn head(&mut self, has_next: bool) {
        self.out.raw(b"{\"page_info\":{\"has_next_page\":");
        self.out.raw(if has_next { b"true" } else { b"false" });
        self.out.raw(b"},\"edges\":[");
    }

    /// Writes the next entry.
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if a stored item does not parse.
    pub fn edge(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let out = &mut self.out;
        out.raw(if self.is_first { b"{\"node\":" } else { b",{\"node\":" });
        self.is_first = false;
        out.node(entry)?;
        let place = match self.cursor {
            Cursor::Timestamp => entry.timestamp.0,
            Cursor::Nonce => entry.nonce,
        };
        out.number(b",\"cursor\":\"", place);
        out.raw(b"\"}");
        Ok(())
    }

    /// How many bytes are written and not taken yet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.out.bytes.len()
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.out.bytes.is_empty()
    }

    /// Takes back all but the first bytes of what was not taken: the last entry does not fit.
    pub fn truncate(&mut self, len: usize) {
        self.out.bytes.truncate(len);
    }

    /// Takes what is written so far.
    pub fn take(&mut self) -> Vec<u8> {
        let room = Vec::with_capacity(self.out.bytes.len());
        std::mem::replace(&mut self.out.bytes, room)
    }

    /// Ends the page, and gives what was not taken.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.raw(b"]}");
        self.out.bytes
    }
}

/// One entry: message and assignment.
///
/// # Errors
/// [`ReadError::Damaged`] if a stored item does not parse.
pub fn node(entry: &Entry, show_anchor: bool) -> Result<Vec<u8>, ReadError> {
    let mut out = NodeWriter::for_entries(std::slice::from_ref(entry), show_anchor);
    out.node(entry)?;
    Ok(out.bytes)
}

/// The flat answer of `GET /processes/{id}`, from the entry of the process's own assignment.
///
/// # Errors
/// [`ReadError::Damaged`] if a stored item does not parse or is not there.
pub fn process(entry: &Entry) -> Result<Vec<u8>, ReadError> {
    let assignment = Item::parse(entry.assignment.clone()).map_err(damaged)?;
    let bytes = entry
        .message
        .clone()
        .ok_or_else(|| ReadError::Damaged("the process has no item".into()))?;
    let item = Item::parse(bytes).map_err(damaged)?;
    let mut out = NodeWriter::for_entries(std::slice::from_ref(entry), false);
    out.id(b"{\"process_id\":\"", entry.message_id.as_bytes());
    out.raw(b"\",\"block\":");
    out.text(assignment.tag("Block-Height").unwrap_or_default().as_bytes());
    out.owner(Part::Message, item.owner());
    out.tags(&item);
    out.number(b",\"timestamp\":", entry.timestamp.0);
    out.raw(b",\"data\":");
    out.text_or_null(std::str::from_utf8(item.data()).ok());
    out.anchor(&item, false);
    out.id(b",\"signature\":\"", item.signature());
    out.raw(b"\"");
    out.target(&item, b"null");
    Ok(out.bytes)
}

/// The answer to a POST.
#[must_use]
pub fn receipt(receipt: &Receipt) -> Vec<u8> {
    format!("{{\"timestamp\":{},\"id\":\"{}\"}}", receipt.timestamp, b64::encode(&receipt.id))
        .into_bytes()
}

/// The answer of `GET /timestamp`: both are strings.
#[must_use]
pub fn timestamp_answer(now: Timestamp, scheduler: &SchedulerInfo) -> Vec<u8> {
    format!("{{\"timestamp\":\"{now}\",\"block_height\":\"{:012}\"}}", scheduler.block_height)
        .into_bytes()
}

/// The answer of `GET /?process-id=`: where the process is scheduled, by whose wallet.
#[must_use]
pub fn address_answer(now: Timestamp, scheduler: &SchedulerInfo) -> Vec<u8> {
    format!("{{\"timestamp\":\"{now}\",\"address\":\"{}\"}}", scheduler.address).into_bytes()
}

fn damaged(error: ParseError) -> ReadError {
    ReadError::Damaged(Box::new(error))
}

#[derive(Clone, Copy)]
enum Part {
    Message,
    Assignment,
}

/// The last owner that was written for a part, and its JSON.
#[derive(Default)]
struct OwnerMemo {
    key: Vec<u8>,
    json: Vec<u8>,
}

struct NodeWriter {
    bytes: Vec<u8>,
    owners: [OwnerMemo; 2],
    show_anchor: bool,
}

impl NodeWriter {
    fn for_entries(entries: &[Entry], show_anchor: bool) -> Self {
        let held: usize =
            entries.iter().map(|entry| entry.len_bytes() * 4 / 3 + ENTRY_OVERHEAD_BYTES).sum();
        Self {
            bytes: Vec::with_capacity(held + ENTRY_OVERHEAD_BYTES),
            owners: Default::default(),
            show_anchor,
        }
    }

    fn node(&mut self, entry: &Entry) -> Result<(), ReadError> {
        let assignment = Item::parse(entry.assignment.clone()).map_err(damaged)?;
        self.raw(b"{\"message\":");
        match &entry.message {
            Some(bytes) => {
                let item = Item::parse(bytes.clone()).map_err(damaged)?;
                self.item(Part::Message, entry.message_id.as_bytes(), &item);
                // The reference shows a process without a target as null, anything else as "".
                let is_process = assignment.tag("Message").is_none();
                self.target(&item, if is_process { b"null" } else { b"\"\"" });
            }
            None => self.raw(b"null"),
        }
        self.raw(b",\"assignment\":");
        self.item(Part::Assignment, entry.assignment_id.as_bytes(), &assignment);
        self.target(&assignment, b"\"\"");
        self.raw(b"}");
        Ok(())
    }

    /// All fields of an item but the target, which ends it.
    fn item(&mut self, part: Part, id: &[u8; 32], item: &Item) {
        self.id(b"{\"id\":\"", id);
        self.raw(b"\"");
        self.owner(part, item.owner());
        if matches!(part, Part::Message) {
            self.raw(b",\"data\":");
            self.text(item.data());
        }
        self.tags(item);
        self.id(b",\"signature\":\"", item.signature());
        self.raw(b"\"");
        self.anchor(item, self.show_anchor && matches!(part, Part::Assignment));
    }

    fn owner(&mut self, part: Part, key: &[u8]) {
        let memo = &mut self.owners[part as usize];
        if memo.json.is_empty() || memo.key != key {
            memo.key.clear();
            memo.key.extend_from_slice(key);
            memo.json.clear();
            memo.json.extend_from_slice(b",\"owner\":{\"address\":\"");
            b64::append(&mut memo.json, Address::of_owner(key).as_bytes());
            memo.json.extend_from_slice(b"\",\"key\":\"");
            b64::append(&mut memo.json, key);
            memo.json.extend_from_slice(b"\"}");
        }
        self.bytes.extend_from_slice(&memo.json);
    }

    fn tags(&mut self, item: &Item) {
        self.raw(b",\"tags\":[");
        for (index, (name, value)) in item.raw_tags().enumerate() {
            self.raw(if index == 0 { b"{\"name\":" } else { b",{\"name\":" });
            self.text(name);
            self.raw(b",\"value\":");
            self.text(value);
            self.raw(b"}");
        }
        self.raw(b"]");
    }

    /// The last field of an item, and its end.
    fn target(&mut self, item: &Item, absent: &[u8]) {
        self.raw(b",\"target\":");
        match item.target() {
            Some(target) => {
                self.id(b"\"", target);
                self.raw(b"\"");
            }
            None => self.raw(absent),
        }
        self.raw(b"}");
    }

    fn anchor(&mut self, item: &Item, show: bool) {
        self.raw(b",\"anchor\":");
        let text = item.anchor().and_then(|anchor| std::str::from_utf8(anchor).ok());
        match item.anchor() {
            Some(anchor) if show && text.is_none() => {
                self.id(b"\"", anchor);
                self.raw(b"\"");
            }
            _ => self.text_or_null(text),
        }
    }

    fn text_or_null(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text.as_bytes()),
            None => self.raw(b"null"),
        }
    }

    fn text(&mut self, text: &[u8]) {
        escape::string(&mut self.bytes, text);
    }

    /// Writes `before` and then the base64url of `bytes`.
    fn id(&mut self, before: &[u8], bytes: &[u8]) {
        self.raw(before);
        b64::append(&mut self.bytes, bytes);
    }

    fn number(&mut self, before: &[u8], number: u64) {
        self.raw(before);
        let Ok(()) = write!(self.bytes, "{number}") else {
            unreachable!("a Vec takes every write")
        };
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}
