//! Any bytes as an item: no panic, what parses shows the same tags every time, and what is within the limits for
//! new items is an item.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rota_ans104::{Bundle, Item, TAGS_BYTES_MAX, UnsignedItem};

fuzz_target!(|data: &[u8]| {
    let new = Item::parse_new(Bytes::copy_from_slice(data));
    let Ok(item) = Item::parse(Bytes::copy_from_slice(data)) else {
        assert!(new.is_err());
        return;
    };
    assert_eq!(new.is_ok(), item.tag_bytes().len() <= TAGS_BYTES_MAX);
    assert_eq!(item.bytes(), data);
    assert_eq!(item.tags().len(), item.tags().count());
    let _ = Bundle::from_item(&item);
    let unsigned = UnsignedItem {
        target: item.target().copied(),
        anchor: item.anchor().copied(),
        tags: item.tags().map(|tag| (tag.name.to_owned(), tag.value.to_owned())).collect(),
        data: item.data_bytes(),
    };
    let rebuilt =
        unsigned.with_signature(item.signature_type(), item.owner(), item.signature()).unwrap();
    let again = Item::parse(rebuilt.bytes().clone()).unwrap();
    assert!(again.tags().eq(item.tags()));
    assert_eq!(again.tag_bytes() == item.tag_bytes(), again.bytes() == item.bytes());
    let _ = item.verify();
});
