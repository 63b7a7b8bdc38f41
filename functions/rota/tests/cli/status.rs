//! `rota status`.

use crate::command::{after, rota, scheduler_in};
use crate::stub::{Reply, Stub};
use serde_json::Value;

#[test]
fn shows_a_healthy_scheduler_to_people_and_to_machines() {
    let dir = tempfile::tempdir().unwrap();
    let scheduler = scheduler_in(dir.path());
    rota(dir.path(), &["item", "spawn", "--url", &scheduler.url]).ok();
    let shown = rota(dir.path(), &["status", "--url", &scheduler.url]).ok();
    assert!(shown.starts_with(&format!("{} is healthy\n", scheduler.url)), "{shown}");
    let wallet = rota(dir.path(), &["wallet", "show"]).ok();
    assert_eq!(after(&shown, "address"), after(&wallet, "address"));
    assert_eq!(after(&shown, "entries"), "1 since its start");
    assert!(after(&shown, "outbox").starts_with("2 waiting"), "{shown}");
    assert!(after(&shown, "files").ends_with(" open"), "{shown}");

    let json = rota(dir.path(), &["status", "--json", "--url", &scheduler.url]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["healthy"], true);
    assert_eq!(json["entries_committed"], 1);
    assert_eq!(json["outbox_depth"], 2);
    assert!(json["open_files_max"].as_u64() > json["open_files"].as_u64(), "{json}");
    assert!(json["requests"].as_u64().unwrap() >= 1, "{json}");
}

#[test]
fn an_unhealthy_scheduler_says_why_and_fails() {
    let stub = Stub::serving(|uri| match uri.path() {
        "/health" => Reply::json(503, r#"{"error":"not accepting writes: the disk is full"}"#),
        _ => Reply::json(404, r#"{"error":"there is no such route"}"#),
    });
    let dir = tempfile::tempdir().unwrap();
    let ran = rota(dir.path(), &["status", "--url", &stub.url]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("is not healthy") && ran.out.contains("the disk is full"), "{ran:?}");
    let ran = rota(dir.path(), &["status", "--json", "--url", &stub.url]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &json["healthy"], &json["outbox_depth"]),
        (Some(1), &false.into(), &Value::Null)
    );
}

#[test]
fn where_nobody_answers_that_is_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let answer = rota(dir.path(), &["status", "--url", "http://127.0.0.1:9"]).fails(1);
    assert!(answer.contains("nothing answers at http://127.0.0.1:9"), "{answer}");
    let answer = rota(dir.path(), &["status", "--url", "ftp://127.0.0.1"]).fails(1);
    assert!(answer.contains("http://"), "{answer}");
}
