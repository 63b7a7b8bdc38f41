//! Signals and logs.

use std::io::Read;
use std::time::Duration;

use rota_service::{LogFormat, Stop, logs};

use crate::child::{self, Child};

const DONE: &str = "stopped in order";

#[tokio::test]
#[ignore = "the second process of this module's tests"]
async fn child() {
    if !child::is_child() {
        return;
    }
    logs::init(LogFormat::Auto, "info").unwrap();
    assert!(logs::init(LogFormat::Json, "info").is_err(), "logging starts once");
    let stop = Stop::on_signals().unwrap();
    tracing::info!(ready = true, "waiting");
    stop.wait().await;
    assert!(stop.is_triggered());
    if std::env::var_os("LINGER").is_some() {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    tracing::info!(DONE);
    tracing::debug!("not shown");
}

fn start(setup: &str) -> Child {
    let mut child = Child::start("signals::child", setup);
    let line = child.line();
    assert!(line.contains(r#""ready":true"#), "{line}");
    child
}

#[test]
fn the_first_signal_stops_in_order_and_logs_are_json_without_a_terminal() {
    for (signal, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
        let mut child = start("true");
        child.signal(signal);
        let line = child.line();
        assert!(line.starts_with('{') && line.contains(&format!(r#""signal":"{name}""#)), "{line}");
        let mut rest = String::new();
        child.logs.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(DONE) && !rest.contains("not shown"), "{rest}");
        assert!(child.wait().success());
    }
}

#[test]
fn the_second_signal_ends_the_process_at_once() {
    let mut child = start("export LINGER=1");
    child.signal("-TERM");
    child.line();
    child.signal("-INT");
    assert_eq!(child.wait().code(), Some(130));
}

#[tokio::test]
async fn a_stop_reaches_every_clone_and_a_bad_filter_is_named() {
    let stop = Stop::new();
    let waiting = tokio::spawn(stop.clone().wait());
    assert!(!stop.is_triggered());
    stop.trigger();
    stop.trigger();
    tokio::time::timeout(Duration::from_secs(1), waiting).await.unwrap().unwrap();
    let error = logs::init(LogFormat::Text, "info,=what=").unwrap_err();
    assert!(error.to_string().contains("info,=what="), "{error}");
}
