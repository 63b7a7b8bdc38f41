//! What a hostile header can make the parser allocate: never more than the input is long, whatever
//! lengths and counts it announces. Parsing an honest item allocates nothing.

#![cfg(feature = "verify")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use allocation_counter::measure;
use bytes::Bytes;
use rota_ans104::{Bundle, Item};

/// Bytes that parsing may allocate apart from those it keeps for items: error values.
const SLACK_BYTES: u64 = 256;

fn allocated_by_item(bytes: &Bytes) -> u64 {
    let bytes = bytes.clone();
    measure(move || drop(Item::parse(bytes))).bytes_total
}

fn allocated_by_bundle(bytes: &Bytes) -> u64 {
    let bytes = bytes.clone();
    measure(move || drop(Bundle::parse(bytes))).bytes_total
}

#[test]
fn an_honest_item_is_parsed_in_place() {
    for item in common::all_items() {
        assert_eq!(allocated_by_item(item.bytes()), 0);
    }
}

#[test]
fn counts_and_lengths_are_not_believed() {
    for (_, item) in common::arbundles() {
        let header = item.bytes().len() - item.data().len() - item.tag_bytes().len() - 16;
        for (place, len) in [(header, 8), (header + 8, 8), (header + 16, 10)] {
            let mut bytes = item.bytes().to_vec();
            let end = bytes.len().min(place + len);
            bytes[place..end].fill(0xff);
            assert!(allocated_by_item(&bytes.into()) <= SLACK_BYTES);
        }
    }
}

#[test]
fn a_bundle_allocates_no_more_than_its_length() {
    let honest = common::raw_bundle();
    for count in [2_u64, 3, 1 << 20, 1 << 32, u64::MAX] {
        for padding in [0, 1 << 16] {
            let mut bytes = honest.to_vec();
            bytes.resize(bytes.len() + padding, 0);
            bytes[..8].copy_from_slice(&count.to_le_bytes());
            let limit = bytes.len() as u64 + SLACK_BYTES;
            assert!(allocated_by_bundle(&bytes.into()) <= limit, "{count} items");
        }
    }
    // As many entries as fit, all of items without a byte.
    let mut entries = vec![0; 32 + 64 * 1000];
    entries[..8].copy_from_slice(&1000_u64.to_le_bytes());
    let limit = entries.len() as u64 + SLACK_BYTES;
    assert!(allocated_by_bundle(&entries.into()) <= limit);
}
