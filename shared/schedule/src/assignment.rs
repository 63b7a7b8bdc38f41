//! The assignment: the item that a scheduler signs to place a message (contract §2).
//!
//! [`Assignment::draft`] writes one, [`Assignment::read`] reads one back; both know the same tags.

use crate::{HashChain, MessageId, ProcessId, Slot, Timestamp};
use rota_ans104::{Item, UnsignedItem, b64};

/// The most fields that an assignment excludes.
pub const EXCLUDES_MAX: usize = 16;
/// The longest name of an excluded field, in bytes.
pub const EXCLUDE_BYTES_MAX: usize = 128;
/// Digits of the block height in its tag.
const BLOCK_HEIGHT_DIGITS: usize = 12;

/// Why something is no assignment, or cannot be made into one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// A tag of every assignment is absent.
    #[error("the assignment has no tag {0}")]
    Missing(&'static str),
    /// A tag's value is not what it must be.
    #[error("tag {name} of the assignment is malformed: {value:?}")]
    Malformed {
        /// The tag.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A name to exclude is empty or too long.
    #[error("exclude names are 1 to {EXCLUDE_BYTES_MAX} bytes long")]
    ExcludeLength,
    /// Too many names to exclude.
    #[error("at most {EXCLUDES_MAX} names can be excluded")]
    ExcludeCount,
}

/// What an assignment places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The process itself: its own assignment, at nonce 0, has no `Message` tag.
    Process,
    /// A message.
    Message(MessageId),
}

/// The fields of a message that an evaluating unit is to leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclude(Vec<String>);

impl Exclude {
    /// Reads a comma-separated list, as the query parameter `exclude` has it.
    ///
    /// # Errors
    /// [`AssignmentError::ExcludeLength`] and [`AssignmentError::ExcludeCount`].
    pub fn from_list(list: &str) -> Result<Self, AssignmentError> {
        let mut names = Vec::new();
        for name in list.split(',').filter(|_| !list.is_empty()) {
            if name.is_empty() || name.len() > EXCLUDE_BYTES_MAX {
                return Err(AssignmentError::ExcludeLength);
            }
            if names.len() == EXCLUDES_MAX {
                return Err(AssignmentError::ExcludeCount);
            }
            names.push(name.to_owned());
        }
        Ok(Self(names))
    }

    /// The values of the `Exclude` tags. A lone name comes twice: today's Compute Unit makes a list of
    /// two equal tags, but takes the characters of a single one for names, and ends itself (contract §2).
    fn tag_values(&self) -> impl Iterator<Item = &str> {
        let again = self.names().take(if self.0.len() == 1 { 1 } else { 0 });
        self.names().chain(again)
    }

    /// The names, in the order given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// An assignment, read back from its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Where it places its subject.
    pub slot: Slot,
    /// What it places.
    pub subject: Subject,
}

impl Assignment {
    /// Writes the assignment that fills `slot`, to be signed. `anchor` is 24 random bytes: as
    /// base64url they are the 32 ASCII characters that survive JSON.
    #[must_use]
    pub fn draft(
        slot: &Slot,
        subject: Subject,
        exclude: &Exclude,
        anchor: [u8; 24],
    ) -> UnsignedItem {
        let mut tags = vec![
            tag("Process", slot.process),
            tag("Epoch", 0),
            tag("Nonce", slot.nonce),
            tag("Hash-Chain", slot.hash_chain),
            tag("Block-Height", format_args!("{:0BLOCK_HEIGHT_DIGITS$}", slot.block_height)),
            tag("Timestamp", slot.timestamp),
            tag("Data-Protocol", "ao"),
            tag("Type", "Assignment"),
            tag("Variant", "ao.TN.1"),
        ];
        if let Subject::Message(id) = subject {
            tags.push(tag("Message", id));
        }
        tags.extend(exclude.tag_values().map(|name| tag("Exclude", name)));
        UnsignedItem { anchor: Some(anchor_text(anchor)), tags, ..UnsignedItem::default() }
    }

    /// Reads the tags of an assignment, this scheduler's or another's.
    ///
    /// # Errors
    /// A tag that is absent or malformed.
    pub fn read(item: &Item) -> Result<Self, AssignmentError> {
        let text = |name: &'static str| item.tag(name).ok_or(AssignmentError::Missing(name));
        let malformed = |name: &'static str, value: &str| AssignmentError::Malformed {
            name,
            value: value.to_owned(),
        };
        let number = |name: &'static str| {
            let value = text(name)?;
            value.parse::<u64>().map_err(|_| malformed(name, value))
        };
        if text("Type")? != "Assignment" {
            return Err(malformed("Type", text("Type")?));
        }
        let process: ProcessId = text("Process")?
            .parse()
            .map_err(|_| malformed("Process", text("Process").unwrap_or("")))?;
        let chain = text("Hash-Chain")?;
        let subject = match item.tag("Message") {
            None => Subject::Process,
            Some(id) => Subject::Message(id.parse().map_err(|_| malformed("Message", id))?),
        };
        let slot = Slot {
            process,
            nonce: number("Nonce")?,
            hash_chain: HashChain(
                b64::decode_32(chain).map_err(|_| malformed("Hash-Chain", chain))?,
            ),
            timestamp: Timestamp(number("Timestamp")?),
            block_height: number("Block-Height")?,
        };
        Ok(Self { slot, subject })
    }
}

fn tag(name: &str, value: impl std::fmt::Display) -> (String, String) {
    (name.to_owned(), format!("{value}"))
}

/// 24 bytes as the 32 characters of their base64url form.
fn anchor_text(random: [u8; 24]) -> [u8; 32] {
    let mut text = Vec::with_capacity(32);
    b64::append(&mut text, &random);
    let mut anchor = [b'A'; 32];
    for (to, from) in anchor.iter_mut().zip(text) {
        *to = from;
    }
    anchor
}
