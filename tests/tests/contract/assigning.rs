//! `POST /?process-id=P&assign=T`: items that lie elsewhere.

use crate::posting::tag;
use crate::site_with;
use bytes::Bytes;
use rota_ans104::{Item, Signer};
use rota_schedule::ProcessId;
use rota_testkit::{GatewayMode, Site, message, pushed, spawn, typed_ethereum, user};

/// An item that the gateway knows, for some other process.
fn elsewhere(site: &Site) -> Item {
    let item = message(ProcessId::new([8; 32])).tag("Action", "Remote").sign();
    site.gateway.hold(&item);
    item
}

#[tokio::test]
async fn an_item_that_the_gateway_knows_is_assigned_without_its_bytes() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let item = elsewhere(&site);
    let (id, named) = (item.id().to_string(), process.to_string());
    let path = format!("/?process-id={named}&assign={id}");
    let answer = site.client.send("POST", &path, &[], Bytes::from_static(b"ignored")).await.ok();
    let assignment = answer["id"].as_str().unwrap();
    let node = site.client.get(&format!("/{assignment}")).await.ok();
    assert_eq!(node["message"], serde_json::Value::Null);
    assert_eq!(node["assignment"]["id"], assignment);
    assert_eq!(tag(&node, "Message"), id);
    assert_eq!(answer["timestamp"].to_string(), tag(&node, "Timestamp"));
    assert_eq!(site.client.get(&format!("/{id}")).await.ok(), node, "by the item's id, too");
    assert_eq!(site.client.get(&format!("/{named}/latest")).await.ok(), node);
    assert_eq!(site.checked(process).await[1], node);
    site.client.get(&format!("/raw/{id}")).await.error(404);
}

#[tokio::test]
async fn assigned_items_are_deduplicated_by_content_with_pushed_ones() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let named = process.to_string();
    let item = elsewhere(&site);
    site.client.assign(&named, &item.id().to_string(), "").await.ok();
    let why = site.client.assign(&named, &item.id().to_string(), "").await.error(409);
    assert!(why.contains("nonce 1"), "{why}");
    let content = || pushed(process, "from").tag("Action", "Same").data("same");
    let remote = content().tag("Pushed-For", "a").sign();
    site.gateway.hold(&remote);
    site.client.post(&content().tag("Pushed-For", "b").sign()).await.ok();
    site.client.assign(&named, &remote.id().to_string(), "").await.error(409);
    assert_eq!(site.checked(process).await.len(), 3);
}

#[tokio::test]
async fn equal_messages_of_two_wallets_can_both_be_assigned() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let content = message(ProcessId::new([8; 32])).tag("Action", "Vote").data("yes");
    let wallets: [&dyn Signer; 2] = [user(), &typed_ethereum()];
    let items = wallets.map(|wallet| content.sign_as(wallet));
    for item in &items {
        site.gateway.hold(item);
        site.client.assign(&process.to_string(), &item.id().to_string(), "").await.ok();
    }
    let nodes = site.checked(process).await;
    let placed = [&nodes[1], &nodes[2]].map(|node| tag(node, "Message"));
    assert_eq!(placed, items.map(|item| item.id().to_string()));
}

#[tokio::test]
async fn assigning_an_assignment_changes_no_answer_of_its_id() {
    let site = site_with(&[("ENABLE_DEEP_HASH_CHECKS", "false")]).await;
    let (process, items) = site.process_of(1).await;
    let stranger = site.spawned().await;
    let node = site.client.get(&format!("/{}", items[0].id())).await.ok();
    let id = node["assignment"]["id"].as_str().unwrap().to_owned();
    let own = format!("/{id}?process-id={process}");
    let paths = [format!("/{id}"), own, format!("/raw/{id}")];
    let mut first = Vec::new();
    for path in &paths {
        let answer = site.client.get(path).await;
        assert!(answer.header("cache-control").unwrap().contains("immutable"), "{path}");
        first.push(answer.body);
    }
    let item = Item::parse(first[2].clone()).unwrap();
    site.gateway.hold(&item);
    for to in [stranger, process] {
        site.client.assign(&to.to_string(), &id, "").await.ok();
    }
    for (path, first) in paths.iter().zip(first) {
        assert_eq!(site.client.get(path).await.body, first, "{path}");
    }
    let there = site.client.get(&format!("/{id}?process-id={stranger}")).await;
    assert_eq!(tag(&there.ok(), "Message"), id, "where only the item is, that is found");
    assert_eq!(there.header("cache-control"), Some("private, no-cache"));
}

#[tokio::test]
async fn a_message_assigned_more_than_once_is_found_at_its_earliest_place_in_the_named_process() {
    let site = site_with(&[("ENABLE_DEEP_HASH_CHECKS", "false")]).await;
    let (one, two) = (site.spawned().await.to_string(), site.spawned().await.to_string());
    let item = elsewhere(&site);
    let id = item.id().to_string();
    let mut assignments = Vec::new();
    for process in [&one, &one, &two, &two] {
        let answer = site.client.assign(process, &id, "").await.ok();
        assignments.push(answer["id"].as_str().unwrap().to_owned());
    }
    for (query, expected) in [
        (String::new(), &assignments[0]),
        (format!("?process-id={one}"), &assignments[0]),
        (format!("?process-id={two}"), &assignments[2]),
        (format!("?proc-id={two}"), &assignments[2]),
    ] {
        let node = site.client.get(&format!("/{id}{query}")).await.ok();
        assert_eq!(node["assignment"]["id"], **expected, "{query}");
    }
    assert_eq!(site.gateway.calls("GET /raw/"), 0, "no hash, so no data is needed");
}

#[tokio::test]
async fn base_layer_needs_the_confirmations_that_the_process_wants() {
    let site = site_with(&[]).await;
    let cases = [
        (None, 19, 403),
        (None, 20, 200),
        (Some("3"), 2, 403),
        (Some("3"), 3, 200),
        (Some("many"), 19, 403),
        (Some("many"), 20, 200),
        (Some("0"), 0, 200),
    ];
    for (number, (depth, confirmations, status)) in cases.into_iter().enumerate() {
        let builder = spawn();
        let process =
            depth.map_or(builder.clone(), |depth| builder.tag("Settlement-Depth", depth)).sign();
        site.client.post(&process).await.ok();
        let transaction = ProcessId::new([number as u8; 32]).to_string();
        site.gateway.confirm(&transaction, confirmations);
        let answer =
            site.client.assign(&process.id().to_string(), &transaction, "&base-layer").await;
        assert_eq!(answer.status, status, "{depth:?} {confirmations}: {}", answer.text());
        if status == 200 {
            assert_eq!(site.checked(process.id().into()).await.len(), 2);
        }
    }
    let process = site.spawned().await.to_string();
    let unknown = ProcessId::new([99; 32]).to_string();
    let why = site.client.assign(&process, &unknown, "&base-layer=true").await.error(403);
    assert!(why.contains("20"), "{why}");
}

#[tokio::test]
async fn excluded_fields_are_tags_in_the_order_given() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let item = elsewhere(&site).id().to_string();
    for bad in ["&exclude=,", "&exclude=Data,,Tags"] {
        site.client.assign(&process.to_string(), &item, bad).await.error(400);
    }
    site.client.assign(&process.to_string(), &item, "&exclude=Data,Tags,Anchor").await.ok();
    let node = &site.checked(process).await[1];
    let tags = node["assignment"]["tags"].as_array().unwrap();
    let names: Vec<_> = tags.iter().skip(9).map(|tag| (&tag["name"], &tag["value"])).collect();
    let expected = [
        ("Message", item.as_str()),
        ("Exclude", "Data"),
        ("Exclude", "Tags"),
        ("Exclude", "Anchor"),
    ];
    assert_eq!(names.len(), expected.len());
    assert!(
        names
            .iter()
            .zip(expected)
            .all(|(found, wanted)| *found.0 == wanted.0 && *found.1 == wanted.1)
    );
}

#[tokio::test]
async fn lone_excluded_field_is_two_equal_tags() {
    let site = site_with(&[("ENABLE_DEEP_HASH_CHECKS", "false")]).await;
    let process = site.spawned().await;
    for list in ["Data", "Data,Data"] {
        let item = elsewhere(&site).id().to_string();
        site.client.assign(&process.to_string(), &item, &format!("&exclude={list}")).await.ok();
    }
    for node in &site.checked(process).await[1..] {
        let tags = node["assignment"]["tags"].as_array().unwrap();
        let excluded: Vec<_> = tags.iter().filter(|tag| tag["name"] == "Exclude").collect();
        assert_eq!(excluded.len(), 2, "{node}");
        assert!(excluded.iter().all(|tag| tag["value"] == "Data"), "{node}");
    }
}

#[tokio::test]
async fn both_parameters_or_neither_and_both_are_ids() {
    let site = site_with(&[]).await;
    let process = site.spawned().await.to_string();
    let item = elsewhere(&site).id().to_string();
    let body = || spawn().sign().bytes().clone();
    for (query, word) in [
        (format!("process-id={process}"), "assign"),
        (format!("assign={item}"), "process-id"),
        (format!("process-id={process}&assign="), "assign"),
        (format!("process-id={process}&assign={}", &item[1..]), "assign"),
        (format!("process-id={process}&assign={item}A"), "assign"),
        (format!("process-id=x&assign={item}"), "process-id"),
    ] {
        let why = site.client.send("POST", &format!("/?{query}"), &[], body()).await.error(400);
        assert!(why.contains(word), "{query}: {why}");
    }
    site.client.assign(&item, &item, "").await.error(404);
    let unknown = ProcessId::new([99; 32]).to_string();
    let why = site.client.assign(&process, &unknown, "").await.error(404);
    assert!(why.contains(&unknown), "{why}");
}

#[tokio::test]
async fn a_gateway_that_is_away_is_503_with_a_time_to_come_back() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let item = elsewhere(&site).id().to_string();
    for mode in [GatewayMode::Status(502), GatewayMode::Hang, GatewayMode::Garbage] {
        site.gateway.behave(mode);
        for more in ["", "&base-layer"] {
            let answer = site.client.assign(&process.to_string(), &item, more).await;
            let why = answer.error(503);
            assert!(answer.header("retry-after").is_some(), "{mode:?}: {why}");
        }
    }
    site.gateway.behave(GatewayMode::Good);
    site.client.assign(&process.to_string(), &item, "").await.ok();
    assert_eq!(site.checked(process).await.len(), 2);
}

#[tokio::test]
async fn assigning_can_be_switched_off() {
    let site = site_with(&[("ENABLE_PROCESS_ASSIGNMENT", "false")]).await;
    let process = site.spawned().await.to_string();
    let item = elsewhere(&site).id().to_string();
    for more in ["", "&base-layer"] {
        site.client.assign(&process, &item, more).await.error(403);
    }
}
