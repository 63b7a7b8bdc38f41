//! Which items may enter a schedule (contract §3).
//!
//! [`Candidate::of`] decides all that the item itself can tell; [`Candidate::admit`] the rest from
//! [`Facts`] that the writer has looked up meanwhile. Nothing reaches a lane but an [`Admitted`].

use crate::{AssignmentError, Content, Exclude, MessageId, ProcessId, Subject};
use bytes::Bytes;
use rota_ans104::{Item, ItemId, VerifiedItem};

/// The confirmations that `base-layer` asks for when the process does not say (contract §3).
pub const SETTLEMENT_DEPTH_DEFAULT: u64 = 20;

/// Why an item may not enter a schedule. All are the client's to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A tag that the contract asks for is absent.
    #[error("tag {0} is missing")]
    TagMissing(&'static str),
    /// `Type` is something else.
    #[error("tag Type is {0:?}, it must be Process or Message")]
    TypeUnknown(String),
    /// A tag points elsewhere for its value, which a scheduler cannot follow.
    #[error("tag {0:?} ends in +link, links are not accepted here")]
    Link(String),
    /// A message without a target belongs to no process.
    #[error("the message has no target")]
    NoTarget,
    /// The process was never spawned here.
    #[error("process {0} is not known to this scheduler")]
    ProcessUnknown(ProcessId),
    /// `On-Boot` is neither `Data` nor a transaction id.
    #[error("tag On-Boot is {0:?}, it must be Data or a transaction id of 43 characters")]
    OnBootMalformed(String),
    /// No gateway has the transaction that `On-Boot` names.
    #[error("no gateway has transaction {0}, which tag On-Boot names")]
    OnBootNotFound(ItemId),
    /// Assigning items that lie elsewhere is switched off.
    #[error("assignments of existing items are switched off at this scheduler")]
    AssignOff,
    /// The gateway does not know the item that is to be assigned.
    #[error("the gateway does not know item {0}")]
    ItemUnknown(MessageId),
    /// The item is not settled deep enough on the base layer.
    #[error("transaction {id} has {confirmations} confirmations, the process asks for {needed}")]
    NotSettled {
        /// The item.
        id: MessageId,
        /// Blocks on top of it, 0 if it is pending or unknown.
        confirmations: u64,
        /// Blocks that the process asks for.
        needed: u64,
    },
    /// Another writer was the first to take this process (RTE-1).
    #[error("process {0} belongs to another writer")]
    BoundElsewhere(ProcessId),
    /// A message of this content and signer is in the schedule already (DUP-2).
    #[error("a message of this content and signer is in the schedule already, at nonce {nonce}")]
    Duplicate {
        /// Where it is.
        nonce: u64,
    },
    /// What is to be excluded is malformed.
    #[error(transparent)]
    Exclude(#[from] AssignmentError),
}

/// An item that has passed every check that needs nothing but the item.
#[derive(Debug)]
pub enum Candidate {
    /// It spawns a process.
    Process {
        /// The item.
        item: VerifiedItem,
        /// The transaction that must be found at a gateway first.
        on_boot: Option<ItemId>,
    },
    /// It is a message for a process.
    Message {
        /// The item.
        item: VerifiedItem,
        /// The process it is for.
        process: ProcessId,
        /// By what it is deduplicated, if an MU pushed it.
        content: Option<Content>,
    },
}

/// What [`Candidate::admit`] needs to know besides the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The target of the message is a process of this scheduler.
    pub process_known: bool,
    /// A gateway has the transaction that `On-Boot` names.
    pub on_boot_found: bool,
    /// The process is, or may become, this writer's.
    pub bound_here: bool,
}

/// Something that may be placed in a schedule.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The schedule.
    pub process: ProcessId,
    /// What the assignment says it places.
    pub subject: Subject,
    /// The item's id.
    pub message_id: MessageId,
    /// The item's bytes; `None` if it lies elsewhere.
    pub message: Option<Bytes>,
    /// By what it is deduplicated.
    pub content: Option<Content>,
    /// What the evaluating unit is to leave out.
    pub exclude: Exclude,
}

impl Candidate {
    /// Checks an item by itself. `content_checks` switches deduplication by content.
    ///
    /// # Errors
    /// The first rule of contract §3 that the item breaks.
    pub fn of(verified: VerifiedItem, content_checks: bool) -> Result<Self, Refusal> {
        let item = verified.item();
        either_case(item, "Data-Protocol", "data-protocol")
            .ok_or(Refusal::TagMissing("Data-Protocol"))?;
        if let Some(tag) =
            item.tags().find(|tag| tag.name.ends_with("+link") || tag.value.ends_with("+link"))
        {
            return Err(Refusal::Link(tag.name.to_owned()));
        }
        match either_case(item, "Type", "type") {
            Some("Process") => {
                item.tag("Module").ok_or(Refusal::TagMissing("Module"))?;
                item.tag("Scheduler").ok_or(Refusal::TagMissing("Scheduler"))?;
                let on_boot = on_boot(item)?;
                Ok(Self::Process { item: verified, on_boot })
            }
            Some("Message") => {
                let process = ProcessId::new(*item.target().ok_or(Refusal::NoTarget)?);
                let pushed = content_checks && item.tag("From-Process").is_some();
                let content = pushed.then(|| Content::of_item(item));
                Ok(Self::Message { item: verified, process, content })
            }
            Some(other) => Err(Refusal::TypeUnknown(other.to_owned())),
            None => Err(Refusal::TagMissing("Type")),
        }
    }

    /// The schedule it is for.
    #[must_use]
    pub fn process(&self) -> ProcessId {
        match self {
            Self::Process { item, .. } => item.item().id().into(),
            Self::Message { process, .. } => *process,
        }
    }

    /// Admits it if the facts allow.
    ///
    /// # Errors
    /// [`Refusal::ProcessUnknown`], [`Refusal::OnBootNotFound`] or [`Refusal::BoundElsewhere`].
    pub fn admit(self, facts: Facts) -> Result<Admitted, Refusal> {
        let process = self.process();
        let (item, subject, content) = match self {
            Self::Process { on_boot: Some(id), .. } if !facts.on_boot_found => {
                return Err(Refusal::OnBootNotFound(id));
            }
            Self::Process { .. } if !facts.bound_here => {
                return Err(Refusal::BoundElsewhere(process));
            }
            Self::Process { item, .. } => (item, Subject::Process, None),
            Self::Message { .. } if !facts.process_known => {
                return Err(Refusal::ProcessUnknown(process));
            }
            Self::Message { item, content, .. } => {
                let message = item.item().id().into();
                (item, Subject::Message(message), content)
            }
        };
        let message_id = item.item().id().into();
        let message = Some(item.item().bytes().clone());
        Ok(Admitted { process, subject, message_id, message, content, exclude: Exclude::default() })
    }
}

impl Admitted {
    /// Admits an item that the gateway knows, by its content if that is checked.
    #[must_use]
    pub const fn known_item(
        process: ProcessId,
        id: MessageId,
        exclude: Exclude,
        content: Option<Content>,
    ) -> Self {
        Self {
            process,
            subject: Subject::Message(id),
            message_id: id,
            message: None,
            content,
            exclude,
        }
    }

    /// Admits a transaction of the base layer once it has settled.
    ///
    /// # Errors
    /// [`Refusal::NotSettled`] if fewer than `needed` blocks lie on top of it.
    pub fn settled(
        process: ProcessId,
        id: MessageId,
        exclude: Exclude,
        confirmations: Option<u64>,
        needed: u64,
    ) -> Result<Self, Refusal> {
        let confirmations = confirmations.unwrap_or(0);
        if confirmations < needed {
            return Err(Refusal::NotSettled { id, confirmations, needed });
        }
        Ok(Self::known_item(process, id, exclude, None))
    }
}

/// How many confirmations a process wants of a transaction before it is assigned by `base-layer`.
#[must_use]
pub fn settlement_depth(process: &Item) -> u64 {
    let wish = process.tag("Settlement-Depth").and_then(|depth| depth.parse().ok());
    wish.unwrap_or(SETTLEMENT_DEPTH_DEFAULT)
}

fn either_case<'a>(item: &'a Item, name: &str, lower: &str) -> Option<&'a str> {
    item.tag(name).or_else(|| item.tag(lower))
}

/// The transaction that `On-Boot` names. The reference appends the value to a gateway's URL, so
/// processes whose id is followed by an empty query (`…80?`) are live: what follows a `?` is no part
/// of the id.
fn on_boot(item: &Item) -> Result<Option<ItemId>, Refusal> {
    match item.tag("On-Boot") {
        None | Some("Data") => Ok(None),
        Some(value) => {
            let id = value.split_once('?').map_or(value, |(id, _)| id);
            id.parse().map(Some).map_err(|_| Refusal::OnBootMalformed(value.to_owned()))
        }
    }
}
