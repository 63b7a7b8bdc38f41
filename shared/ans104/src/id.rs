//! Ids: 32 bytes that show as 43 characters of base64url.
//!
//! Each kind of id is a type of its own, made by [`id32!`](crate::id32), so that one cannot be handed
//! in where another belongs. Base64url exists only at the edge: `Display`, `FromStr` and serde.

use crate::b64;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use sha2::{Digest, Sha256};
use std::fmt;

/// Defines an id type of 32 bytes: `id32! { /// What it names. ProcessId }`.
///
/// The type is `Copy`, ordered and hashed by its bytes, shows and parses as base64url (also in serde),
/// and is made from `[u8; 32]` by `new` or from a slice by `TryFrom`.
#[macro_export]
macro_rules! id32 {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id with these bytes.
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl ::core::convert::AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl ::core::convert::TryFrom<&[u8]> for $name {
            type Error = ::core::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> ::core::result::Result<Self, Self::Error> {
                <[u8; 32]>::try_from(bytes).map(Self)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::__private::fmt_id(&self.0, f)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::__private::fmt_id(&self.0, f)
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::B64Error;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                $crate::b64::decode_32(text).map(Self)
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::__private::serialize_id(&self.0, serializer)
            }
        }

        impl<'de> $crate::__private::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::__private::deserialize_id(deserializer).map(Self)
            }
        }
    };
}

id32! {
    /// The id of an item: SHA-256 of its signature (ANS-104 §2).
    ItemId
}

id32! {
    /// The address of a key: SHA-256 of the owner bytes, for every signature type.
    Address
}

impl Address {
    /// The address of the key whose owner bytes these are.
    #[must_use]
    pub fn of_owner(owner: &[u8]) -> Self {
        Self::new(Sha256::digest(owner).into())
    }
}

impl ItemId {
    /// The id of the item that carries this signature.
    #[must_use]
    pub fn of_signature(signature: &[u8]) -> Self {
        Self::new(Sha256::digest(signature).into())
    }
}

/// Writes an id as base64url, honouring width and alignment.
#[doc(hidden)]
pub fn fmt_id(id: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    b64::with_id_text(id, |text| f.pad(text))
}

/// Serializes an id as a base64url string.
#[doc(hidden)]
pub fn serialize_id<S: Serializer>(id: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    b64::with_id_text(id, |text| serializer.serialize_str(text))
}

/// Deserializes an id from a base64url string, borrowed or owned.
#[doc(hidden)]
pub fn deserialize_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    struct IdText;

    impl Visitor<'_> for IdText {
        type Value = [u8; 32];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id of 43 base64url characters")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            b64::decode_32(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(IdText)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn id() -> ItemId {
        ItemId::new(std::array::from_fn(|i| i as u8))
    }

    #[test]
    fn shows_and_parses_as_base64url() {
        assert_eq!(id().to_string(), TEXT);
        assert_eq!(format!("{:?}", id()), TEXT);
        assert_eq!(format!("{:>45}", id()), format!("  {TEXT}"));
        assert_eq!(TEXT.parse(), Ok(id()));
        assert!("AAEC".parse::<ItemId>().is_err());
    }

    #[test]
    fn is_a_string_in_serde() {
        let json = format!("\"{TEXT}\"");
        assert_eq!(serde_json::to_string(&id()).unwrap(), json);
        assert_eq!(serde_json::from_str::<ItemId>(&json).unwrap(), id());
        assert_eq!(serde_json::from_reader::<_, ItemId>(json.as_bytes()).unwrap(), id());
        assert!(serde_json::from_str::<ItemId>("\"AAEC\"").is_err());
        assert!(serde_json::from_str::<ItemId>("[1]").is_err());
    }

    #[test]
    fn comes_from_exactly_32_bytes() {
        assert_eq!(ItemId::try_from(id().as_ref()).unwrap(), id());
        assert!(ItemId::try_from(&id().as_ref()[1..]).is_err());
    }

    #[test]
    fn an_address_is_the_hash_of_the_owner() {
        let of_nothing = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(Address::of_owner(b"").to_string(), of_nothing);
        assert_eq!(ItemId::of_signature(b"").to_string(), of_nothing);
    }
}
