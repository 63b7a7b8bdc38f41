//! The main job on real input: schedules that another scheduler ordered are posted again, item by item,
//! and read back. The messages must come out as they went in, field by field; the new order must verify
//! from the JSON alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

use rota_ans104::{Item, b64};
use rota_schedule::ProcessId;
use rota_testkit::independent::Checker;
use rota_testkit::vectors::{self, PROCESS, SPAWN, Vector};
use rota_testkit::{ItemBuilder, Site};
use serde_json::{Value, json};

const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");

/// A scheduler whose gateway knows what the vectors' `On-Boot` names.
async fn site(bundles: &[Vec<Item>]) -> Site {
    let site = Site::start(ROTA).await;
    for item in bundles.iter().flatten() {
        if let Some(id) = item.tag("On-Boot") {
            site.gateway.hold_as(id.trim_end_matches('?'), item);
        }
    }
    site
}

/// Posts what the bundles of a process placed, in order: items are posted, items that were only
/// assigned are assigned again.
async fn import(site: &Site, process: &str, bundles: &[Vec<Item>]) {
    for bundle in bundles {
        let [assignment, rest @ ..] = bundle.as_slice() else { panic!("an empty bundle") };
        if let [item] = rest {
            let answer = site.client.post(item).await.ok();
            assert_eq!(answer["id"], item.id().to_string());
            continue;
        }
        let id = assignment.tag("Message").unwrap();
        site.gateway.hold_as(id, &ItemBuilder::new(None).tag("Type", "Remote").sign());
        site.client.assign(process, id, "").await.ok();
    }
}

#[tokio::test]
async fn a_process_of_31_entries_is_posted_again_and_reads_the_same() {
    let bundles = vectors::bundles(PROCESS);
    let site = site(&bundles).await;
    import(&site, PROCESS, &bundles).await;
    let nodes = site.checked(PROCESS.parse().unwrap()).await;
    let derived = vectors::derived(PROCESS);
    let edges = derived["edges"].as_array().unwrap();
    assert_eq!(nodes.len(), edges.len());
    for (node, edge) in nodes.iter().zip(edges) {
        assert_eq!(node["message"], edge["node"]["message"]);
        for name in ["Process", "Nonce", "Message", "Exclude"] {
            assert_eq!(assignment_tag(node, name), assignment_tag(&edge["node"], name));
        }
    }
    assert_eq!(nodes.iter().filter(|node| node["message"].is_null()).count(), 15);
}

#[tokio::test]
async fn the_first_link_of_an_imported_spawn_is_the_one_it_always_had() {
    let bundles = vectors::bundles(SPAWN);
    let site = site(&bundles).await;
    import(&site, SPAWN, &bundles).await;
    let nodes = site.checked(SPAWN.parse().unwrap()).await;
    let derived = vectors::derived(SPAWN);
    let before = &derived["edges"][0]["node"];
    assert_eq!(nodes[0]["message"], before["message"]);
    assert_eq!(assignment_tag(&nodes[0], "Hash-Chain"), assignment_tag(before, "Hash-Chain"));
}

#[test]
fn the_independent_checker_finds_every_link_of_the_original_but_its_anchors() {
    // The original's anchors are raw bytes, which JSON shows as null: what it says of the first
    // assignment is exactly what the contract warns of.
    let derived = vectors::derived(PROCESS);
    let node = &derived["edges"][0]["node"];
    assert_eq!(node["assignment"]["anchor"], Value::Null);
    let wrong = Checker::new(PROCESS).node(node).unwrap_err();
    assert!(wrong.contains("does not verify"), "{wrong}");
}

fn assignment_tag<'a>(node: &'a Value, name: &str) -> Option<&'a str> {
    let tags = node["assignment"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == name).map(|tag| tag["value"].as_str().unwrap())
}

/// The message part of a node, worked out from what arbundles says of the item.
fn expected(vector: &Vector) -> Value {
    let index = &vector.index;
    let text = |name: &str| index[name].as_str().map(str::to_owned);
    let data = b64::decode(&text("data_b64u").unwrap()).unwrap();
    let anchor = text("anchor_hex").map(|hex| hex_text(&hex));
    let is_process = index["target"].is_null();
    json!({
        "id": index["id"],
        "owner": { "address": index["owner_address_sha256"], "key": index["owner_b64u"] },
        "data": String::from_utf8_lossy(&data),
        "tags": index["tags"],
        "signature": b64::encode(Item::parse(vector.bytes.clone()).unwrap().signature()),
        "anchor": anchor,
        "target": if is_process { Value::Null } else { index["target"].clone() },
    })
}

fn hex_text(hex: &str) -> String {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    String::from_utf8((0..hex.len()).step_by(2).map(byte).collect()).unwrap()
}

#[tokio::test]
async fn arbundles_processes_of_all_five_schemes_are_scheduled() {
    let site = Site::start(ROTA).await;
    let vectors = vectors::arbundles();
    let processes: Vec<&Vector> =
        vectors.iter().filter(|vector| vector.index["target"].is_null()).collect();
    let mut types: Vec<u64> =
        processes.iter().map(|vector| vector.index["signature_type"].as_u64().unwrap()).collect();
    types.sort_unstable();
    assert_eq!(types, [1, 2, 3, 4, 7]);
    for vector in processes {
        site.client.post_bytes(vector.bytes.clone()).await.ok();
        let process: ProcessId = vector.index["id"].as_str().unwrap().parse().unwrap();
        let nodes = site.checked(process).await;
        assert_eq!(nodes[0]["message"], expected(vector), "{}", vector.name);
        let raw = site.client.get(&format!("/raw/{process}")).await;
        assert_eq!(raw.body, vector.bytes, "{}", vector.name);
    }
}

#[tokio::test]
async fn arbundles_messages_are_refused_cleanly_and_can_be_assigned() {
    let site = Site::start(ROTA).await;
    let process = site.spawned().await;
    let vectors = vectors::arbundles();
    let messages = vectors.iter().filter(|vector| !vector.index["target"].is_null());
    let mut contents = std::collections::HashSet::new();
    for vector in messages {
        let item = Item::parse(vector.bytes.clone()).unwrap();
        let status = if item.tag("Data-Protocol").is_some() { 404 } else { 400 };
        site.client.post(&item).await.error(status);
        site.gateway.hold(&item);
        let answer = site.client.assign(&process.to_string(), &item.id().to_string(), "").await;
        // What is assigned twice is known by its signer and by arbundles' hash of its content.
        let index = &vector.index;
        let content = [&index["dedupe_deep_hash_ordered"], &index["owner_address_sha256"]];
        if contents.insert(content.map(Value::to_string)) {
            let assignment = answer.ok()["id"].as_str().unwrap().to_owned();
            let node = site.client.get(&format!("/{assignment}")).await.ok();
            assert_eq!(node["message"], Value::Null);
            assert_eq!(assignment_tag(&node, "Message"), vector.index["id"].as_str());
        } else {
            answer.error(409);
        }
    }
    assert_eq!(site.checked(process).await.len(), 1 + contents.len());
}
