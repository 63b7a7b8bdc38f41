//! `POST /` with an item: what is taken, and what taking it twice means.

use crate::{site, site_with};
use rota_schedule::ProcessId;
use rota_testkit::{GatewayMode, Site, message, pushed, signers, spawn};
use serde_json::Value;

#[tokio::test]
async fn items_of_every_signature_type_are_taken_and_verify_from_the_json_alone() {
    let site = site().await;
    for signer in signers() {
        let signer = signer.as_ref();
        let process = spawn().sign_as(signer);
        let id: ProcessId = process.id().into();
        let sent = message(id).tag("Action", "Grüße 🌍").sign_as(signer);
        for item in [&process, &sent] {
            let answer = site.client.post(item).await.ok();
            assert_eq!(answer["id"], item.id().to_string(), "{}", signer.signature_type());
        }
        let nodes = site.checked(id).await;
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1]["message"]["id"], sent.id().to_string());
        assert_eq!(nodes[1]["message"]["owner"]["address"], signer.address().to_string());
    }
}

#[tokio::test]
async fn the_answer_is_the_items_id_and_the_time_of_its_assignment_as_a_number() {
    let site = site_with(&[]).await;
    let (process, items) = site.process_of(1).await;
    let answer = site.client.post(&items[0]).await;
    let json = answer.ok();
    let node = site.client.get(&format!("/{}", items[0].id())).await.ok();
    let time = tag(&node, "Timestamp").parse::<u64>().unwrap();
    let expected = format!("{{\"timestamp\":{time},\"id\":\"{}\"}}", items[0].id());
    assert_eq!(answer.text(), expected);
    assert_eq!(json["timestamp"].as_u64(), Some(time));
    assert_eq!(tag(&node, "Process"), process.to_string());
}

#[tokio::test]
async fn the_same_item_gets_the_first_answer_however_often_and_at_once() {
    let site = site().await;
    let process = site.spawned().await;
    let item = message(process).sign();
    let tries = (0..50).map(|_| {
        let (client, item) = (site.client.clone(), item.clone());
        tokio::spawn(async move { client.post(&item).await })
    });
    let mut answers = Vec::new();
    for running in tries.collect::<Vec<_>>() {
        answers.push(running.await.unwrap().ok());
    }
    answers.push(site.client.post(&item).await.ok());
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(site.checked(process).await.len(), 2);
}

#[tokio::test]
async fn a_process_posted_again_never_advances_a_nonce() {
    let site = site_with(&[]).await;
    let item = spawn().sign();
    let process = item.id().into();
    let first = site.client.post(&item).await.ok();
    for nonce in 1..4_u64 {
        site.client.post(&message(process).sign()).await.ok();
        assert_eq!(site.client.post(&item).await.ok(), first);
        let latest = site.client.get(&format!("/{process}/latest")).await.ok();
        assert_eq!(tag(&latest, "Nonce"), nonce.to_string());
    }
    assert_eq!(site.checked(process).await.len(), 4);
}

#[tokio::test]
async fn spawns_posted_at_once_are_one_process() {
    let site = site().await;
    let item = spawn().sign();
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (client, item) = (site.client.clone(), item.clone());
            tokio::spawn(async move { client.post(&item).await.ok() })
        })
        .collect();
    let mut answers = Vec::new();
    for running in tries {
        answers.push(running.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(site.checked(item.id().into()).await.len(), 1);
}

#[tokio::test]
async fn the_first_answer_survives_a_restart() {
    let mut site = site_with(&[]).await;
    let (process, items) = site.process_of(2).await;
    let first = site.client.post(&items[1]).await.ok();
    let pushed = pushed(process, "somebody").data("once").sign();
    site.client.post(&pushed).await.ok();
    site.restart();
    assert_eq!(site.client.post(&items[1]).await.ok(), first);
    let same_content =
        rota_testkit::pushed(process, "somebody").tag("Pushed-For", "x").data("once");
    site.client.post(&same_content.sign()).await.error(409);
    assert_eq!(site.checked(process).await.len(), 4);
}

#[tokio::test]
async fn stranger_who_posts_a_content_first_does_not_block_its_push() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let (mu, stranger) = (rota_testkit::user(), rota_testkit::typed_ethereum());
    let push = |cause| pushed(process, "from").data("expected").tag("Pushed-For", cause);
    site.client.post(&push("a").sign_as(&stranger)).await.ok();
    site.client.post(&push("b").sign_as(mu)).await.ok();
    let why = site.client.post(&push("c").sign_as(mu)).await.error(409);
    assert!(why.contains("nonce 2"), "{why}");
    let why = site.client.post(&push("d").sign_as(&stranger)).await.error(409);
    assert!(why.contains("nonce 1"), "{why}");
    // The same key under another scheme has the same address, and so is the same signer.
    site.client.post(&push("e").sign_as(&rota_testkit::hex_solana())).await.error(409);
    assert_eq!(site.checked(process).await.len(), 3);
}

#[tokio::test]
async fn pushed_messages_are_one_entry_per_content_and_process() {
    let site = site_with(&[]).await;
    let (process, other) = (site.spawned().await, site.spawned().await);
    let content = || pushed(process, "from").tag("Action", "Credit").tag("Aa", "1").data("same");
    let first = content().tag("Pushed-For", "one").sign();
    let answer = site.client.post(&first).await.ok();
    let same =
        [content().sign(), content().tag("Pushed-For", "two").sign(), content().reversed().sign()];
    for item in &same {
        let why = site.client.post(item).await.error(409);
        assert!(why.contains("nonce 1"), "{why}");
    }
    assert_eq!(site.client.post(&first).await.ok(), answer, "the item itself is a retry");
    let others = [
        content().sign_as(&rota_testkit::typed_ethereum()),
        content().data("other").sign(),
        content().anchor([b'a'; 32]).sign(),
        content().tag("Action", "Credit").sign(),
        pushed(other, "from").tag("Action", "Credit").tag("Aa", "1").data("same").sign(),
        message(process).tag("Action", "Credit").tag("Aa", "1").data("same").sign(),
        message(process).tag("Aa", "1").tag("Action", "Credit").data("same").sign(),
    ];
    for item in &others {
        site.client.post(item).await.ok();
    }
    assert_eq!(site.checked(process).await.len(), 2 + 6);
    assert_eq!(site.checked(other).await.len(), 2);
}

#[tokio::test]
async fn pushed_messages_of_one_content_at_once_are_one_entry() {
    let site = site().await;
    let process = site.spawned().await;
    let mut tries = Vec::new();
    for number in 0..20 {
        let item = pushed(process, "from").tag("Pushed-For", &number.to_string()).data("x").sign();
        let client = site.client.clone();
        tries.push(tokio::spawn(async move { client.post(&item).await.status }));
    }
    let mut taken = 0;
    for running in tries {
        match running.await.unwrap() {
            200 => taken += 1,
            status => assert_eq!(status, 409),
        }
    }
    assert_eq!((taken, site.checked(process).await.len()), (1, 2));
}

#[tokio::test]
async fn deduplication_by_content_can_be_switched_off() {
    let site = site_with(&[("ENABLE_DEEP_HASH_CHECKS", "false")]).await;
    let process = site.spawned().await;
    for push in ["one", "two"] {
        let item = pushed(process, "from").tag("Pushed-For", push).data("same").sign();
        site.client.post(&item).await.ok();
        site.client.post(&item).await.ok();
    }
    assert_eq!(site.checked(process).await.len(), 3);
}

#[tokio::test]
async fn lower_case_tag_names_are_understood() {
    let site = site_with(&[]).await;
    let lower = |builder: rota_testkit::ItemBuilder| {
        builder.rename("Data-Protocol", "data-protocol").rename("Type", "type").sign()
    };
    let process = lower(spawn());
    site.client.post(&process).await.ok();
    site.client.post(&lower(message(process.id().into()))).await.ok();
    assert_eq!(site.checked(process.id().into()).await.len(), 2);
}

#[tokio::test]
async fn a_content_type_is_not_insisted_on_and_unknown_parameters_are_ignored() {
    let site = site_with(&[]).await;
    for kind in ["application/octet-stream", "text/plain", "application/json", "nonsense"] {
        let body = spawn().sign().bytes().clone();
        let headers = [("content-type", kind)];
        site.client.send("POST", "/?utm_source=x&process=y", &headers, body).await.ok();
    }
}

#[tokio::test]
async fn on_boot_data_needs_no_gateway_and_anything_else_a_transaction_there() {
    let site = site_with(&[]).await;
    let boot = spawn().sign();
    let named = |suffix: &str| spawn().tag("On-Boot", &format!("{}{suffix}", boot.id())).sign();
    let why = site.client.post(&named("")).await.error(400);
    assert!(why.contains("On-Boot") && why.contains(&boot.id().to_string()), "{why}");
    site.gateway.hold(&boot);
    site.client.post(&named("")).await.ok();
    site.client.post(&named("?")).await.ok();
    assert!(site.gateway.calls(&format!("HEAD /{}", boot.id())) >= 3);
    let malformed = spawn().tag("On-Boot", "../info").sign();
    site.client.post(&malformed).await.error(400);
    site.gateway.behave(GatewayMode::Status(500));
    site.client.post(&spawn().tag("On-Boot", "Data").sign()).await.ok();
}

#[tokio::test]
async fn on_boot_while_the_gateway_is_away_is_503_but_a_retry_of_a_known_spawn_is_not() {
    let site = site_with(&[]).await;
    let boot = spawn().sign();
    site.gateway.hold(&boot);
    let known = spawn().tag("On-Boot", &boot.id().to_string()).sign();
    let first = site.client.post(&known).await.ok();
    for mode in [GatewayMode::Status(500), GatewayMode::Status(429), GatewayMode::Hang] {
        site.gateway.behave(mode);
        let new = spawn().tag("On-Boot", &boot.id().to_string()).sign();
        let answer = site.client.post(&new).await;
        answer.error(503);
        assert!(answer.header("retry-after").is_some(), "{mode:?}");
        assert_eq!(site.client.post(&known).await.ok(), first);
    }
    messages_go_on(&site, known.id().into()).await;
}

async fn messages_go_on(site: &Site, process: ProcessId) {
    site.client.post(&message(process).sign()).await.ok();
    assert_eq!(site.checked(process).await.len(), 2);
}

/// A tag of the assignment of a node.
pub(crate) fn tag(node: &Value, name: &str) -> String {
    let tags = node["assignment"]["tags"].as_array().unwrap();
    let found = tags.iter().find(|tag| tag["name"] == name);
    found.unwrap_or_else(|| panic!("no tag {name} in {node}"))["value"].as_str().unwrap().to_owned()
}
