//! Every vector, both ways: what arbundles reads is what we read, what it verifies verifies, no byte
//! can be changed, and the fields put together again are the same bytes.

#![cfg(feature = "verify")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use bytes::Bytes;
use rota_ans104::{Bundle, Item, UnsignedItem, b64};
use serde_json::Value;

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn assert_tags(item: &Item, expected: &Value) {
    let expected = expected.as_array().unwrap();
    assert_eq!(item.tags().len(), expected.len());
    for (tag, expected) in item.tags().zip(expected) {
        assert_eq!((tag.name, tag.value), (text(&expected["name"]), text(&expected["value"])));
    }
    for expected in expected {
        let first = item.tags().find(|tag| tag.name == text(&expected["name"]));
        assert_eq!(item.tag(text(&expected["name"])), first.map(|tag| tag.value));
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn arbundles_items_have_the_fields_that_arbundles_reads() {
    for (expected, item) in common::arbundles() {
        assert_eq!(item.bytes().len() as u64, expected["bytes"].as_u64().unwrap());
        assert_eq!(item.signature_type() as u64, expected["signature_type"].as_u64().unwrap());
        assert_eq!(item.id().to_string(), text(&expected["id"]));
        assert_eq!(b64::encode(item.owner()), text(&expected["owner_b64u"]));
        assert_eq!(item.owner_address().to_string(), text(&expected["owner_address_sha256"]));
        let target = item.target().map(|target| b64::encode(target));
        assert_eq!(target.as_deref(), expected["target"].as_str());
        assert_eq!(item.anchor().map(hex).as_deref(), expected["anchor_hex"].as_str());
        assert_tags(&item, &expected["tags"]);
        assert_eq!(b64::encode(item.data()), text(&expected["data_b64u"]));
        assert_eq!(item.data_bytes(), item.data());
    }
}

#[test]
fn bundles_have_the_items_that_arbundles_reads() {
    for (expected, carrier) in common::bundle_items() {
        assert_eq!(carrier.id().to_string(), text(&expected["bundle_id"]));
        assert_tags(&carrier, &expected["bundle_tags"]);
        let bundle = Bundle::from_item(&carrier).unwrap();
        let items = expected["items"].as_array().unwrap();
        assert_eq!(bundle.items().len(), items.len());
        for (item, expected) in bundle.items().iter().zip(items) {
            assert_eq!(item.id().to_string(), text(&expected["id"]));
            assert_eq!(item.signature_type() as u64, expected["sig_type"].as_u64().unwrap());
            assert_eq!(item.owner_address().to_string(), text(&expected["owner_address"]));
            let target = item.target().map(|target| b64::encode(target));
            assert_eq!(target.as_deref(), expected["target"].as_str());
            let anchor = item.anchor().map(|anchor| b64::encode(anchor));
            assert_eq!(anchor.as_deref(), expected["anchor_b64"].as_str());
            assert_tags(item, &expected["tags"]);
            assert_eq!(item.data().len() as u64, expected["data_len"].as_u64().unwrap());
            assert_eq!(item.bytes().len() as u64, expected["bytes"].as_u64().unwrap());
        }
    }
}

#[test]
fn a_raw_bundle_holds_an_assignment_and_its_message() {
    let bundle = Bundle::parse(common::raw_bundle()).unwrap();
    let [assignment, message] = bundle.items() else { panic!("not two items") };
    assert_eq!(assignment.tag("Nonce"), Some("247050"));
    assert_eq!(assignment.tag("Message"), Some(message.id().to_string().as_str()));
}

#[test]
fn bundles_encode_to_the_same_bytes() {
    let mut bundles = vec![common::raw_bundle()];
    bundles.extend(common::bundle_items().iter().map(|(_, carrier)| carrier.data_bytes()));
    for bytes in bundles {
        let bundle = Bundle::parse(bytes.clone()).unwrap();
        assert_eq!(bundle.bytes(), &bytes);
        assert_eq!(Bundle::encode(bundle.items()), bytes);
    }
}

#[test]
fn every_item_verifies_and_is_rebuilt_from_its_fields() {
    for item in common::all_items() {
        let unsigned = UnsignedItem {
            target: item.target().copied(),
            anchor: item.anchor().copied(),
            tags: item.tags().map(|tag| (tag.name.to_owned(), tag.value.to_owned())).collect(),
            data: item.data_bytes(),
        };
        let build = if item.tag_bytes().last().is_none_or(|last| *last == 0) {
            UnsignedItem::with_signature
        } else {
            UnsignedItem::with_signature_and_open_tags
        };
        let rebuilt =
            build(&unsigned, item.signature_type(), item.owner(), item.signature()).unwrap();
        assert_eq!(rebuilt.bytes(), item.bytes());
        assert_eq!(rebuilt.signing_hash(), item.signing_hash());
        let verified = item.clone().verify().unwrap();
        assert_eq!(verified.item().bytes(), item.bytes());
        assert_eq!(verified.into_item().id(), item.id());
    }
}

#[test]
fn cases_that_nobody_signed_or_somebody_rewrote_do_not_verify() {
    let error = |name: &str| common::case(name).verify().unwrap_err().to_string();
    for name in ["small-order-1", "small-order-2", "small-order-spawn"] {
        assert!(error(name).contains("owner holds a point of small order"), "{name}");
    }
    assert_eq!(common::case("small-order-1").id(), common::case("small-order-2").id());
    assert!(error("ethereum-twin").contains("it must be 27 or 28"));
    let [original, twin] = ["ethereum-original", "ethereum-twin"].map(common::case);
    assert_eq!(original.signing_hash(), twin.signing_hash());
    assert_ne!(original.id(), twin.id());
}

#[test]
fn cases_beside_the_limit_of_all_tags_get_a_place_or_not() {
    let new = |name: &str| Item::parse_new(common::case(name).bytes().clone());
    assert!(new("tags-4096-bytes").is_ok());
    let error = new("tags-6000-bytes").unwrap_err().to_string();
    let len = common::case("tags-6000-bytes").tag_bytes().len();
    assert_eq!(error, format!("the tags have {len} bytes in all, at most 4096 are allowed"));
}

/// Whether the item with one byte changed is refused, in parsing or by its signature.
fn is_refused_when_changed(item: &Item, place: usize) -> bool {
    let mut bytes = item.bytes().to_vec();
    bytes[place] ^= 0x01;
    Item::parse(bytes.into()).map_or(true, |changed| changed.verify().is_err())
}

#[test]
fn no_region_can_be_changed() {
    for item in common::all_items() {
        let kind = item.signature_type();
        let owner = 2 + kind.signature_len();
        let after_owner = owner + kind.owner_len();
        let data = item.bytes().len() - item.data().len();
        let tags = data - item.tag_bytes().len();
        let starts = [0, 2, owner, owner + 5, after_owner, after_owner + 1, after_owner + 2];
        let ends = [owner - 1, after_owner - 1, tags - 16, tags - 8, tags, data - 1, data];
        let places = starts.into_iter().chain(ends).chain([item.bytes().len() - 1]);
        for place in places.filter(|place| *place < item.bytes().len()) {
            assert!(is_refused_when_changed(&item, place), "{kind}, byte {place}");
        }
    }
}

#[test]
fn nothing_less_than_the_whole_passes() {
    for (_, item) in common::arbundles() {
        let data = item.bytes().len() - item.data().len();
        for len in 0..item.bytes().len() {
            let cut = Item::parse(item.bytes().slice(..len));
            if len < data {
                assert!(cut.is_err(), "{len} bytes parse");
            } else {
                assert!(cut.unwrap().verify().is_err(), "{len} bytes verify");
            }
        }
    }
}

#[test]
fn a_bundle_cut_short_or_changed_in_its_header_is_refused() {
    let bytes = common::raw_bundle();
    for len in 0..bytes.len() {
        assert!(Bundle::parse(bytes.slice(..len)).is_err(), "{len} bytes parse");
    }
    for place in 0..32 + 2 * 64 {
        let mut changed = bytes.to_vec();
        changed[place] ^= 0x80;
        assert!(Bundle::parse(changed.into()).is_err(), "byte {place}");
    }
    let longer: Bytes = [&bytes[..], &[0]].concat().into();
    assert!(Bundle::parse(longer).unwrap_err().to_string().contains("1 bytes are left"));
}

#[test]
fn only_the_tags_of_a_bundle_make_one() {
    let (_, item) = common::arbundles().swap_remove(0);
    assert!(Bundle::from_item(&item).unwrap_err().to_string().contains("not a bundle"));
}
