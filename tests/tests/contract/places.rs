//! What gets a place and what gets none: signatures that prove nothing or have a second form, and tags at the
//! edge of what bundlers take.

use crate::site_with;
use bytes::Bytes;
use rota_ans104::{Item, Signer, TAGS_BYTES_MAX, WalletKind};
use rota_schedule::ProcessId;
use rota_testkit::{Site, ethereum_twin, message, spawn, typed_ethereum, wallet};

/// An item of `tests/vectors/cases`.
fn case(name: &str) -> Bytes {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/cases");
    std::fs::read(format!("{folder}/{name}.bin")).unwrap().into()
}

/// Posts what is refused; gives the reason.
async fn refused(site: &Site, item: Bytes) -> String {
    site.client.post_bytes(item).await.error(400)
}

#[tokio::test]
async fn items_of_small_order_owners_get_no_place() {
    let site = site_with(&[]).await;
    for name in ["small-order-1", "small-order-2", "small-order-spawn"] {
        let why = refused(&site, case(name)).await;
        assert!(why.contains("owner") && why.contains("small order"), "{name}: {why}");
    }
    let spawned = Item::parse(case("small-order-spawn")).unwrap().id();
    site.client.get(&format!("/processes/{spawned}")).await.error(404);
}

#[tokio::test]
async fn ethereum_twin_of_a_placed_item_gets_no_place() {
    let site = site_with(&[]).await;
    let (plain, typed) = (wallet(WalletKind::Secp256k1), typed_ethereum());
    for signer in [plain as &dyn Signer, &typed] {
        let process = spawn().sign_as(signer);
        let sent = message(process.id().into()).sign_as(signer);
        for item in [&process, &sent] {
            let first = site.client.post(item).await.ok();
            let why = refused(&site, ethereum_twin(item)).await;
            assert!(why.contains("(v)") && why.contains("27 or 28"), "{why}");
            assert_eq!(site.client.post(item).await.ok(), first);
        }
        assert_eq!(site.checked(process.id().into()).await.len(), 2);
    }
    let why = refused(&site, case("ethereum-twin")).await;
    assert!(why.contains("27 or 28"), "{why}");
    // It verifies, and its process is not here.
    site.client.post_bytes(case("ethereum-original")).await.error(404);
}

#[tokio::test]
async fn tags_without_closing_zero_get_a_place_with_their_bytes() {
    let site = site_with(&[]).await;
    let process = spawn().sign_with_open_tags();
    let id: ProcessId = process.id().into();
    let sent = message(id).tag("Action", "Open").sign_with_open_tags();
    for item in [&process, &sent] {
        site.client.post(item).await.ok();
        let raw = site.client.get(&format!("/raw/{}", item.id())).await;
        assert_eq!(raw.body, *item.bytes());
    }
    let nodes = site.checked(id).await;
    let tags = nodes[1]["message"]["tags"].as_array().unwrap();
    assert_eq!(tags.len(), sent.tags().len());
    assert!(tags.iter().any(|tag| tag["value"] == "Open"), "{tags:?}");
    for name in ["tags-without-terminator", "rsa-salt-20", "lower-case-tags", "tags-4096-bytes"] {
        let why = site.client.post_bytes(case(name)).await.error(404);
        assert!(why.contains("not known"), "{name}: {why}");
    }
}

#[tokio::test]
async fn tags_above_the_limit_get_no_place_and_an_answer_with_both_numbers() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let sized = |len: usize| {
        let with = |text: usize| {
            let builder = message(process).tag("One", &"v".repeat(2_000));
            builder.tag("Two", &"v".repeat(text)).sign_without_limit()
        };
        // Values from 64 to 8,191 bytes all take two bytes for their length.
        with(1_000 + len - with(1_000).tag_bytes().len())
    };
    let largest = sized(TAGS_BYTES_MAX);
    assert_eq!(largest.tag_bytes().len(), TAGS_BYTES_MAX);
    site.client.post(&largest).await.ok();
    for item in [sized(TAGS_BYTES_MAX + 1), sized(5_000)] {
        let why = site.client.post(&item).await.error(400);
        assert!(why.contains(&format!("{} bytes", item.tag_bytes().len())), "{why}");
        assert!(why.contains("at most 4096"), "{why}");
    }
    let why = refused(&site, case("tags-6000-bytes")).await;
    assert!(why.contains("at most 4096"), "{why}");
    assert_eq!(site.checked(process).await.len(), 2);
}
