//! Schedules that are signed as they should be, but for what a test wants wrong.

use crate::stub::{Reply, Stub};
use bytes::Bytes;
use rota_ans104::{Item, Signer, UnsignedItem, Wallet, WalletKind};
use rota_schedule::{
    Assignment, Cursor, Entry, Exclude, Head, Page, ProcessId, Slot, Subject, Timestamp, next_slot,
};
use serde_json::Value;

/// A process and its entries, with the head after each.
pub(crate) struct Schedule {
    pub(crate) process: ProcessId,
    pub(crate) entries: Vec<Entry>,
    pub(crate) heads: Vec<Head>,
    user: Wallet,
}

impl Schedule {
    /// A process with `messages` messages.
    pub(crate) fn new(messages: usize) -> Self {
        let scheduler = wallet();
        Self::placed(messages, |_| {}, |_| &scheduler)
    }

    /// As [`Self::new`]; `place` may change a slot before it is signed, by the key that `signer` says.
    pub(crate) fn placed<'a>(
        messages: usize,
        place: impl Fn(&mut Slot),
        signer: impl Fn(u64) -> &'a Wallet,
    ) -> Self {
        let user = wallet();
        let process = item(&user, None, "Process", b"");
        let mut schedule =
            Self { process: process.id().into(), entries: Vec::new(), heads: Vec::new(), user };
        schedule.append(&process, &place, signer(0));
        for index in 1..=messages {
            let message = schedule.message(format!("message {index}").as_bytes());
            schedule.append(&message, &place, signer(index as u64));
        }
        schedule
    }

    /// A message for the process, by its user.
    pub(crate) fn message(&self, data: &[u8]) -> Item {
        item(&self.user, Some(*self.process.as_bytes()), "Message", data)
    }

    /// Appends an entry as a scheduler does.
    pub(crate) fn append(&mut self, message: &Item, place: impl Fn(&mut Slot), signer: &Wallet) {
        let head = self.heads.last();
        let now = Timestamp(1_700_000_000_000);
        let mut slot = next_slot(self.process, head, now, Timestamp(0), 1_500_000).unwrap();
        place(&mut slot);
        let subject = match head {
            None => Subject::Process,
            Some(_) => Subject::Message(message.id().into()),
        };
        let anchor = [u8::try_from(slot.nonce % 251).unwrap(); 24];
        let draft = Assignment::draft(&slot, subject, &Exclude::default(), anchor);
        let assignment = draft.sign(signer).unwrap();
        self.heads.push(slot.head(assignment.id().into()));
        self.entries.push(Entry {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment_id: assignment.id().into(),
            message_id: message.id().into(),
            assignment: assignment.bytes().clone(),
            message: Some(message.bytes().clone()),
        });
    }

    /// The page with all entries, as JSON.
    pub(crate) fn json(&self) -> Value {
        page(&self.entries, false)
    }

    /// The bytes of one of its items, by the id's text.
    pub(crate) fn raw(&self, id: &str) -> Option<Bytes> {
        let halves = self.entries.iter().flat_map(|entry| {
            let message = entry.message.clone();
            [Some(entry.assignment.clone()), message].into_iter().flatten()
        });
        halves.into_iter().find(|bytes| Item::parse(bytes.clone()).unwrap().id().to_string() == id)
    }
}

/// These entries as a page.
pub(crate) fn page(entries: &[Entry], has_next: bool) -> Value {
    let page = Page { entries: entries.to_vec(), has_next, head: 0, closed: false, rest: None };
    serde_json::from_slice(&rota_wire::page(&page, Cursor::Nonce, true).unwrap()).unwrap()
}

/// A server that has one page for whatever is asked, and no `/raw` and no `/latest`.
pub(crate) fn stub_of(page: &Value) -> Stub {
    let body = page.to_string();
    Stub::serving(move |uri| match uri.path().matches('/').count() {
        1 => Reply::json(200, body.clone()),
        _ => Reply::not_found(),
    })
}

/// A key of its own.
pub(crate) fn wallet() -> Wallet {
    Wallet::generate(WalletKind::Ed25519).unwrap()
}

fn item(signer: &dyn Signer, target: Option<[u8; 32]>, kind: &str, data: &[u8]) -> Item {
    let tags = [("Data-Protocol", "ao"), ("Type", kind), ("Unicode", "ü\n\"☃")];
    let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let anchor = Some(*b"anchor-of-thirty-two-characters!");
    UnsignedItem { target, anchor, tags, data: data.to_vec().into() }.sign(signer).unwrap()
}
