//! `GET /{id}` for what is no page: messages, assignments, and the node as it is shown.

use crate::shape::shape;
use crate::{site, site_with};
use rota_schedule::ProcessId;
use rota_testkit::{MODULE, message, spawn};
use serde_json::Value;

#[tokio::test]
async fn the_node_of_a_process_and_of_a_message() {
    let site = site().await;
    let process = spawn().tag("Name", "First").data("return 1").sign();
    site.client.post(&process).await.ok();
    let sent = message(process.id().into()).tag("Action", "Eval").anchor([b'7'; 32]).sign();
    site.client.post(&sent).await.ok();
    let page = site.client.get(&format!("/{}", process.id())).await.ok();
    insta::assert_json_snapshot!("page_of_two", shape(page));
}

#[tokio::test]
async fn an_entry_is_found_by_the_id_of_its_message_and_of_its_assignment() {
    let site = site_with(&[]).await;
    let (process, items) = site.process_of(3).await;
    let nodes = site.checked(process).await;
    for (item, node) in items.iter().zip(&nodes[1..]) {
        let ids = [item.id().to_string(), node["assignment"]["id"].as_str().unwrap().to_owned()];
        for id in ids {
            for query in [
                String::new(),
                format!("?process-id={process}"),
                format!("?proc-id={process}&limit=3"),
            ] {
                assert_eq!(site.client.get(&format!("/{id}{query}")).await.ok(), *node);
            }
            site.client.get(&format!("/{id}?process-id={MODULE}")).await.error(404);
        }
    }
    let own = nodes[0]["assignment"]["id"].as_str().unwrap();
    assert_eq!(
        site.client.get(&format!("/{own}")).await.ok(),
        nodes[0],
        "the process's own assignment"
    );
}

#[tokio::test]
async fn what_is_not_known_is_404_and_what_is_no_id_is_400() {
    let site = site_with(&[]).await;
    let why = site.client.get(&format!("/{MODULE}")).await.error(404);
    assert!(why.contains(MODULE), "{why}");
    for bad in [
        "x",
        "favicon.ico",
        &MODULE[1..],
        &format!("{MODULE}A"),
        "%2e%2e%2f",
        "%00",
        &"a".repeat(9_000),
    ] {
        let answer = site.client.get(&format!("/{bad}")).await;
        assert!(matches!(answer.status, 400 | 404), "{bad}: {}", answer.status);
        answer.error(answer.status);
    }
}

fn assignment_anchor(node: &Value) -> &str {
    node["assignment"]["anchor"].as_str().unwrap()
}

#[tokio::test]
async fn anchors_are_text_where_they_can_be() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let text = message(process).anchor(*b"an anchor of 32 characters .....").sign();
    let bytes = message(process).anchor([0xff; 32]).sign();
    let none = message(process).sign();
    for (item, shown) in [
        (&text, Value::from("an anchor of 32 characters .....")),
        (&bytes, Value::Null),
        (&none, Value::Null),
    ] {
        site.client.post(item).await.ok();
        for query in ["", "?show-anchor", "?show-anchor=1"] {
            let node = site.client.get(&format!("/{}{query}", item.id())).await.ok();
            assert_eq!(node["message"]["anchor"], shown, "{query}");
            let anchor = assignment_anchor(&node);
            assert!(anchor.len() == 32 && anchor.is_ascii(), "{anchor}");
        }
    }
}

#[tokio::test]
async fn anchors_of_assignments_differ() {
    let site = site_with(&[]).await;
    let (process, _) = site.process_of(20).await;
    let nodes = site.checked(process).await;
    let mut anchors: Vec<&str> = nodes.iter().map(assignment_anchor).collect();
    anchors.sort_unstable();
    anchors.dedup();
    assert_eq!(anchors.len(), 21);
}

#[tokio::test]
async fn data_is_text_and_invalid_bytes_are_replaced() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    for (data, shown) in [
        (&b""[..], ""),
        (b"plain", "plain"),
        ("\"Grüße\" \\ \u{0}\n".as_bytes(), "\"Grüße\" \\ \u{0}\n"),
        (b"a\xffb\xc3", "a\u{fffd}b\u{fffd}"),
    ] {
        let item = message(process).data(data.to_vec()).anchor([b'z'; 32]).sign();
        site.client.post(&item).await.ok();
        let node = site.client.get(&format!("/{}", item.id())).await.ok();
        assert_eq!(node["message"]["data"], shown);
    }
}

#[tokio::test]
async fn latest_is_the_newest_node_or_the_process_itself() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let latest = format!("/{process}/latest");
    let own = site.client.get(&latest).await.ok();
    assert_eq!(own["message"]["id"], process.to_string());
    let mut last = String::new();
    for _ in 0..3 {
        let item = message(process).sign();
        site.client.post(&item).await.ok();
        last = item.id().to_string();
        assert_eq!(site.client.get(&latest).await.ok()["message"]["id"], last);
    }
    site.client.get(&format!("/{last}/latest")).await.error(404);
    site.client.get(&format!("/{MODULE}/latest")).await.error(404);
    site.client.get("/x/latest").await.error(400);
}

#[tokio::test]
async fn a_process_is_shown_flat() {
    let site = site().await;
    let item = spawn().tag("Name", "Flat").data("return 1").sign();
    site.client.post(&item).await.ok();
    let shown = site.client.get(&format!("/processes/{}", item.id())).await.ok();
    assert_eq!(shown["process_id"], item.id().to_string());
    assert_eq!(shown["block"].as_str().map(str::len), Some(12));
    assert!(shown["timestamp"].is_u64());
    assert_eq!(shown["owner"]["address"], rota_testkit::user().address().to_string());
    insta::assert_json_snapshot!("process", shape(shown));
}

#[tokio::test]
async fn a_flat_process_says_null_where_there_is_nothing() {
    let site = site_with(&[]).await;
    let binary = spawn().data(&b"\xff\x00"[..]).anchor([0xfe; 32]).sign();
    site.client.post(&binary).await.ok();
    let shown = site.client.get(&format!("/processes/{}", binary.id())).await.ok();
    for field in ["data", "anchor", "target"] {
        assert_eq!(shown[field], Value::Null, "{field}");
    }
}

#[tokio::test]
async fn processes_answers_for_processes_only() {
    let site = site_with(&[]).await;
    let (process, items) = site.process_of(1).await;
    let node = site.client.get(&format!("/{process}/latest")).await.ok();
    let assignment = node["assignment"]["id"].as_str().unwrap().to_owned();
    let unknown = ProcessId::new([3; 32]).to_string();
    for id in [items[0].id().to_string(), assignment, unknown] {
        site.client.get(&format!("/processes/{id}")).await.error(404);
    }
    site.client.get("/processes/x").await.error(400);
}
