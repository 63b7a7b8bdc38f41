//! Reads the contract's JSON back into items, to check a schedule from outside.
//!
//! The JSON of a node does not say how an item is signed, nor whether its tags end with Avro's closing
//! zero, and shows its data as text. So this is a reconstruction: whoever uses it verifies the signature,
//! which holds only if it was right.

use rota_ans104::{Item, ItemId, SignError, SignatureType, UnsignedItem, b64};
use serde::Deserialize;

/// A page that another scheduler (or this one) served.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignPage {
    /// What it says of itself.
    pub page_info: ForeignPageInfo,
    /// Its entries.
    pub edges: Vec<ForeignEdge>,
}

/// What a page says of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ForeignPageInfo {
    /// More follows, it says.
    pub has_next_page: bool,
}

/// An entry of a page.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignEdge {
    /// The entry.
    pub node: ForeignNode,
    /// By what one continues after it.
    pub cursor: String,
}

/// A node that another scheduler (or this one) served.
#[derive(Clone, Debug, Deserialize)]
pub struct ForeignNode {
    message: Option<ForeignItem>,
    assignment: ForeignItem,
}

#[derive(Clone, Debug, Deserialize)]
struct ForeignItem {
    id: ItemId,
    owner: ForeignOwner,
    #[serde(default)]
    data: Option<String>,
    tags: Vec<ForeignTag>,
    signature: String,
    anchor: Option<String>,
    target: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct ForeignOwner {
    key: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ForeignTag {
    name: String,
    value: String,
}

/// Why an item cannot be rebuilt from its JSON.
#[derive(Debug, thiserror::Error)]
pub enum ForeignNodeError {
    /// A field is not what the contract says.
    #[error("field {0} of the node is malformed")]
    Field(&'static str),
    /// The owner is of no known length.
    #[error("an owner of {0} bytes belongs to no signature type")]
    Owner(usize),
    /// The fields make no item.
    #[error(transparent)]
    Build(#[from] SignError),
    /// The signature is not the one of the id shown.
    #[error("the node shows id {shown}, its signature makes it {actual}")]
    Id {
        /// In the JSON.
        shown: ItemId,
        /// From the signature.
        actual: ItemId,
    },
}

impl ForeignNode {
    /// The assignment, once for each way it may have been signed.
    ///
    /// # Errors
    /// See [`ForeignNodeError`].
    pub fn assignment(&self) -> Result<Vec<Item>, ForeignNodeError> {
        self.assignment.rebuild()
    }

    /// The message, once for each way it may have been signed; `None` if the node shows none.
    ///
    /// # Errors
    /// See [`ForeignNodeError`].
    pub fn message(&self) -> Result<Option<Vec<Item>>, ForeignNodeError> {
        self.message.as_ref().map(ForeignItem::rebuild).transpose()
    }

    /// The id that the node shows for its assignment.
    #[must_use]
    pub const fn assignment_id(&self) -> ItemId {
        self.assignment.id
    }

    /// The id that the node shows for its message.
    #[must_use]
    pub fn message_id(&self) -> Option<ItemId> {
        self.message.as_ref().map(|message| message.id)
    }
}

impl ForeignItem {
    fn rebuild(&self) -> Result<Vec<Item>, ForeignNodeError> {
        let owner =
            b64::decode(&self.owner.key).map_err(|_| ForeignNodeError::Field("owner.key"))?;
        let signature =
            b64::decode(&self.signature).map_err(|_| ForeignNodeError::Field("signature"))?;
        let fields = UnsignedItem {
            target: self.target()?,
            anchor: self.anchor()?,
            tags: self.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect(),
            data: self.data.clone().unwrap_or_default().into(),
        };
        let types = types_of(owner.len()).ok_or(ForeignNodeError::Owner(owner.len()))?;
        let actual = ItemId::of_signature(&signature);
        let closed = types.iter().map(|scheme| fields.with_signature(*scheme, &owner, &signature));
        let open = types
            .iter()
            .filter(|_| !fields.tags.is_empty())
            .map(|scheme| fields.with_signature_and_open_tags(*scheme, &owner, &signature));
        let items = closed.chain(open).collect::<Result<_, _>>()?;
        if actual != self.id {
            return Err(ForeignNodeError::Id { shown: self.id, actual });
        }
        Ok(items)
    }

    fn target(&self) -> Result<Option<[u8; 32]>, ForeignNodeError> {
        let target = self.target.as_deref().filter(|target| !target.is_empty());
        target
            .map(|target| b64::decode_32(target).map_err(|_| ForeignNodeError::Field("target")))
            .transpose()
    }

    /// Text of 32 bytes, or (with `show-anchor`) base64url of 32 bytes that are no text.
    fn anchor(&self) -> Result<Option<[u8; 32]>, ForeignNodeError> {
        let Some(text) = self.anchor.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let plain = <[u8; 32]>::try_from(text.as_bytes()).ok();
        plain
            .or_else(|| b64::decode_32(text).ok())
            .map(Some)
            .ok_or(ForeignNodeError::Field("anchor"))
    }
}

/// The signature types whose owners have this length, in bytes.
const fn types_of(owner_len: usize) -> Option<&'static [SignatureType]> {
    match owner_len {
        512 => Some(&[SignatureType::Arweave]),
        65 => Some(&[SignatureType::Ethereum]),
        42 => Some(&[SignatureType::TypedEthereum]),
        32 => Some(&[SignatureType::Ed25519, SignatureType::HexSolana]),
        _ => None,
    }
}
