//! Dashboards and the guide for alarms name what there is: metrics that running servers have, and every alarm.

use crate::town::{Town, until};
use rota_testkit::Client;
use rota_testkit::alarm::{Alarm, template};
use rota_tests::fast_dir;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// Of the stack whose alarms are read.
const NAMESPACE: &str = "rota-test";
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn read(name: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{name}")).unwrap()
}

/// The words that begin so and go on with letters, digits and `_`.
fn words<'a>(text: &'a str, beginning: &str) -> BTreeSet<&'a str> {
    let found = text.match_indices(beginning).map(|(at, _)| &text[at..]);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    found.map(|rest| &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())]).collect()
}

/// The names of the metrics log, as the first column of the tables has them.
fn logged() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut names: BTreeSet<_> =
        rows.map(|row| row.split('`').next().unwrap().to_owned()).collect();
    names.extend(["status_3xx", "status_4xx", "status_5xx"].map(str::to_owned));
    names
}

#[test]
fn every_alarm_is_explained_and_watches_what_is_logged() {
    let page = read("docs/alarms.md");
    let explained: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let own = ("MetricsNamespace", NAMESPACE);
    let mut alarms = Alarm::all("alarms-writer.yaml", &[own, ("WriterName", "w")]);
    let functions = [own, ("ReadFunctionName", "read"), ("RouteFunctionName", "route")];
    alarms.extend(Alarm::all("alarms-functions.yaml", &functions));
    let names: BTreeSet<_> = alarms.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(explained, names.iter().map(String::as_str).collect());
    let logged = logged();
    for (name, alarm) in &alarms {
        let (namespace, metric) = &alarm.metric;
        assert!(namespace == NAMESPACE || namespace.starts_with("AWS/"), "{name} in {namespace}");
        let is_ours = namespace == NAMESPACE;
        assert!(!is_ours || logged.contains(metric), "{name} watches {metric}");
    }
}

/// Rows of the guide: the alarm, its limit, the limit's name, and for how long.
#[test]
fn the_guide_says_the_limits_that_the_templates_have() {
    let page = read("docs/alarms.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| *"));
    let mut rows: Vec<Vec<String>> = rows
        .map(|row| row.split('|').map(|cell| cell.trim().replace(['`', '*', ','], "")).collect())
        .collect();
    rows.sort();
    let mut there = Vec::new();
    for file in ["alarms-writer.yaml", "alarms-functions.yaml"] {
        let template = template(file);
        for (name, alarm) in template["Resources"].as_object().unwrap() {
            let alarm = &alarm["Properties"];
            let Some(limit) = alarm["Threshold"]["Ref"].as_str() else { continue };
            let number = |of: &Value| of.as_u64().unwrap();
            let minutes = number(&alarm["Period"]) * number(&alarm["EvaluationPeriods"]) / 60;
            let default = number(&template["Parameters"][limit]["Default"]);
            there.push((name.to_lowercase(), default, limit.to_owned(), format!("{minutes} min")));
        }
    }
    there.sort();
    let said = rows.iter().map(|row| {
        let limit = row[1].split(' ').next().unwrap().parse().unwrap();
        (row[0].clone(), limit, row[2].clone(), row[3].clone())
    });
    assert_eq!(said.collect::<Vec<_>>(), there);
}

#[test]
fn the_dashboard_of_cloudwatch_shows_what_is_logged() {
    let body = &template("dashboard.yaml")["Resources"]["Dashboard"]["Properties"]["DashboardBody"];
    let body: Value = serde_json::from_str(body["Fn::Sub"].as_str().unwrap()).unwrap();
    let text = body.to_string();
    let searches = text.matches("SEARCH(").count();
    let own = text.matches("SEARCH('{\\\"${MetricsNamespace}\\\",").count();
    assert!(searches > 40 && own == searches, "{own} of {searches} are of this stack alone");
    let beginning = "MetricName=\\\"";
    let shown: BTreeSet<_> = text
        .match_indices(beginning)
        .map(|(at, _)| text[at + beginning.len()..].split('\\').next().unwrap())
        .collect();
    let logged = logged();
    for name in &shown {
        assert!(logged.contains(*name), "{name} is not logged");
    }
    let stages = ["verify", "facts", "queue", "sign", "commit", "project", "post"];
    let quantiles =
        stages.iter().flat_map(|stage| ["p50", "p99"].map(|q| format!("{stage}_{q}_ms")));
    for name in
        quantiles.chain(["entries", "outbox_age_seconds", "replica_lag_ms"].map(str::to_owned))
    {
        assert!(shown.contains(name.as_str()), "{name} is not shown");
    }
}

/// Waits until a server has a metric that is known only a moment after its start.
async fn comes_to_know(url: &str, name: &str) {
    let client = Client::new(url);
    let knows = async || client.get("/metrics").await.text().contains(name);
    until(&format!("{url} has {name}"), knows).await;
}

/// Adds the names of the metrics that a server has.
async fn names_at(url: &str, known: &mut BTreeSet<String>) {
    let metrics = Client::new(url).get("/metrics").await;
    let text = metrics.text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    known.extend(types.map(|line| line.split(' ').next().unwrap().to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_of_grafana_shows_what_servers_have() {
    let town = Town::new().await;
    let bucket = town.aws.fresh_bucket();
    let writer = town.machine_with("w", fast_dir(), &[("ARCHIVE_BUCKET", &bucket)]);
    writer.ready().await;
    let standby = town.machine("w");
    let router = town.router(&[("ROUTE_MODE", "proxy")]);
    let mut known = BTreeSet::new();
    // Counters by label are there once something was counted: a look-up, and a writer that does not answer.
    let process = town.spawned(&writer, 1).await[0];
    Client::new(&router.url).get(&format!("/{process}/latest")).await.ok();
    comes_to_know(&writer.rota.url, "rota_database_bytes").await;
    comes_to_know(&standby.rota.url, "rota_standby_lag_seconds").await;
    for url in [&writer.rota.url, &standby.rota.url] {
        names_at(url, &mut known).await;
    }
    drop(writer.kill_9());
    Client::new(&router.url).get(&format!("/{process}/latest")).await;
    names_at(&router.url, &mut known).await;
    let dashboard: Value = serde_json::from_str(&read("infra/grafana/rota.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(queries.len() > 40, "{}", queries.len());
    for query in queries {
        let names = words(query, "rota_");
        assert!(!names.is_empty(), "{query}");
        for name in names {
            let of = name.trim_end_matches("_total").trim_end_matches("_bucket");
            assert!(known.contains(of), "{name} is in no server's metrics: {known:?}");
        }
    }
}
