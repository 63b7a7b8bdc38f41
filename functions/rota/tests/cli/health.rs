//! `rota health`: passes while a restart would mend nothing.

use crate::command::{rota_with, scheduler_in};
use crate::stub::{Reply, Stub};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn port(url: &str) -> &str {
    url.rsplit_once(':').unwrap().1
}

#[test]
fn it_passes_while_the_scheduler_answers_and_fails_once_it_hangs_or_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let scheduler = scheduler_in(dir.path());
    let port = port(&scheduler.url).to_owned();
    let health = || rota_with(dir.path(), ("PORT", &port), &["health", "--host", "0.0.0.0"]);
    assert_eq!(health().ok(), "");

    scheduler.signal("STOP");
    let answer = health().fails(1);
    assert!(answer.contains("no answer within 2s"), "{answer}");
    scheduler.signal("CONT");
    assert_eq!(health().ok(), "");

    assert!(scheduler.stop_gently().success());
    let answer = health().fails(1);
    assert!(answer.contains(&format!("127.0.0.1:{port}")), "{answer}");
}

#[test]
fn what_no_restart_mends_passes_and_what_is_not_up_to_date_yet_fails() {
    let reason = r#"{"error":"not accepting writes: this machine is still catching up"}"#;
    let dir = tempfile::tempdir().unwrap();
    let ailing = Stub::serving(|uri| match uri.path() {
        "/started" => Reply::json(200, ""),
        _ => Reply::json(503, r#"{"error":"not accepting writes: the database is away"}"#),
    });
    rota_with(dir.path(), ("PORT", port(&ailing.url)), &["health"]).ok();
    let catching_up = Stub::serving(move |_| Reply::json(503, reason));
    let answer = rota_with(dir.path(), ("PORT", port(&catching_up.url)), &["health"]).fails(1);
    assert!(answer.contains("still catching up"), "{answer}");
}

#[test]
fn one_that_answers_and_has_not_started_is_waited_for_and_one_that_is_gone_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let filling = Stub::serving(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0..3 => Reply::json(503, r#"{"error":"not accepting writes: still filling"}"#),
        _ => Reply::json(200, ""),
    });
    let health = |stub: &Stub, wait: &str| {
        let since = Instant::now();
        let outcome = rota_with(dir.path(), ("PORT", port(&stub.url)), &["health", "--wait", wait]);
        (outcome, since.elapsed())
    };
    health(&filling, "120").0.ok();
    assert_eq!(asked.load(Ordering::SeqCst), 4);

    let never = Stub::serving(|_| Reply::json(503, r#"{"error":"still filling"}"#));
    let (outcome, took) = health(&never, "2");
    assert!(outcome.fails(1).contains("still filling") && took >= Duration::from_secs(2));

    let url = never.url.clone();
    drop(never);
    let since = Instant::now();
    rota_with(dir.path(), ("PORT", port(&url)), &["health", "--wait", "120"]).fails(1);
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
}
