//! Bundles: items one after the other behind a header of their sizes and ids (ANS-104 §3).
//!
//! A bundle that parses encodes again to the same bytes.

use crate::reader::{Field, ParseError, Reader};
use crate::{Item, ItemId};
use bytes::Bytes;

/// Length of a header entry in bytes: a size and an id.
const ENTRY_BYTES: usize = 64;

/// A parsed bundle; no signature in it has been checked.
#[derive(Clone, Debug)]
pub struct Bundle {
    bytes: Bytes,
    items: Vec<Item>,
}

impl Bundle {
    /// Reads a bundle. Its items share the bytes.
    ///
    /// # Errors
    /// A malformed header or item, an id in the header that is not the item's, or bytes left over.
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        let mut reader = Reader::new(&bytes);
        let count = reader.number::<32>(Field::ItemCount, reader.rest().len() / ENTRY_BYTES)?;
        let mut header = Reader::new(reader.take(count * ENTRY_BYTES, Field::BundleHeader)?);
        let mut items = Vec::with_capacity(count);
        for index in 0..count {
            let size = header.number::<32>(Field::BundleItem, reader.rest().len())?;
            let id = ItemId::new(*header.array(Field::BundleHeader)?);
            let item = bytes.slice_ref(reader.take(size, Field::BundleItem)?);
            items.push(parse_item(item, index, id)?);
        }
        match reader.rest().len() {
            0 => Ok(Self { bytes, items }),
            len => Err(ParseError::TrailingBytes { len }),
        }
    }

    /// Reads the bundle that an item carries as its data.
    ///
    /// # Errors
    /// [`ParseError::NotABundle`] without the tags `Bundle-Format: binary` and
    /// `Bundle-Version: 2.0.0`, else as [`Bundle::parse`].
    pub fn from_item(item: &Item) -> Result<Self, ParseError> {
        let has = |name, value| item.tag(name) == Some(value);
        if has("Bundle-Format", "binary") && has("Bundle-Version", "2.0.0") {
            Self::parse(item.data_bytes())
        } else {
            Err(ParseError::NotABundle)
        }
    }

    /// The whole bundle, as received.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The items, in order.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Encodes items as a bundle.
    #[must_use]
    pub fn encode(items: &[Item]) -> Vec<u8> {
        let body: usize = items.iter().map(|item| item.bytes().len()).sum();
        let mut out = Vec::with_capacity(32 + items.len() * ENTRY_BYTES + body);
        put_number(&mut out, items.len());
        for item in items {
            put_number(&mut out, item.bytes().len());
            out.extend_from_slice(item.id().as_bytes());
        }
        for item in items {
            out.extend_from_slice(item.bytes());
        }
        out
    }
}

fn parse_item(bytes: Bytes, index: usize, header: ItemId) -> Result<Item, ParseError> {
    let item = Item::parse(bytes)
        .map_err(|source| ParseError::InBundle { index, source: Box::new(source) })?;
    match item.id() {
        actual if actual == header => Ok(item),
        actual => Err(ParseError::IdMismatch { index, header, actual }),
    }
}

/// A 32-byte little-endian number.
fn put_number(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&(value as u64).to_le_bytes());
    out.extend_from_slice(&[0; 24]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SignatureType, UnsignedItem};

    fn item(data: &'static [u8], tags: &[(&str, &str)]) -> Item {
        let tags = tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        UnsignedItem { tags, data: data.into(), ..UnsignedItem::default() }
            .with_signature(SignatureType::Ed25519, &[1; 32], &[data.len() as u8; 64])
            .unwrap()
    }

    fn bundle() -> Vec<u8> {
        Bundle::encode(&[item(b"one", &[]), item(b"three", &[])])
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let bytes = Bytes::from(bundle());
        let bundle = Bundle::parse(bytes.clone()).unwrap();
        let data: Vec<_> = bundle.items().iter().map(Item::data).collect();
        assert_eq!(data, [&b"one"[..], b"three"]);
        assert_eq!(bundle.bytes(), &bytes);
        assert!(Bundle::parse(Bundle::encode(&[]).into()).unwrap().items().is_empty());
    }

    #[test]
    fn a_carrier_says_so_in_its_tags() {
        let tags = [("Bundle-Format", "binary"), ("Bundle-Version", "2.0.0")];
        let old = [("Bundle-Format", "binary"), ("Bundle-Version", "1.0.0")];
        let carrier = |tags| Bundle::from_item(&item(&[0; 32], tags));
        assert!(carrier(&tags[..]).is_ok());
        assert_eq!(carrier(&tags[..1]).unwrap_err(), ParseError::NotABundle);
        assert_eq!(carrier(&old).unwrap_err(), ParseError::NotABundle);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let broken = |place: usize, byte: u8| {
            let mut bytes = bundle();
            bytes[place] ^= byte;
            Bundle::parse(bytes.into()).unwrap_err()
        };
        assert!(matches!(broken(31, 1), ParseError::TooLarge { field: Field::ItemCount, .. }));
        assert!(matches!(broken(63, 1), ParseError::TooLarge { field: Field::BundleItem, .. }));
        assert!(matches!(broken(32 + 96, 1), ParseError::IdMismatch { index: 1, .. }));
        let in_item = broken(32 + 2 * 64, 0xf0);
        assert!(matches!(in_item, ParseError::InBundle { index: 0, .. }));
        let longer = [bundle(), vec![0; 3]].concat();
        let error = Bundle::parse(longer.into()).unwrap_err();
        assert_eq!(error, ParseError::TrailingBytes { len: 3 });
    }
}
