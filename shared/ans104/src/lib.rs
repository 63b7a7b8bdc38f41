//! ANS-104 data items and bundles: parse, hash, verify, build and sign.
//!
//! An [`Item`] borrows from the bytes that came in and never changes them; the tag bytes of another
//! party are hashed, stored and served as received. A [`VerifiedItem`] can only be made by checking
//! the signature. Whatever the input, nothing here panics, loops or allocates beyond the input's size.
//!
//! Without features this crate reads, hashes and assembles items. `verify` adds the signature
//! schemes, `wallet` adds keys that sign.
//!
//! It must not know what an item means: processes, messages and schedules live elsewhere.

pub mod b64;
mod builder;
mod bundle;
mod deep_hash;
mod id;
mod item;
mod reader;
mod signature;
pub mod tags;
mod verified;
#[cfg(feature = "verify")]
mod verify;
#[cfg(feature = "wallet")]
mod wallet;

pub use b64::B64Error;
pub use builder::{SignError, Signer, UnsignedItem};
pub use bundle::Bundle;
pub use deep_hash::{Chunk, DEEP_HASH_BYTES, deep_hash};
pub use id::{Address, ItemId};
pub use item::Item;
pub use reader::{Field, ParseError};
pub use signature::{SignatureType, UnsupportedSignatureType};
pub use tags::{TAG_NAME_BYTES_MAX, TAG_VALUE_BYTES_MAX, TAGS_BYTES_MAX, TAGS_MAX, Tag, TagError};
pub use verified::VerifiedItem;
#[cfg(feature = "verify")]
pub use verify::VerifyError;
#[cfg(feature = "wallet")]
pub use wallet::{JWK_BYTES_MAX, UnknownWalletKind, Wallet, WalletError, WalletKind};

/// What [`id32!`] expands to; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::id::{deserialize_id, fmt_id, serialize_id};
    pub use serde;
}
