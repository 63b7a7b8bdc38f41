//! A bounded reader over bytes that somebody else wrote, and what can be wrong with them.
//!
//! Every error names the field; no length is believed before it is held against what is left.

use crate::{ItemId, TagError, UnsupportedSignatureType};
use std::fmt;

/// A field of an item or a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The two bytes that say how an item is signed.
    SignatureType,
    /// The signature.
    Signature,
    /// The owner (public key).
    Owner,
    /// The target, or the flag before it.
    Target,
    /// The anchor, or the flag before it.
    Anchor,
    /// The number of tags.
    TagCount,
    /// The length of the tags in bytes.
    TagLength,
    /// The tags.
    Tags,
    /// The number of items in a bundle.
    ItemCount,
    /// The sizes and ids in a bundle's header.
    BundleHeader,
    /// An item in a bundle.
    BundleItem,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SignatureType => "signature type",
            Self::Signature => "signature",
            Self::Owner => "owner",
            Self::Target => "target",
            Self::Anchor => "anchor",
            Self::TagCount => "tag count",
            Self::TagLength => "tag length",
            Self::Tags => "tags",
            Self::ItemCount => "item count",
            Self::BundleHeader => "bundle header",
            Self::BundleItem => "bundle item",
        })
    }
}

/// Why bytes are not an item, or not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end inside the field.
    #[error("{field} is cut short")]
    Truncated {
        /// The field that is not all there.
        field: Field,
    },
    /// A number in a header is larger than allowed, or than what follows could hold.
    #[error("{field} is more than {max}")]
    TooLarge {
        /// What the number counts.
        field: Field,
        /// The largest it may be.
        max: u64,
    },
    /// The flag before an optional field is neither 0 nor 1.
    #[error("flag of the {field} is {value}, not 0 or 1")]
    BadFlag {
        /// The optional field.
        field: Field,
        /// The flag.
        value: u8,
    },
    /// The signature type is unknown or not supported.
    #[error(transparent)]
    SignatureType(#[from] UnsupportedSignatureType),
    /// The tags are malformed or beyond the limits.
    #[error(transparent)]
    Tags(#[from] TagError),
    /// An id in a bundle's header is not the id of the item.
    #[error("item {index} of the bundle is {actual}, its header says {header}")]
    IdMismatch {
        /// Position of the item, from 0.
        index: usize,
        /// The id in the header.
        header: ItemId,
        /// The id of the item.
        actual: ItemId,
    },
    /// One item of a bundle is malformed.
    #[error("item {index} of the bundle is malformed")]
    InBundle {
        /// Position of the item, from 0.
        index: usize,
        /// What is wrong with it.
        source: Box<ParseError>,
    },
    /// Bytes are left after the last item of a bundle.
    #[error("{len} bytes are left after the last item of the bundle")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
    /// The item does not carry the tags of a bundle.
    #[error("the item is not a bundle: no bundle-format binary, bundle-version 2.0.0 tags")]
    NotABundle,
}

/// Takes fields off the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    pub(crate) fn take(&mut self, len: usize, field: Field) -> Result<&'a [u8], ParseError> {
        let (head, rest) =
            self.rest.split_at_checked(len).ok_or(ParseError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(
        &mut self,
        field: Field,
    ) -> Result<&'a [u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(ParseError::Truncated { field })?;
        self.rest = rest;
        Ok(head)
    }

    /// A flag, and the 32 bytes it announces.
    pub(crate) fn optional_32(&mut self, field: Field) -> Result<Option<&'a [u8; 32]>, ParseError> {
        match *self.array(field)? {
            [0] => Ok(None),
            [1] => self.array(field).map(Some),
            [value] => Err(ParseError::BadFlag { field, value }),
        }
    }

    /// A little-endian number of `N` bytes (8, or 32 in bundles) that may be at most `max`.
    pub(crate) fn number<const N: usize>(
        &mut self,
        field: Field,
        max: usize,
    ) -> Result<usize, ParseError> {
        let (low, high) = self.array::<N>(field)?.split_at(8.min(N));
        let low = low.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        let fits = high.iter().all(|byte| *byte == 0);
        usize::try_from(low)
            .ok()
            .filter(|value| fits && *value <= max)
            .ok_or(ParseError::TooLarge { field, max: max as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: [u8; 32], max: usize) -> Result<usize, ParseError> {
        Reader::new(&bytes).number::<32>(Field::ItemCount, max)
    }

    #[test]
    fn numbers_are_little_endian_and_bounded() {
        let mut bytes = [0; 32];
        bytes[0] = 0x34;
        bytes[1] = 0x12;
        assert_eq!(number(bytes, usize::MAX), Ok(0x1234));
        assert_eq!(number(bytes, 0x1234), Ok(0x1234));
        assert!(matches!(number(bytes, 0x1233), Err(ParseError::TooLarge { max: 0x1233, .. })));
        bytes[31] = 1;
        assert!(number(bytes, usize::MAX).is_err());
    }

    #[test]
    fn a_short_field_is_named() {
        let error = Reader::new(&[1, 2]).optional_32(Field::Anchor).unwrap_err();
        assert_eq!(error.to_string(), "anchor is cut short");
        let error = Reader::new(&[2]).optional_32(Field::Target).unwrap_err();
        assert_eq!(error.to_string(), "flag of the target is 2, not 0 or 1");
    }
}
