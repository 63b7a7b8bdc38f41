//! Every route of the servers is described, and what is described is there.

use crate::{ROTA, description, operations};
use bytes::Bytes;
use rota_ans104::WalletKind;
use rota_testkit::Site;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A redirect for those who type a slash too many; no part of the contract.
const SLIP: &str = "/explorer/";

/// The paths in `.route("…"` of all servers' sources, with parameters named alike.
fn routes_in(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            routes_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text: String = text.split_whitespace().collect();
            found.extend(
                text.split(".route(\"")
                    .skip(1)
                    .filter_map(|rest| rest.split('"').next())
                    .map(alike),
            );
        }
    }
}

/// `/{id}/latest` and `/{process}/latest` are one route.
fn alike(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let mut routes = BTreeSet::new();
    for source in [
        "functions/read/src",
        "functions/route/src",
        "functions/rota/src",
        "functions/writer/src",
        "shared/explorer/src",
    ] {
        routes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source), &mut routes);
    }
    assert!(routes.remove(SLIP));
    let description = description();
    let described: BTreeSet<String> =
        operations(&description).into_iter().map(|(path, ..)| alike(path)).collect();
    assert_eq!(routes, described);
}

#[tokio::test]
async fn each_takes_the_methods_that_are_described_and_no_other() {
    let site = Site::with(ROTA, WalletKind::Ed25519, &[]).await;
    let process = site.spawned().await.to_string();
    let description = description();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let mut target = path.replace("{id}", &process).replace("{process}", &process);
        if path == "/explorer/{version}/{file}" {
            let page = site.client.get("/explorer").await.text();
            let app = page.split('"').find(|text| text.ends_with("/app.js")).unwrap();
            target = format!("/{app}");
        }
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
            let asked = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
            let answer = site.client.send(method, &target, &[], Bytes::new()).await;
            let is_described = operations.get(&asked).is_some();
            assert_eq!(answer.status != 405, is_described, "{method} {target}: {}", answer.status);
            if method == "GET" {
                assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            }
        }
    }
}

#[tokio::test]
async fn the_server_serves_it() {
    let site = Site::with(ROTA, WalletKind::Ed25519, &[]).await;
    let answer = site.client.get("/openapi.json").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, rota_wire::OPENAPI));
    let tag = answer.header("etag").unwrap();
    let again =
        site.client.send("GET", "/openapi.json", &[("if-none-match", tag)], Bytes::new()).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let compressed = [("accept-encoding", "gzip")];
    let answer = site.client.send("GET", "/explorer", &compressed, Bytes::new()).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}
