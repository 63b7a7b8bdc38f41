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
        let tag_bytes = tags::encode(&self.tags);
        tags::check_all(tag_bytes.len())?;
        let draft = self.lay_out(signer.signature_type(), signer.owner(), &tag_bytes)?;
        let signature = signer.sign(&draft.layout.signing_hash(&draft.bytes))?;
        draft.seal(&signature)
    }

    /// Assembles the item with a signature that was made elsewhere. It is not checked, and all tags
    /// together may have any length: the item may be older than that limit.
    ///
    /// # Errors
    /// A tag beyond its limits, an owner or signature of the wrong length.
    pub fn with_signature(
        &self,
        signature_type: SignatureType,
        owner: &[u8],
        signature: &[u8],
    ) -> Result<Item, SignError> {
        self.lay_out(signature_type, owner, &tags::encode(&self.tags))?.seal(signature)
    }

    /// The same for an item whose tags end without Avro's closing zero.
    ///
    /// # Errors
    /// As [`UnsignedItem::with_signature`].
    pub fn with_signature_and_open_tags(
        &self,
        signature_type: SignatureType,
        owner: &[u8],
        signature: &[u8],
    ) -> Result<Item, SignError> {
        self.lay_out(signature_type, owner, &tags::encode_open(&self.tags))?.seal(signature)
    }

    fn lay_out(
        &self,
        signature_type: SignatureType,
        owner: &[u8],
        tag_bytes: &[u8],
    ) -> Result<Draft, SignError> {
        if owner.len() != signature_type.owner_len() {
            return Err(SignError::OwnerLength { signature_type, len: owner.len() });
        }
        tags::check(&self.tags)?;
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
        bytes.extend_from_slice(tag_bytes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Signs with the message itself, repeated, and counts.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Signer for Counting {
        fn signature_type(&self) -> SignatureType {
            SignatureType::Ed25519
        }

        fn owner(&self) -> &[u8] {
            &[3; 32]
        }

        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(message.iter().chain(message).take(64).copied().collect())
        }
    }

    fn unsigned() -> UnsignedItem {
        UnsignedItem {
            target: None,
            anchor: Some([5; 32]),
            tags: vec![("name".to_owned(), "value".to_owned())],
            data: Bytes::from_static(b"data"),
        }
    }

    #[test]
    fn signs_once_and_lays_out_what_parses() {
        let signer = Counting::default();
        let item = unsigned().sign(&signer).unwrap();
        assert_eq!(signer.0.into_inner(), 1);
        assert_eq!(item.signature()[..48], item.signing_hash());
        let parsed = Item::parse(item.bytes().clone()).unwrap();
        assert_eq!(parsed.anchor(), Some(&[5; 32]));
        assert_eq!((parsed.target(), parsed.tag("name")), (None, Some("value")));
        assert_eq!(parsed.data(), b"data");
        assert_eq!(parsed.signing_hash(), item.signing_hash());
    }

    #[test]
    fn the_signing_hash_covers_every_field() {
        let hash = |change: fn(&mut UnsignedItem)| {
            let mut item = unsigned();
            change(&mut item);
            item.sign(&Counting::default()).unwrap().signing_hash()
        };
        let same = hash(|_| {});
        assert_ne!(hash(|item| item.target = Some([0; 32])), same);
        assert_ne!(hash(|item| item.anchor = None), same);
        assert_ne!(hash(|item| item.tags.clear()), same);
        assert_ne!(hash(|item| item.data = Bytes::new()), same);
    }

    #[test]
    fn lengths_and_limits_are_kept() {
        let build = |owner: usize, signature: usize| {
            let (owner, signature) = (vec![0; owner], vec![0; signature]);
            unsigned().with_signature(SignatureType::Ethereum, &owner, &signature)
        };
        assert!(build(65, 65).is_ok());
        let error = build(64, 65).unwrap_err();
        assert_eq!(error.to_string(), "owner has 64 bytes, ethereum needs 65");
        assert!(matches!(build(65, 64), Err(SignError::SignatureLength { len: 64, .. })));
        let mut many = unsigned();
        many.tags = vec![(String::new(), String::new()); crate::TAGS_MAX + 1];
        let error = many.sign(&Counting::default()).unwrap_err();
        assert!(matches!(error, SignError::Tags(TagError::TooMany { count: 129 })));
        let mut long = unsigned();
        long.tags = vec![("n".to_owned(), "v".repeat(3_000)); 2];
        let error = long.sign(&Counting::default()).unwrap_err();
        assert!(matches!(error, SignError::Tags(TagError::AllTooLong { len: 6_010 })));
        assert!(long.with_signature(SignatureType::Ed25519, &[0; 32], &[0; 64]).is_ok());
    }

    #[test]
    fn open_tags_differ_by_the_closing_zero_alone() {
        let (kind, owner, signature) = (SignatureType::Ed25519, [3; 32], [4; 64]);
        let closed = unsigned().with_signature(kind, &owner, &signature).unwrap();
        let open = unsigned().with_signature_and_open_tags(kind, &owner, &signature).unwrap();
        assert_eq!(closed.tag_bytes(), [open.tag_bytes(), &[0]].concat());
        let parsed = Item::parse(open.bytes().clone()).unwrap();
        assert!(parsed.tags().eq(closed.tags()));
        assert_eq!((parsed.data(), parsed.anchor()), (closed.data(), closed.anchor()));
    }
}
