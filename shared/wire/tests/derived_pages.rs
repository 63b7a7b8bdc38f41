//! The pages that the vectors' bundles give under the contract, as an independent script worked them
//! out, against what this crate writes; and back again.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

use bytes::Bytes;
use rota_ans104::{Bundle, Item, b64};
use rota_schedule::{Assignment, Cursor, Entry, Page};
use rota_wire::ForeignNode;
use serde_json::Value;
use std::path::PathBuf;

const PROCESSES: [&str; 3] = [
    "4QTyVpvWlwjfsYAvkTSIWjp5XVGf-Rg_Co8K1lPNbvo",
    "oVZz-HyFwhXUa61vM1UkEpi0fWx804HlxYwxV69lv5A",
    "zUXsM7c3dOMtkFz6Wk74G4X5wXN_ukI11q21qjd8JAc",
];

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/su-bundles")
}

fn entry(line: &str) -> Entry {
    let outer = Item::parse(Bytes::from(b64::decode(line.trim()).unwrap())).unwrap();
    let bundle = Bundle::from_item(&outer).unwrap();
    let assignment = &bundle.items()[0];
    let message = bundle.items().get(1);
    let read = Assignment::read(assignment).unwrap();
    let message_id = message.map_or_else(
        || assignment.tag("Message").unwrap().parse().unwrap(),
        |item| item.id().into(),
    );
    Entry {
        nonce: read.slot.nonce,
        timestamp: read.slot.timestamp,
        assignment_id: assignment.id().into(),
        message_id,
        assignment: assignment.bytes().clone(),
        message: message.map(|item| item.bytes().clone()),
    }
}

fn page(process: &str) -> Page {
    let text = std::fs::read_to_string(vectors().join(format!("{process}.bundles.txt"))).unwrap();
    let entries = text.lines().filter(|line| !line.is_empty()).map(entry).collect();
    Page { entries, has_next: false, head: 0, closed: false, rest: None }
}

fn derived(process: &str, by: &str) -> Value {
    let text =
        std::fs::read_to_string(vectors().join(format!("{process}.list-by-{by}.derived.json")))
            .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn pages_are_what_the_independent_script_derived() {
    for process in PROCESSES {
        for (by, cursor) in [("nonce", Cursor::Nonce), ("timestamp", Cursor::Timestamp)] {
            let json = rota_wire::page(&page(process), cursor, false).unwrap();
            let json: Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(json, derived(process, by), "{process} by {by}");
        }
    }
}

#[test]
fn messages_come_back_from_json_as_the_items_they_were() {
    for process in PROCESSES {
        let entries = page(process).entries;
        let edges = derived(process, "nonce")["edges"].as_array().unwrap().clone();
        for (entry, edge) in entries.iter().zip(edges) {
            let node: ForeignNode = serde_json::from_value(edge["node"].clone()).unwrap();
            let back = node.message().unwrap().map(|items| items[0].bytes().clone());
            let text_only = entry.message.as_ref().is_none_or(|bytes| {
                let item = Item::parse(bytes.clone()).unwrap();
                let anchor_is_text =
                    item.anchor().is_none_or(|anchor| std::str::from_utf8(anchor).is_ok());
                std::str::from_utf8(item.data()).is_ok() && anchor_is_text
            });
            assert_eq!(back == entry.message, text_only, "nonce {}", entry.nonce);
        }
    }
}

#[test]
fn an_id_that_does_not_fit_the_signature_is_seen() {
    let mut edge = derived(PROCESSES[0], "nonce")["edges"][2]["node"].clone();
    edge["message"]["id"] = Value::from(PROCESSES[1]);
    let node: ForeignNode = serde_json::from_value(edge).unwrap();
    assert!(matches!(node.message(), Err(rota_wire::ForeignNodeError::Id { .. })));
}

#[test]
fn a_process_is_shown_flat() {
    let entry = &page(PROCESSES[0]).entries[0];
    let json: Value = serde_json::from_slice(&rota_wire::process(entry).unwrap()).unwrap();
    let node = &derived(PROCESSES[0], "nonce")["edges"][0]["node"];
    assert_eq!(json["process_id"], PROCESSES[0]);
    assert_eq!(json["block"], "000001526366");
    assert_eq!(json["timestamp"], 1_728_856_580_024_u64);
    assert_eq!(json["target"], Value::Null);
    for field in ["owner", "tags", "signature", "anchor", "data"] {
        assert_eq!(json[field], node["message"][field], "{field}");
    }
}

#[test]
fn show_anchor_shows_what_is_no_text() {
    let entry = &page(PROCESSES[0]).entries[0];
    let show =
        |show| serde_json::from_slice::<Value>(&rota_wire::node(entry, show).unwrap()).unwrap();
    assert_eq!(show(false)["assignment"]["anchor"], Value::Null);
    assert_eq!(show(true)["assignment"]["anchor"], "L7VTGPeEYmCsLCnFPIaaM159qCEzi7ZxT8eJebw7v4s");
}
