//! Building items: lay the fields out once, sign once.
//!
//! The one place that writes the item layout. A signature is made exactly once per item: RSA-PSS
//! signatures are salted, so signing again would give the item another id.

use crate::item::Layout;
use crate::{Address, Item, SignatureType, TagError, tags};
use bytes::Bytes;
use std::error::Error;

/// A key that signs items.
pub trait Signer: Send + Sync {
    /// The scheme of the key.
    fn signature_type(&self) -> SignatureType;

    /// The owner field of what this key signs.
    fn owner(&self) -> &[u8];

    /// Signs the 48-byte signing hash of an item. Prefixes, hex and typed data are the scheme's own
    /// and are applied here.
    ///
    /// # Errors
    /// [`SignError::Key`] with whatever went wrong.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The address of the key.
    fn address(&self) -> Address {
        Address::of_owner(self.owner())
    }
}

/// Why an item could not be built.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The tags are beyond the limits.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// An owner of the wrong length for its signature type.
    #[error("owner has {len} bytes, {signature_type} needs {}", signature_type.owner_len())]
    OwnerLength {
        /// The signature type.
        signature_type: SignatureType,
        /// Length in bytes.
        len: usize,
    },
    /// A signature of the wrong length for its signature type.
    #[error("signature has {len} bytes, {signature_type} needs {}", signature_type.signature_len())]
    SignatureLength {
        /// The signature type.
        signature_type: SignatureType,
        /// Length in bytes.
        len: usize,
    },
    /// The key could not sign.
    #[error("the key could not sign")]
    Key(#[source] Box<dyn Error + Send + Sync>),
}

/// The fields of an item that does not exist yet.
#[derive(Clone, Debug, Default)]
pub struct UnsignedItem {
    /// Whom it is for.
    pub target: Option<[u8; 32]>,
    /// Any 32 bytes.
    pub anchor: Option<[u8; 32]>,
    /// Names and values, in order.
    pub tags: Vec<(String, String)>,
    /// The data.
    pub data: Bytes,
}

impl UnsignedItem {
    /// Signs the item: exactly one signature, and one allocation for its bytes.
    ///
    /// # Errors
    /// Tags beyond the limits, a key that cannot sign, or one that breaks the lengths of its scheme.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Item, SignError> {
        let draft = self.lay_out(signer.signature_type(), signer.owner())?;
        let signature = signer.sign(&draft.layout.signing_hash(&draft.bytes))?;
        draft.seal(&signature)
    }

    /// Assembles the item with a signature that was made elsewhere. It is not checked.
    ///
    /// # Errors
    /// Tags beyond the limits, an owner or signature of the wrong length.
    pub fn with_signature(
        &self,
        signature_type: SignatureType,
        owner: &[u8],
        signature: &[u8],
    ) -> Result<Item, SignError> {
        self.lay_out(signature_type, owner)?.seal(signature)
    }

    fn lay_out(&self, signature_type: SignatureType, owner: &[u8]) -> Result<Draft, SignError> {
        if owner.len() != signature_type.owner_len() {
            return Err(SignError::OwnerLength { signature_type, len: owner.len() });
        }
        tags::check(&self.tags)?;
        let tag_bytes = tags::encode(&self.tags);
        let layout = Layout {
            signature_type,
            has_target: self.target.is_some(),
            has_anchor: self.anchor.is_some(),
            tag_count: self.tags.len(),
            tag_bytes: tag_bytes.len(),
        };
        let mut bytes = Vec::with_capacity(layout.tags().end + self.data.len());
        bytes.extend_from_slice(&(signature_type as u16).to_le_bytes());
        bytes.resize(layout.signature().end, 0);
        bytes.extend_from_slice(owner);
        put_optional(&mut bytes, self.target.as_ref());
        put_optional(&mut bytes, self.anchor.as_ref());
        bytes.extend_from_slice(&(layout.tag_count as u64).to_le_bytes());
        bytes.extend_from_slice(&(layout.tag_bytes as u64).to_le_bytes());
        bytes.extend_from_slice(&tag_bytes);
        bytes.extend_from_slice(&self.data);
        Ok(Draft { bytes, layout })
    }
}

/// An item with room for its signature.
struct Draft {
    bytes: Vec<u8>,
    layout: Layout,
}

impl Draft {
    fn seal(mut self, signature: &[u8]) -> Result<Item, SignError> {
        let signature_type = self.layout.signature_type;
        if signature.len() != signature_type.signature_len() {
            return Err(SignError::SignatureLength { signature_type, len: signature.len() });
        }
        self.bytes[self.layout.signature()].copy_from_slice(signature);
        Ok(Item::assembled(Bytes::from(self.bytes), self.layout))
    }
}

/// A flag, and the 32 bytes it announces.
fn put_optional(out: &mut Vec<u8>, value: Option<&[u8; 32]>) {
    out.push(u8::from(value.is_some()));
    out.extend_from_slice(value.map_or(&[], |value| value));
}
