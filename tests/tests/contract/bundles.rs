//! The items as bytes: `GET /raw/{id}`, and nodes for clients that accept `application/octet-stream`.

use crate::{site, site_with};
use rota_ans104::{Bundle, Item};
use rota_testkit::{Answer, MODULE, message};

const BYTES: &str = "application/octet-stream";

#[tokio::test]
async fn raw_gives_items_and_assignments_byte_for_byte() {
    let site = site().await;
    let process = site.spawned().await;
    let item = message(process).data(&b"\xff\x00\xfe"[..]).sign();
    site.client.post(&item).await.ok();
    let raw = site.client.get(&format!("/raw/{}", item.id())).await;
    assert_eq!((raw.status, raw.header("content-type")), (200, Some(BYTES)));
    assert_eq!(raw.body, *item.bytes());
    let node = site.client.get(&format!("/{}", item.id())).await.ok();
    let assignment = node["assignment"]["id"].as_str().unwrap();
    let raw = site.client.get(&format!("/raw/{assignment}")).await;
    let parsed = Item::parse(raw.body).unwrap();
    assert_eq!(parsed.id().to_string(), assignment);
    parsed.verify().unwrap();
    site.client.get(&format!("/raw/{MODULE}")).await.error(404);
    site.client.get("/raw/x").await.error(400);
}

async fn accept(site: &rota_testkit::Site, path: &str, accept: &str) -> Answer {
    site.client.send("GET", path, &[("accept", accept)], bytes::Bytes::new()).await
}

#[tokio::test]
async fn whoever_accepts_bytes_gets_the_signed_bundle() {
    let site = site().await;
    let (process, items) = site.process_of(1).await;
    for (id, item_id) in
        [(items[0].id().to_string(), items[0].id()), (process.to_string(), process.into())]
    {
        let answer = accept(&site, &format!("/{id}"), BYTES).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(BYTES)));
        let bundle = Bundle::parse(answer.body).unwrap();
        let [assignment, item] = bundle.items() else { panic!("not two items") };
        assert_eq!(item.id(), item_id);
        assert_eq!(assignment.tag("Type"), Some("Assignment"));
        for signed in bundle.items() {
            signed.clone().verify().unwrap();
        }
    }
    accept(&site, &format!("/{MODULE}"), BYTES).await.error(404);
}

#[tokio::test]
async fn everybody_else_gets_json() {
    let site = site_with(&[]).await;
    let (_, items) = site.process_of(1).await;
    let path = format!("/{}", items[0].id());
    for kind in [
        "*/*",
        "application/json",
        "application/json, application/octet-stream",
        "text/html",
        "",
        ";;,",
    ] {
        accept(&site, &path, kind).await.ok();
    }
}
