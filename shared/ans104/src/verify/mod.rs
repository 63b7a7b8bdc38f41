//! Checking signatures: an [`Item`] in, a [`VerifiedItem`] out.
//!
//! Each scheme accepts what arbundles, the JavaScript reference, accepts, with two exceptions. No
//! change that needs no key may leave an item valid: its signature, and so its id, would have a second
//! form. And no signature may be valid for two contents: they would share one id.

mod ed25519;
mod ethereum;
mod rsa;

#[cfg(feature = "wallet")]
pub(crate) use ethereum::eip191_digest;
#[cfg(feature = "wallet")]
pub(crate) use rsa::{PUBLIC_EXPONENT, is_modulus};

use crate::{Field, Item, SignatureType, VerifiedItem};
use openssl::error::ErrorStack;

/// Why an item is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The owner cannot be a key of its signature type.
    #[error("owner is not a key for {0} signatures")]
    Owner(SignatureType),
    /// The owner or the signature holds a point of small order. No key is needed to sign with it, and
    /// one signature is then valid for many contents.
    #[error("the {0} holds a point of small order, so it proves nothing about the item")]
    SmallOrder(Field),
    /// The recovery byte of an Ethereum signature can be rewritten by anybody, so it has one form.
    #[error("the recovery byte (v) of the signature is {0}, it must be 27 or 28")]
    RecoveryByte(u8),
    /// The signature is not the owner's over this item.
    #[error("signature does not match the item and its owner")]
    Mismatch,
    /// The cryptographic library failed; says nothing about the item.
    #[error("openssl failed")]
    Backend(#[from] ErrorStack),
}

impl Item {
    /// Checks the signature. CPU-bound: about 0.1 ms for RSA, plus hashing the data.
    ///
    /// # Errors
    /// [`VerifyError`]; the item is then of no use.
    pub fn verify(self) -> Result<VerifiedItem, VerifyError> {
        let hash = self.signing_hash();
        let (owner, signature) = (self.owner(), self.signature());
        let scheme = self.signature_type();
        match scheme {
            SignatureType::Arweave => rsa::verify(owner, &hash, signature)?,
            SignatureType::Ed25519 => ed25519::verify(scheme, owner, &hash, signature)?,
            SignatureType::HexSolana => {
                ed25519::verify(scheme, owner, ed25519::hex_text(&hash).as_bytes(), signature)?;
            }
            SignatureType::Ethereum => ethereum::verify(owner, &hash, signature)?,
            SignatureType::TypedEthereum => ethereum::verify_typed(owner, &hash, signature)?,
        }
        Ok(VerifiedItem::checked(self))
    }
}
