//! What can be said of one entry by itself: its parts are items, signed by their owners, with the ids
//! that were shown. CPU-bound and independent of other entries, so it runs on all cores.

use rota_ans104::{Address, Item, ItemId, ParseError, VerifyError};
use rota_schedule::{Assignment, Entry, Subject, Violation};
use rota_wire::{ForeignNode, ForeignNodeError};
use std::fmt;
use std::num::NonZero;
use std::thread;

/// Which half of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Assignment,
    Message,
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assignment => "assignment",
            Self::Message => "message",
        })
    }
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum Defect {
    /// Its place, its link, its time, or parts that do not belong together.
    #[error(transparent)]
    Schedule(#[from] Violation),
    /// It was shown as something that cannot be an item.
    #[error("the {half} cannot be an item")]
    Shown { half: Half, source: ForeignNodeError },
    /// Its bytes are no item.
    #[error("the bytes of the {half} are not an item")]
    Parse { half: Half, source: ParseError },
    /// Its owner did not sign it.
    #[error("the signature of the {half} {id} does not verify")]
    Signature { half: Half, id: ItemId, source: VerifyError },
    /// The bytes are another item's.
    #[error("the bytes of the {half} {shown} are those of item {actual}")]
    OtherBytes { half: Half, shown: ItemId, actual: ItemId },
    /// The JSON shows something else than what was signed.
    #[error("the {half} {id} is shown with another {field} than the one that was signed")]
    ShownOtherwise { half: Half, id: ItemId, field: &'static str },
    /// Another key than that of the first entry signed the assignment.
    #[error("assignment {id} is signed by {signer}, the first entry of the schedule by {first}")]
    OtherSigner { id: ItemId, signer: Address, first: Address },
    /// Whoever continues from this cursor goes astray.
    #[error("its cursor is {shown:?}, its nonce is {nonce}")]
    Cursor { shown: String, nonce: u64 },
    /// The ledger files it under something else than what was signed.
    #[error("the ledger files it with another {0} than the one that was signed")]
    Filed(&'static str),
}

/// A half of an entry that is an item with the id that was shown.
#[derive(Debug)]
pub(super) enum Part {
    /// The signature verifies.
    Proven(Item),
    /// The signature does not verify over what the JSON shows.
    Unproven {
        /// As far as the JSON tells.
        shown: Item,
        /// JSON may have lost something of it: bytes that are not text.
        lossy: bool,
    },
}

impl Part {
    /// The item, as far as it is known.
    pub(super) const fn item(&self) -> &Item {
        match self {
            Self::Proven(item) | Self::Unproven { shown: item, .. } => item,
        }
    }
}

/// An entry whose signatures were looked at.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) assignment: Part,
    /// `None` if the item lies elsewhere.
    pub(super) message: Option<Part>,
}

/// Checks what is stored.
pub(super) fn entry(entry: &Entry) -> Result<Checked, Defect> {
    let stored = |half, bytes: &bytes::Bytes| {
        let item = Item::parse(bytes.clone()).map_err(|source| Defect::Parse { half, source })?;
        verified(half, item).map(Part::Proven)
    };
    let assignment = stored(Half::Assignment, &entry.assignment)?;
    let message = entry.message.as_ref().map(|bytes| stored(Half::Message, bytes)).transpose()?;
    match misfiled(entry, assignment.item()) {
        Some(field) => Err(Defect::Filed(field)),
        None => Ok(Checked { assignment, message }),
    }
}

/// What the record has otherwise than the assignment. One that cannot be read is not judged here: it
/// cannot be followed either.
fn misfiled(entry: &Entry, item: &Item) -> Option<&'static str> {
    let assignment = Assignment::read(item).ok()?;
    let subject = match assignment.subject {
        Subject::Process => assignment.slot.process.into(),
        Subject::Message(id) => id,
    };
    let fields = [
        ("assignment id", item.id() == entry.assignment_id.into()),
        ("message id", subject == entry.message_id),
        ("timestamp", assignment.slot.timestamp == entry.timestamp),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

/// Checks what was served.
pub(super) fn node(node: &ForeignNode) -> Result<Checked, Defect> {
    let shown = |half| move |source| Defect::Shown { half, source };
    let assignment = node.assignment().map_err(shown(Half::Assignment))?;
    let message = node.message().map_err(shown(Half::Message))?;
    Ok(Checked {
        assignment: part(Half::Assignment, assignment)?,
        message: message.map(|ways| part(Half::Message, ways)).transpose()?,
    })
}

/// An item that verifies.
pub(super) fn verified(half: Half, item: Item) -> Result<Item, Defect> {
    let id = item.id();
    let verified = item.verify().map_err(|source| Defect::Signature { half, id, source })?;
    Ok(verified.into_item())
}

/// The way it was signed, among those in which it may have been.
fn part(half: Half, ways: Vec<Item>) -> Result<Part, Defect> {
    let mut unproven = None;
    for item in ways {
        if let Ok(verified) = item.clone().verify() {
            return Ok(Part::Proven(verified.into_item()));
        }
        let lossy = is_lossy(&item);
        unproven.get_or_insert(Part::Unproven { shown: item, lossy });
    }
    // A node is rebuilt in one way at least.
    unproven.ok_or(Defect::Shown { half, source: ForeignNodeError::Owner(0) })
}

/// Whether JSON may not tell all of it: an anchor that is no text shows as none, and bytes of the data
/// that are no text show as U+FFFD.
fn is_lossy(item: &Item) -> bool {
    let replaced = char::REPLACEMENT_CHARACTER;
    item.anchor().is_none()
        || std::str::from_utf8(item.data()).is_ok_and(|text| text.contains(replaced))
}

/// Does the same to everything on every core; the results are in the order of `things`.
pub(super) fn on_all_cores<T: Sync, R: Send>(things: &[T], work: fn(&T) -> R) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = things.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let run = |part: &'_ [T]| part.iter().map(work).collect::<Vec<_>>();
        let threads: Vec<_> =
            things.chunks(share).map(|part| scope.spawn(move || run(part))).collect();
        let results = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        results.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_all_cores_keeps_its_order() {
        for length in [0_u64, 1, 2, 3, 1_000] {
            let numbers: Vec<u64> = (0..length).collect();
            let doubled: Vec<u64> = numbers.iter().map(|number| number * 2).collect();
            assert_eq!(on_all_cores(&numbers, |number| number * 2), doubled);
        }
    }
}
