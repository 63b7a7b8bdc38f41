//! A server between the browser and the scheduler that lies: the page must say so, and where.

use crate::page::Page;
use crate::scene::Scene;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse as _, Response};
use rota_testkit::Client;
use serde_json::Value;
use std::sync::Arc;

/// What the liar does to a JSON answer, and to the bytes of an item.
#[derive(Clone, Copy)]
struct Lies {
    json: fn(&mut Value),
    bytes: fn(&mut Vec<u8>),
}

const HONEST: Lies = Lies { json: |_| {}, bytes: |_| {} };

/// A server that passes everything on but for its lies. It ends with the test's runtime.
async fn liar(honest: Client, lies: Lies) -> String {
    let app = Router::new().fallback(pass).with_state(Arc::new((honest, lies)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn pass(State(state): State<Arc<(Client, Lies)>>, request: Request) -> Response {
    let (honest, lies) = &*state;
    let target = request.uri().path_and_query().unwrap().as_str();
    let answer = honest.get(target).await;
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    let mut body = answer.body.to_vec();
    if target.starts_with("/raw/") {
        (lies.bytes)(&mut body);
    } else if kind == "application/json"
        && let Ok(mut json) = serde_json::from_slice::<Value>(&body)
    {
        (lies.json)(&mut json);
        body = serde_json::to_vec(&json).unwrap();
    }
    let name = HeaderName::from_static("content-type");
    let status = axum::http::StatusCode::from_u16(answer.status).unwrap();
    (status, [(name, kind)], Body::from(body)).into_response()
}

/// Every node of an answer, whatever kind of answer it is.
fn nodes(json: &mut Value) -> Vec<&mut Value> {
    if json["edges"].is_array() {
        let edges = json["edges"].as_array_mut().unwrap().iter_mut();
        return edges.map(|edge| &mut edge["node"]).collect();
    }
    if json["assignment"].is_object() { vec![json] } else { Vec::new() }
}

fn nonce(node: &Value) -> String {
    let tags = node["assignment"]["tags"].as_array().unwrap();
    tags.iter().find(|tag| tag["name"] == "Nonce").unwrap()["value"].as_str().unwrap().to_owned()
}

/// Does something to the entry with nonce 2.
fn to_the_second(json: &mut Value, what: impl Fn(&mut Value)) {
    nodes(json).into_iter().filter(|node| nonce(node) == "2").for_each(what);
}

fn set_tag(item: &mut Value, name: &str, value: &str) {
    let tags = item["tags"].as_array_mut().unwrap();
    tags.iter_mut().find(|tag| tag["name"] == name).unwrap()["value"] = value.into();
}

/// What the page says of the whole schedule and of the entry with nonce 2 when it hears lies.
async fn told(lies: Lies) -> (String, String) {
    let scene = Scene::with(4).await;
    let second = scene.site.checked(scene.process).await[2]["assignment"]["id"].clone();
    let url = liar(scene.site.client.clone(), lies).await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", scene.process)).await;
    page.wait("document.querySelectorAll('.schedule .badge').length >= 4").await;
    page.click("#verify").await;
    page.wait("document.querySelector('#verified .overall')").await;
    let all = page.text("#verified").await;
    page.hash(&format!("/message/{}", second.as_str().unwrap())).await;
    page.wait("document.querySelector('.overall .badge') && document.querySelector('h1').innerText.includes('nonce')")
        .await;
    page.picture("wrong").await;
    (all, page.text("section").await)
}

#[tokio::test]
async fn who_passes_everything_on_is_believed() {
    let (all, second) = told(HONEST).await;
    assert!(all.contains("5 entries: all links and signatures verify"), "{all}");
    assert!(second.contains("All of it verifies"), "{second}");
}

#[tokio::test]
async fn a_tag_that_was_changed_in_the_json_is_named() {
    let json = |json: &mut Value| {
        to_the_second(json, |node| set_tag(&mut node["message"], "Action", "Transfer"));
    };
    let (all, second) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("5 entries: 1 wrong") && all.contains("nonce 2"), "{all}");
    for told in [all, second] {
        assert!(
            told.contains("Action: Act-1") && told.contains("found Action: Transfer"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn data_that_was_changed_is_named() {
    let json = |json: &mut Value| {
        to_the_second(json, |node| node["message"]["data"] = "send it all".into());
    };
    let (all, second) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("1 wrong") && second.contains("found send it all"), "{all} {second}");
}

#[tokio::test]
async fn a_byte_that_was_turned_breaks_the_signature() {
    let bytes = |bytes: &mut Vec<u8>| {
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
    };
    let (_, second) = told(Lies { bytes, ..HONEST }).await;
    assert!(second.contains("Something is wrong"), "{second}");
}

#[tokio::test]
async fn entries_that_changed_places_are_found() {
    let json = |json: &mut Value| {
        if let Some(edges) = json["edges"].as_array_mut()
            && edges.len() > 3
        {
            edges.swap(1, 2);
        }
    };
    let (all, _) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("Nonce: expected 1, found 2"), "{all}");
    assert!(all.contains("Hash chain: expected"), "{all}");
}

#[tokio::test]
async fn an_entry_that_was_left_out_is_missed() {
    let json = |json: &mut Value| {
        if let Some(edges) = json["edges"].as_array_mut() {
            edges.retain(|edge| nonce(&edge["node"]) != "2");
        }
    };
    let (all, _) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("Nonce: expected 2, found 3"), "{all}");
}

#[tokio::test]
async fn a_link_a_time_and_a_nonce_that_were_changed_are_named_with_what_was_expected() {
    let other = "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no";
    let json = |json: &mut Value| {
        to_the_second(json, |node| {
            set_tag(
                &mut node["assignment"],
                "Hash-Chain",
                "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no",
            );
            set_tag(&mut node["assignment"], "Timestamp", "1000000000000");
        });
    };
    let (all, second) = told(Lies { json, ..HONEST }).await;
    for told in [all, second] {
        assert!(told.contains(&format!("found {other}")), "{told}");
        assert!(told.contains("Time: expected more than"), "{told}");
    }
}

#[tokio::test]
async fn another_s_signature_another_s_id_and_another_message_are_found() {
    let json = |json: &mut Value| {
        to_the_second(json, |node| {
            node["message"]["id"] = "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no".into();
        });
    };
    let (all, second) = told(Lies { json, ..HONEST }).await;
    for told in [all, second] {
        assert!(told.contains("not SHA-256 of the signature"), "{told}");
        assert!(told.contains("another item than the one assigned"), "{told}");
    }
}

#[tokio::test]
async fn another_scheduler_s_key_is_noticed() {
    let json = |json: &mut Value| {
        to_the_second(json, |node| {
            node["assignment"]["owner"]["key"] =
                "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no".into();
        });
    };
    let (all, _) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("Scheduler: another key"), "{all}");
}
