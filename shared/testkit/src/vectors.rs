//! The vectors that others wrote: `tests/vectors`, described by its README.

use bytes::Bytes;
use rota_ans104::{Bundle, Item, b64};
use serde_json::Value;
use std::path::PathBuf;

/// The process of 31 entries among the vectors' bundles.
pub const PROCESS: &str = "4QTyVpvWlwjfsYAvkTSIWjp5XVGf-Rg_Co8K1lPNbvo";
/// The spawn among the vectors' bundles.
pub const SPAWN: &str = "oVZz-HyFwhXUa61vM1UkEpi0fWx804HlxYwxV69lv5A";

/// A single item that arbundles made.
pub struct Vector {
    /// The file's name.
    pub name: String,
    /// The item, as arbundles wrote it.
    pub bytes: Bytes,
    /// What arbundles says of it.
    pub index: Value,
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../tests/vectors", name].iter().collect()
}

/// The bytes of a file among the vectors.
pub fn file(name: &str) -> Bytes {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).into()
}

/// A JSON file among the vectors.
pub fn json(name: &str) -> Value {
    serde_json::from_slice(&file(name)).unwrap()
}

/// All items of `arbundles/`.
pub fn arbundles() -> Vec<Vector> {
    let index = json("arbundles/index.json");
    let entries = index.as_array().unwrap().iter();
    entries
        .map(|index| {
            let name = index["file"].as_str().unwrap().to_owned();
            Vector { bytes: file(&format!("arbundles/{name}")), name, index: index.clone() }
        })
        .collect()
}

/// The bundles of a process, as a scheduler uploaded them, in the order of nonces: each an assignment
/// and, unless the item was only assigned, the item.
pub fn bundles(process: &str) -> Vec<Vec<Item>> {
    let text = file(&format!("su-bundles/{process}.bundles.txt"));
    let lines = std::str::from_utf8(&text).unwrap().lines();
    lines
        .map(|line| {
            let item = Item::parse(b64::decode(line.trim()).unwrap().into()).unwrap();
            Bundle::from_item(&item).unwrap().items().to_vec()
        })
        .collect()
}

/// The list answer that the bundles of a process give, worked out by an independent script.
pub fn derived(process: &str) -> Value {
    json(&format!("su-bundles/{process}.list-by-nonce.derived.json"))
}
