//! `rota health`: passes while a restart would mend nothing.

use crate::command::{rota_with, scheduler_in};
use crate::stub::{Reply, Stub};

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
