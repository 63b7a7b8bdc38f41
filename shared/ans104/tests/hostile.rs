//! Bytes from anybody: whatever they are, the answer is a value. Nothing panics, and what does parse
//! keeps its promises.

#![cfg(feature = "verify")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use bytes::Bytes;
use proptest::prelude::*;
use rota_ans104::{Bundle, Item};
use std::sync::LazyLock;

static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(common::all_items);

/// Uses every part of an item that parses.
fn exercise(bytes: &Bytes) {
    if let Ok(item) = Item::parse(bytes.clone()) {
        assert_eq!(item.bytes(), bytes);
        assert_eq!(item.tags().len(), item.tags().count());
        assert!(item.tags().all(|tag| item.tag(tag.name).is_some()));
        assert_eq!(item.data_bytes(), item.data());
        let _ = (item.id(), item.owner_address(), item.target(), item.anchor());
        let _ = Bundle::from_item(&item);
        let _ = item.verify();
    }
    if let Ok(bundle) = Bundle::parse(bytes.clone()) {
        assert_eq!(Bundle::encode(bundle.items()), *bytes);
    }
}

/// Bytes that start as an item of a known type, so that some get past the first field.
fn with_type() -> impl Strategy<Value = Vec<u8>> {
    (0_u8..9, prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => any::<u8>()], 0..1200))
        .prop_map(|(kind, rest)| [&[kind, 0][..], &rest].concat())
}

/// An item of the vectors with a few bytes changed, removed or put in, most of them after the owner.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..6);
    (any::<prop::sample::Index>(), any::<bool>(), edits).prop_map(|(which, header, edits)| {
        let item = which.get(&ITEMS);
        let kind = item.signature_type();
        let from = if header { 2 + kind.signature_len() + kind.owner_len() } else { 0 };
        let mut bytes = item.bytes().to_vec();
        for (place, byte, edit) in edits {
            let place = from + place.index(bytes.len() - from);
            match edit {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes(bytes: Vec<u8>) {
        exercise(&bytes.into());
    }

    #[test]
    fn bytes_with_a_known_type(bytes in with_type()) {
        exercise(&bytes.into());
    }

    #[test]
    fn changed_items(bytes in mutated()) {
        exercise(&bytes.into());
    }

    #[test]
    fn a_changed_item_does_not_verify(bytes in mutated()) {
        prop_assume!(ITEMS.iter().all(|item| item.bytes() != &bytes));
        prop_assert!(Item::parse(bytes.into()).map_or(true, |item| item.verify().is_err()));
    }

    #[test]
    fn bundles_with_arbitrary_headers(
        count in 0_u8..5,
        header in prop::collection::vec(prop_oneof![4 => Just(0_u8), 1 => any::<u8>()], 0..400),
    ) {
        let mut bytes = vec![0; 32];
        bytes[0] = count;
        bytes.extend_from_slice(&header);
        exercise(&bytes.into());
    }
}
