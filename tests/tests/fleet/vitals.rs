//! The metrics log of a writer and its standby: what CloudWatch takes in, with the right values, and the same
//! in `/metrics`.

use crate::town::{Machine, Town, until};
use rota_testkit::{Client, StubBundler};
use rota_tests::fast_dir;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const INTERVAL: (&str, &str) = ("METRICS_LOG_INTERVAL", "300ms");
/// Units that CloudWatch knows (`MetricDatum`).
const UNITS: [&str; 5] = ["Count", "Seconds", "Milliseconds", "Bytes", "Percent"];
/// Limits of the specification: metrics of a directive, characters of a dimension's value, bytes of a line.
const METRICS_MAX: usize = 100;
const DIMENSION_MAX: usize = 1_024;
const LINE_MAX: usize = 1 << 20;

/// The lines that a machine has written, each held to the specification of the embedded metric format.
fn lines(machine: &Machine) -> Vec<Value> {
    let printed = machine.rota.printed();
    printed.lines().filter(|line| line.starts_with('{')).map(conformant).collect()
}

fn conformant(text: &str) -> Value {
    assert!(text.len() <= LINE_MAX);
    let line: Value = serde_json::from_str(text).unwrap();
    let aws = &line["_aws"];
    assert!(aws["Timestamp"].as_u64().is_some_and(|ms| ms > 1_600_000_000_000), "{text}");
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert_eq!(directives.len(), 1);
    let directive = &directives[0];
    assert_eq!(directive["Namespace"], "rota");
    for set in directive["Dimensions"].as_array().unwrap() {
        for name in set.as_array().unwrap() {
            let value = line[name.as_str().unwrap()].as_str().unwrap();
            assert!((1..=DIMENSION_MAX).contains(&value.len()), "{name} is {value}");
        }
    }
    let metrics = directive["Metrics"].as_array().unwrap();
    assert!((1..=METRICS_MAX).contains(&metrics.len()));
    let names: BTreeSet<&str> = metrics.iter().map(|it| it["Name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), metrics.len(), "each once");
    for metric in metrics {
        assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{metric}");
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} in {text}");
    }
    line
}

fn sum(lines: &[Value], name: &str) -> u64 {
    lines.iter().filter_map(|line| line[name].as_u64()).sum()
}

/// The names of the writer's table in `docs/metrics.md`, with what `/metrics` calls each.
fn documented() -> Vec<(String, String)> {
    let table = include_str!("../../../docs/metrics.md");
    let table = table.split("## Writer").nth(1).unwrap().split("##").next().unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        (cells[1].to_owned(), cells[3].to_owned())
    };
    table.lines().filter(|line| line.starts_with("| `")).map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_tells_all_that_is_documented_with_the_right_values() {
    let (town, bundler) = (Town::new().await, StubBundler::start().await);
    let bucket = town.aws.fresh_bucket();
    let settings = [
        INTERVAL,
        ("ARCHIVE_BUCKET", bucket.as_str()),
        ("CHECKPOINT_INTERVAL", "1s"),
        ("UPLOAD_NODE_URL", bundler.url()),
    ];
    let writer = town.machine_with("a", fast_dir(), &settings);
    writer.ready().await;
    let processes = town.spawned(&writer, 3).await;
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 20), &town.book).await;
    let client = Client::new(&writer.rota.url);
    client.post_bytes("no item").await.error(400);
    client.get("/nowhere/at/all").await.error(404);
    let sums = |lines: &[Value]| {
        ["entries", "posts", "status_4xx", "status_5xx"].map(|name| sum(lines, name))
    };
    until("everything is told", || async {
        let lines = lines(&writer);
        let has_checkpoint =
            |line: &Value| line["checkpoint_bytes"].as_u64().is_some_and(|bytes| bytes > 0);
        // An item and an assignment each, which leave the outbox a moment after they are delivered.
        sum(&lines, "uploads") == 46
            && sums(&lines) == [23, 24, 2, 0]
            && lines.last().is_some_and(|line| line["outbox_depth"] == 0 && has_checkpoint(line))
    })
    .await;
    let lines = lines(&writer);
    assert!(lines.iter().all(|line| line["writer"] == "a"));
    let last = lines.last().unwrap();
    let flags = ["holds", "standby", "ails", "outbox_depth", "projection_rows", "moves_open"];
    assert_eq!(flags.map(|name| last[name].as_u64().unwrap()), [1, 0, 0, 0, 0, 0]);
    assert!(last["lease_age_seconds"].as_f64().unwrap() < 5.0, "{last}");
    assert!(last["database_bytes"].as_u64().unwrap() > 1 << 20, "{last}");
    assert!(last["process_resident_bytes"].as_u64().unwrap() > 1 << 20, "{last}");
    let free = last["disk_free_percent"].as_f64().unwrap();
    assert!(free > 0.0 && free <= 100.0, "{last}");
    let busy = lines.iter().find(|line| line["sign_p50_ms"].is_number()).unwrap();
    assert!(busy["sign_p50_ms"].as_f64() <= busy["sign_p99_ms"].as_f64(), "{busy}");
    names_agree(&lines, &client.get("/metrics").await.text());
}

/// Every documented name was told but that of a standby, and nothing else; `/metrics` has each under its other
/// name.
fn names_agree(lines: &[Value], scraped: &str) {
    let metrics = lines.iter().flat_map(|line| {
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().iter()
    });
    let told: BTreeSet<String> =
        metrics.map(|metric| metric["Name"].as_str().unwrap().to_owned()).collect();
    let mut documented = documented();
    documented.retain(|(name, _)| name != "standby_lag_seconds");
    let names: BTreeSet<String> = documented.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(&told - &BTreeSet::from(["standby_lag_seconds".to_owned()]), names);
    for (_, name) in &documented {
        let shown = scraped.lines().any(|line| line.starts_with(name.as_str()));
        assert!(shown, "{name} is not in {scraped}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_tells_that_it_stands_by_and_how_far_it_is_behind() {
    let town = Town::new().await;
    let _writer = town.ready("a").await;
    let standby = town.machine_with("a", fast_dir(), &[INTERVAL]);
    until("the standby follows", || async {
        let lags = |line: &Value| line["standby_lag_seconds"].as_f64().is_some_and(|s| s < 3.0);
        lines(&standby).len() >= 3 && lines(&standby).last().is_some_and(lags)
    })
    .await;
    let lines = lines(&standby);
    assert!(
        lines.iter().all(|line| line["standby"] == 1 && line["holds"] == 0 && line["ails"] == 0)
    );
    assert!(lines.iter().all(|line| line.get("block_height_age_seconds").is_none()));
    let client = Client::new(&standby.rota.url);
    assert_eq!(client.metric("rota_standby ").await, 1.0);
    assert!(
        client.metric("rota_standby_lag_seconds ").await < Duration::from_secs(5).as_secs_f64()
    );
}
