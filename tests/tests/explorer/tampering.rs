//! A server between the browser and the scheduler that lies: the page must say so, and where.

use crate::page::Page;
use crate::scene::Scene;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::response::{IntoResponse as _, Response};
use rota_testkit::{Client, message};
use rota_wire::ApiError;
use serde_json::Value;
use std::sync::Arc;

/// What the liar does to a JSON answer, and to the bytes of an item.
#[derive(Clone, Copy)]
pub(crate) struct Lies {
    json: fn(&mut Value),
    bytes: fn(&mut Vec<u8>),
}

pub(crate) const HONEST: Lies = Lies { json: |_| {}, bytes: |_| {} };

/// A server that passes everything on but for its lies.
async fn liar(honest: Client, lies: Lies) -> String {
    let pass = async |State(state): State<Arc<(Client, Lies)>>, request: Request| {
        let target = request.uri().path_and_query().unwrap().as_str();
        pass(&state.0, target, state.1).await
    };
    served(Router::new().fallback(pass).with_state(Arc::new((honest, lies)))).await
}

/// The URL of a server. It ends with the test's runtime.
pub(crate) async fn served(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

pub(crate) async fn pass(honest: &Client, target: &str, lies: Lies) -> Response {
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
    to_the_one_at("2", json, what);
}

fn to_the_one_at(place: &str, json: &mut Value, what: impl Fn(&mut Value)) {
    nodes(json).into_iter().filter(|node| nonce(node) == place).for_each(what);
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
    assert!(all.contains("Scheduler: assignment "), "{all}");
    assert!(all.contains(", the first entry of the schedule by "), "{all}");
}

#[tokio::test]
async fn what_the_page_says_of_the_process_itself_is_checked() {
    let json = |json: &mut Value| {
        to_the_one_at("0", json, |node| set_tag(&mut node["message"], "Module", "another"));
    };
    let scene = Scene::new().await;
    let url = liar(scene.site.client.clone(), Lies { json, ..HONEST }).await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", scene.process)).await;
    page.wait("document.querySelector('.facts .badge.bad')").await;
    assert!(page.text(".facts").await.contains("found Module: another"));
}

#[tokio::test]
async fn a_schedule_that_ends_too_soon_is_not_called_whole() {
    let json = |json: &mut Value| {
        if let Some(edges) = json["edges"].as_array_mut() {
            edges.retain(|edge| nonce(&edge["node"]).as_str() < "3");
            json["page_info"]["has_next_page"] = false.into();
        }
    };
    let scene = Scene::with(4).await;
    let url = liar(scene.site.client.clone(), Lies { json, ..HONEST }).await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", scene.process)).await;
    page.wait("document.querySelectorAll('.schedule .badge').length === 3").await;
    page.click("#verify").await;
    page.shows("Stopped after 3 of 5 entries").await;
    page.shows("pages end with nonce 2, its newest entry has nonce 4").await;
}

#[tokio::test]
async fn another_entry_than_the_one_asked_for_is_no_answer() {
    let scene = Scene::with(3).await;
    let nodes = scene.site.checked(scene.process).await;
    let id = |at: usize| nodes[at]["assignment"]["id"].as_str().unwrap().to_owned();
    let (asked, given) = (id(2), id(3));
    let place = format!("explorer#/message/{asked}");
    let honest = scene.site.client.clone();
    let url = served(Router::new().fallback(async move |request: Request| {
        let target = request.uri().path_and_query().unwrap().as_str().replace(&asked, &given);
        pass(&honest, &target, HONEST).await
    }))
    .await;
    let page = Page::open(&format!("{url}/{place}")).await;
    page.shows("Something is wrong").await;
    page.shows("another entry than the one asked for").await;
    assert_eq!(page.count(".verdicts .badge.bad").await, 1, "the rest of it verifies");
}

/// That a server is too busy proves nothing.
#[tokio::test]
async fn bytes_that_do_not_come_leave_it_open() {
    let scene = Scene::new().await;
    scene.post(&message(scene.process).data(&b"\xff"[..]).sign()).await;
    let honest = scene.site.client.clone();
    let url = served(Router::new().fallback(async move |request: Request| {
        let target = request.uri().path_and_query().unwrap().as_str();
        if target.starts_with("/raw/") {
            return ApiError::Busy("too many reads at once").into_response();
        }
        pass(&honest, target, HONEST).await
    }))
    .await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", scene.process)).await;
    page.wait("document.querySelectorAll('.schedule .badge').length === 2").await;
    page.shows("the server did not give them: too many reads at once").await;
    assert_eq!(page.count(".schedule .badge.unknown").await, 1);
    page.click("#verify").await;
    page.shows("2 entries: 1 cannot be checked completely").await;
}

#[tokio::test]
async fn what_is_no_base64_is_wrong_and_stops_nothing() {
    let json = |json: &mut Value| {
        to_the_second(json, |node| node["message"]["signature"] = "AAAAA".into());
    };
    let (all, _) = told(Lies { json, ..HONEST }).await;
    assert!(all.contains("5 entries: 1 wrong") && all.contains("not base64url"), "{all}");
}
