//! The vectors in `tests/vectors`, as items with what the reference says about them.

use bytes::Bytes;
use rota_ans104::{Bundle, Item, b64};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder that all crates share.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

/// What arbundles reads out of its own items: the JSON and the item.
pub(crate) fn arbundles() -> Vec<(Value, Item)> {
    let folder = folder().join("arbundles");
    let index = fs::read_to_string(folder.join("index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_str(&index).unwrap();
    assert_eq!(index.len(), 23);
    let item = |entry: &Value| {
        let bytes = fs::read(folder.join(entry["file"].as_str().unwrap())).unwrap();
        Item::parse(bytes.into()).unwrap()
    };
    index.into_iter().map(|entry| (entry.clone(), item(&entry))).collect()
}

/// Those of this project's own cases that verify.
pub(crate) fn verifying_cases() -> Vec<Item> {
    let names = [
        "ethereum-original",
        "tags-without-terminator",
        "tags-4096-bytes",
        "tags-6000-bytes",
        "rsa-salt-20",
        "lower-case-tags",
    ];
    names.map(case).into()
}

/// One of this project's own cases.
pub(crate) fn case(name: &str) -> Item {
    let file = folder().join("cases").join(name).with_extension("bin");
    Item::parse(fs::read(file).unwrap().into()).unwrap()
}

/// The single items in base64url.
pub(crate) fn data_items() -> Vec<Item> {
    let mut items = Vec::new();
    for entry in fs::read_dir(folder().join("data-items")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        items.push(Item::parse(b64::decode(text.trim()).unwrap().into()).unwrap());
    }
    assert_eq!(items.len(), 3);
    items
}

/// What arbundles reads out of bundle items: the JSON and the item that carries the bundle.
pub(crate) fn bundle_items() -> Vec<(Value, Item)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder().join("su-bundles")).unwrap() {
        let path = entry.unwrap().path();
        let Some(stem) = path.to_str().unwrap().strip_suffix(".bundles.txt") else { continue };
        let parsed = fs::read_to_string(format!("{stem}.parsed.json")).unwrap();
        let parsed: Vec<Value> = serde_json::from_str(&parsed).unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count(), parsed.len());
        for (line, entry) in lines.lines().zip(parsed) {
            all.push((entry, Item::parse(b64::decode(line).unwrap().into()).unwrap()));
        }
    }
    assert_eq!(all.len(), 33);
    all
}

/// A bundle that is not carried by an item.
pub(crate) fn raw_bundle() -> Bytes {
    fs::read(folder().join("su-bundles/message.bin")).unwrap().into()
}

/// Every item there is, carriers of bundles and the items in them included.
pub(crate) fn all_items() -> Vec<Item> {
    let mut items: Vec<Item> = arbundles().into_iter().map(|(_, item)| item).collect();
    items.extend(data_items());
    items.extend(verifying_cases());
    items.extend(Bundle::parse(raw_bundle()).unwrap().items().iter().cloned());
    for (_, carrier) in bundle_items() {
        items.extend(Bundle::from_item(&carrier).unwrap().items().iter().cloned());
        items.push(carrier);
    }
    items
}
