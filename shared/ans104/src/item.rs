//! The item: one parse over the received bytes, then views into them.
//!
//! Parsing checks the structure and the tags and computes nothing: ids, addresses and hashes are
//! worked out when asked for, because a page of a schedule parses hundreds of items and shows few
//! of their hashes.

use crate::reader::{Field, ParseError, Reader};
use crate::tags::{self, RawTags, Tag, TagError, Tags};
use crate::{Address, Chunk, DEEP_HASH_BYTES, ItemId, SignatureType, deep_hash};
use bytes::Bytes;
use std::ops::Range;
use std::str;

/// An ANS-104 data item: well-formed, but its signature has not been checked.
///
/// Cloning is cheap and shares the bytes.
#[derive(Clone, Debug)]
pub struct Item {
    bytes: Bytes,
    layout: Layout,
}

/// Where the fields of an item lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) signature_type: SignatureType,
    pub(crate) has_target: bool,
    pub(crate) has_anchor: bool,
    pub(crate) tag_count: usize,
    pub(crate) tag_bytes: usize,
}

/// Length of the signature type, in bytes.
const TYPE_BYTES: usize = 2;
/// Length of the tag count and the tag length together, in bytes.
const TAG_HEADER_BYTES: usize = 16;

impl Layout {
    pub(crate) fn signature(&self) -> Range<usize> {
        sized(TYPE_BYTES, self.signature_type.signature_len())
    }

    pub(crate) fn owner(&self) -> Range<usize> {
        sized(self.signature().end, self.signature_type.owner_len())
    }

    /// The 32 bytes after the flag, or nothing after it.
    fn target(&self) -> Range<usize> {
        sized(self.owner().end + 1, if self.has_target { 32 } else { 0 })
    }

    fn anchor(&self) -> Range<usize> {
        sized(self.target().end + 1, if self.has_anchor { 32 } else { 0 })
    }

    pub(crate) fn tags(&self) -> Range<usize> {
        sized(self.anchor().end + TAG_HEADER_BYTES, self.tag_bytes)
    }

    /// The hash that is signed, of an item laid out so; the signature itself is not covered.
    pub(crate) fn signing_hash(&self, bytes: &[u8]) -> [u8; DEEP_HASH_BYTES] {
        let blob = |range| Chunk::Blob(&bytes[range]);
        deep_hash(&Chunk::List(&[
            Chunk::Blob(b"dataitem"),
            Chunk::Blob(b"1"),
            Chunk::Blob(self.signature_type.decimal().as_bytes()),
            blob(self.owner()),
            blob(self.target()),
            blob(self.anchor()),
            blob(self.tags()),
            Chunk::Blob(&bytes[self.tags().end..]),
        ]))
    }
}

fn sized(start: usize, len: usize) -> Range<usize> {
    start..start + len
}

impl Item {
    /// Reads the structure of an item. All bytes after the tags are its data.
    ///
    /// # Errors
    /// The first field that is malformed, cut short or beyond a limit (contract §1).
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        let layout = parse_layout(&bytes, |_| Ok(()))?;
        Ok(Self { bytes, layout })
    }

    /// Reads the structure of an item that has no place in a schedule yet. It may be refused for more
    /// reasons than [`Item::parse`] has, which must read whatever got a place once.
    ///
    /// # Errors
    /// As [`Item::parse`], and if its tags are longer than
    /// [`TAGS_BYTES_MAX`](crate::TAGS_BYTES_MAX) together. The tags need not be there to tell.
    pub fn parse_new(bytes: Bytes) -> Result<Self, ParseError> {
        let layout = parse_layout(&bytes, tags::check_all)?;
        Ok(Self { bytes, layout })
    }

    /// An item whose bytes were laid out by this crate.
    pub(crate) fn assembled(bytes: Bytes, layout: Layout) -> Self {
        Self { bytes, layout }
    }

    /// The whole item, as received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How the item is signed.
    #[must_use]
    pub fn signature_type(&self) -> SignatureType {
        self.layout.signature_type
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.bytes[self.layout.signature()]
    }

    /// The id: SHA-256 of the signature, computed at each call.
    #[must_use]
    pub fn id(&self) -> ItemId {
        ItemId::of_signature(self.signature())
    }

    /// The owner: the public key, or an address text for [`SignatureType::TypedEthereum`].
    #[must_use]
    pub fn owner(&self) -> &[u8] {
        &self.bytes[self.layout.owner()]
    }

    /// The owner's address: SHA-256 of the owner, computed at each call.
    #[must_use]
    pub fn owner_address(&self) -> Address {
        Address::of_owner(self.owner())
    }

    /// The target, if there is one.
    #[must_use]
    pub fn target(&self) -> Option<&[u8; 32]> {
        self.bytes[self.layout.target()].first_chunk()
    }

    /// The anchor, if there is one.
    #[must_use]
    pub fn anchor(&self) -> Option<&[u8; 32]> {
        self.bytes[self.layout.anchor()].first_chunk()
    }

    /// The tags as received, encoded; these are the bytes that were signed.
    #[must_use]
    pub fn tag_bytes(&self) -> &[u8] {
        &self.bytes[self.layout.tags()]
    }

    /// The tags, in order.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Tag<'_>> {
        Tags::new(self.tag_bytes(), self.layout.tag_count)
    }

    /// Names and values of the tags in order, as the bytes that they are in the item: they are UTF-8, which
    /// was checked once, when the item was parsed.
    pub fn raw_tags(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        RawTags::new(self.tag_bytes())
    }

    /// The value of the first tag with this name (case matters).
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        let (_, value) = self.raw_tags().find(|(raw, _)| *raw == name.as_bytes())?;
        str::from_utf8(value).ok()
    }

    /// The data.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.layout.tags().end..]
    }

    /// The data, sharing the item's bytes.
    #[must_use]
    pub fn data_bytes(&self) -> Bytes {
        self.bytes.slice(self.layout.tags().end..)
    }

    /// What the owner signs: the deep hash of all other fields (ANS-104 §2.1).
    #[must_use]
    pub fn signing_hash(&self) -> [u8; DEEP_HASH_BYTES] {
        self.layout.signing_hash(&self.bytes)
    }
}

fn parse_layout(
    bytes: &[u8],
    check_tag_bytes: fn(usize) -> Result<(), TagError>,
) -> Result<Layout, ParseError> {
    let mut reader = Reader::new(bytes);
    let number = u16::from_le_bytes(*reader.array(Field::SignatureType)?);
    let signature_type = SignatureType::try_from(number)?;
    reader.take(signature_type.signature_len(), Field::Signature)?;
    reader.take(signature_type.owner_len(), Field::Owner)?;
    let has_target = reader.optional_32(Field::Target)?.is_some();
    let has_anchor = reader.optional_32(Field::Anchor)?.is_some();
    let tag_count = reader.number::<8>(Field::TagCount, tags::TAGS_MAX)?;
    let tag_bytes = reader.number::<8>(Field::TagLength, usize::MAX)?;
    check_tag_bytes(tag_bytes)?;
    tags::validate(reader.take(tag_bytes, Field::Tags)?, tag_count)?;
    Ok(Layout { signature_type, has_target, has_anchor, tag_count, tag_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TAGS_BYTES_MAX, UnsupportedSignatureType};

    /// An Ed25519 item with target, anchor, one tag and no data, in fields.
    fn fields() -> Vec<(Field, Vec<u8>)> {
        vec![
            (Field::SignatureType, vec![2, 0]),
            (Field::Signature, vec![0xaa; 64]),
            (Field::Owner, vec![0xbb; 32]),
            (Field::Target, [&[1][..], &[0xcc; 32]].concat()),
            (Field::Anchor, [&[1][..], &[0xdd; 32]].concat()),
            (Field::TagCount, vec![1, 0, 0, 0, 0, 0, 0, 0]),
            (Field::TagLength, vec![7, 0, 0, 0, 0, 0, 0, 0]),
            (Field::Tags, vec![2, 2, b'a', 4, b'b', b'c', 0]),
        ]
    }

    fn parse(fields: &[(Field, Vec<u8>)]) -> Result<Item, ParseError> {
        let bytes: Vec<u8> = fields.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        Item::parse(bytes.into())
    }

    /// The error when the bytes of one field are others.
    fn error_with(field: Field, bytes: &[u8]) -> ParseError {
        let mut fields = fields();
        let changed = fields.iter_mut().find(|(name, _)| *name == field).unwrap();
        changed.1 = bytes.to_vec();
        parse(&fields).unwrap_err()
    }

    #[test]
    fn fields_are_views_of_the_bytes() {
        let bytes: Vec<u8> = fields().into_iter().flat_map(|(_, bytes)| bytes).collect();
        let item = Item::parse([&bytes[..], b"data"].concat().into()).unwrap();
        assert_eq!(item.signature_type(), SignatureType::Ed25519);
        assert_eq!(item.signature(), [0xaa; 64]);
        assert_eq!(item.owner(), [0xbb; 32]);
        assert_eq!(item.target(), Some(&[0xcc; 32]));
        assert_eq!(item.anchor(), Some(&[0xdd; 32]));
        assert_eq!((item.tag("a"), item.tag("A")), (Some("bc"), None));
        assert_eq!(item.data(), b"data");
        assert_eq!(item.data_bytes().as_ptr(), item.data().as_ptr());
    }

    #[test]
    fn a_field_that_is_cut_short_is_named() {
        let fields = fields();
        for (index, (field, bytes)) in fields.iter().enumerate() {
            let mut cut = fields[..=index].to_vec();
            cut[index].1.truncate(bytes.len() - 1);
            assert_eq!(parse(&cut).unwrap_err(), ParseError::Truncated { field: *field });
        }
        assert!(parse(&fields).unwrap().data().is_empty());
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let aptos = ParseError::SignatureType(UnsupportedSignatureType::Aptos);
        assert_eq!(error_with(Field::SignatureType, &[5, 0]), aptos);
        let flag = ParseError::BadFlag { field: Field::Target, value: 2 };
        assert_eq!(error_with(Field::Target, &[2]), flag);
        let many = ParseError::TooLarge { field: Field::TagCount, max: 128 };
        assert_eq!(error_with(Field::TagCount, &129_u64.to_le_bytes()), many);
        let long = ParseError::Truncated { field: Field::Tags };
        assert_eq!(error_with(Field::TagLength, &[0xff; 8]), long);
        let count = ParseError::Tags(TagError::CountMismatch { header: 2, found: 1 });
        assert_eq!(error_with(Field::TagCount, &2_u64.to_le_bytes()), count);
        let text = ParseError::Tags(TagError::NotUtf8);
        assert_eq!(error_with(Field::Tags, &[2, 2, 0xff, 4, b'b', b'c', 0]), text);
    }

    /// An item whose encoded tags have `len` bytes, between 4,000 and 7,000.
    fn with_tag_bytes(len: usize) -> Bytes {
        let tag = |value| ("n".to_owned(), "v".repeat(value));
        // The rest takes 4,014 bytes: two tags of 2,004, all counts and lengths, and the closing zero.
        let tags = vec![tag(2_000), tag(2_000), tag(len - 4_014)];
        let unsigned = crate::UnsignedItem { tags, ..crate::UnsignedItem::default() };
        let item = unsigned.with_signature(SignatureType::Ed25519, &[0; 32], &[0; 64]).unwrap();
        assert_eq!(item.tag_bytes().len(), len);
        item.bytes().clone()
    }

    #[test]
    fn tags_above_the_limit_in_all_get_no_new_place_and_stay_readable() {
        assert!(Item::parse_new(with_tag_bytes(TAGS_BYTES_MAX)).is_ok());
        for len in [TAGS_BYTES_MAX + 1, 6_000] {
            let bytes = with_tag_bytes(len);
            assert_eq!(Item::parse(bytes.clone()).unwrap().tags().len(), 3);
            let error = ParseError::Tags(TagError::AllTooLong { len });
            assert_eq!(Item::parse_new(bytes.clone()).unwrap_err(), error);
            assert!(error.to_string().contains(&format!("{len} bytes")));
            assert!(error.to_string().contains("at most 4096"));
            // The header is enough to tell.
            let head = bytes.len() - len;
            assert_eq!(Item::parse_new(bytes.slice(..head)).unwrap_err(), error);
        }
    }
}
