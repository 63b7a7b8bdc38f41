//! Traces: one id over router, writer and reader, in spans, answers and logs; and a collector that is away or
//! slow, which nobody but the operator notices.

use crate::town::{Machine, Town};
use bytes::Bytes;
use rota_ans104::Item;
use rota_testkit::{
    Answer, Client, CollectorMode, GatewayMode, RotaProcess, Span, StubCollector, message, spawn,
};
use std::time::{Duration, Instant};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

fn endpoint(collector: &StubCollector) -> (&'static str, String) {
    ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url().to_owned())
}

fn one<'a>(spans: &'a [Span], service: &str, name: &str) -> &'a Span {
    let found: Vec<&Span> =
        spans.iter().filter(|span| span.service == service && span.name == name).collect();
    assert_eq!(found.len(), 1, "{service}: {name} in {spans:#?}");
    found[0]
}

async fn writer(town: &Town, name: &str, settings: &[(&str, &str)]) -> Machine {
    let machine = town.machine_with(name, rota_tests::fast_dir(), settings);
    machine.ready().await;
    machine
}

/// A router that passes on, with its reader in a process of its own, and the writer of a process.
struct Way {
    town: Town,
    collector: StubCollector,
    router: RotaProcess,
    writer: Machine,
    _reader: Machine,
}

impl Way {
    async fn new(sampler: &[(&str, &str)]) -> Self {
        let (town, collector) = (Town::new().await, StubCollector::start().await);
        let (name, url) = endpoint(&collector);
        let with = |service: &'static str| {
            let mut all = vec![(name, url.as_str()), ("OTEL_SERVICE_NAME", service)];
            all.extend(sampler);
            all
        };
        let writer = writer(&town, "a", &with("writer")).await;
        let reader = self::writer(&town, "b", &with("reader")).await;
        town.command(&["writers", "set", "b", "--no-route", "true"]).await.unwrap();
        let mut settings = with("router");
        settings.extend([("ROUTE_MODE", "proxy"), ("READ_URL", reader.rota.url.as_str())]);
        let router = town.router(&settings);
        Self { town, collector, router, writer, _reader: reader }
    }

    async fn post(&self, item: &Item, headers: &[(&str, &str)]) -> Answer {
        Client::new(&self.router.url).send("POST", "/", headers, item.bytes().clone()).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Client::new(&self.router.url).send("GET", path, headers, Bytes::new()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_router_through_writer_and_reader() {
    let way = Way::new(&[]).await;
    let item = spawn().sign();
    let parent = traceparent("01");
    let answer = way.post(&item, &[("traceparent", &parent)]).await;
    answer.ok();
    assert_eq!(answer.trace(), Some(TRACE));
    let spans = way.collector.trace(TRACE, 11).await;
    let router = one(&spans, "router", "POST /");
    assert_eq!((router.parent.as_str(), router.kind), (CALLER, 2));
    let proxy = one(&spans, "router", "proxy");
    assert_eq!((&proxy.parent, proxy.kind), (&router.id, 3));
    for name in ["directory", "bind"] {
        let asked = one(&spans, "router", name);
        assert_eq!(asked.parent, router.id);
        assert_eq!(asked.attributes["process.id"], item.id().to_string());
    }
    let writer = one(&spans, "writer", "POST /");
    assert_eq!((&writer.parent, writer.kind), (&proxy.id, 2));
    assert_eq!(writer.attributes["http.response.status_code"], "200");
    for name in ["verify", "facts", "queue", "sign", "commit", "project"] {
        let stage = one(&spans, "writer", name);
        assert_eq!(stage.parent, writer.id, "{name}");
        assert!(stage.times.0 + 1_000_000 >= writer.times.0, "{name} begins within");
        if matches!(name, "sign" | "commit" | "project") {
            assert_eq!(stage.attributes["nonce"], "0");
        }
    }
    let path = format!("/processes/{}", item.id());
    let other = TRACE.replace('4', "5");
    let parent = format!("00-{other}-{CALLER}-01");
    way.get(&path, &[("traceparent", &parent)]).await.ok();
    let spans = way.collector.trace(&other, 4).await;
    let (router, proxy) =
        (one(&spans, "router", "GET /processes/{id}"), one(&spans, "router", "proxy"));
    let reader = one(&spans, "reader", "GET /processes/{id}");
    assert_eq!((&proxy.parent, &reader.parent), (&router.id, &proxy.id));
    let asked = one(&spans, "reader", "database");
    assert_eq!((&asked.parent, asked.kind), (&reader.id, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_answer_and_the_logs_name_the_trace() {
    let way = Way::new(&[]).await;
    let process = way.town.spawned(&way.writer, 1).await[0];
    // The gateway knows no such item: that is asked for a while, and logged.
    way.town.gateway.behave(GatewayMode::Status(500));
    let target = format!("/?process-id={process}&assign={}", spawn().sign().id());
    let client = Client::new(&way.router.url);
    let answer =
        client.send("POST", &target, &[("traceparent", &traceparent("01"))], Bytes::new()).await;
    answer.error(503);
    assert_eq!(answer.trace(), Some(TRACE));
    let logged = way.writer.rota.logged_with("a gateway did not answer");
    let line = logged.lines().find(|line| line.contains("a gateway did not answer")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["trace_id"], TRACE);
    // Whoever worked on it says that it failed.
    for process in [&way.writer.rota, &way.router] {
        let logged = process.logged_with("a request failed");
        let of_trace = |line: &&str| line.contains(TRACE) && line.contains("a request failed");
        assert!(logged.lines().any(|line| of_trace(&line)), "{logged}");
    }
    // Router and writer send theirs apart.
    let mut spans = way.collector.trace(TRACE, 1).await;
    while !spans.iter().any(|span| (&*span.service, &*span.name) == ("writer", "POST /")) {
        spans = way.collector.trace(TRACE, spans.len() + 1).await;
    }
    assert!(one(&spans, "writer", "POST /").failed);
    for hostile in ["", "00", "00-0-0-0", &"f".repeat(8_000), &traceparent("01").to_uppercase()] {
        let headers = [("traceparent", hostile), ("tracestate", "a=b")];
        let answer = way.get("/timestamp", &headers).await;
        answer.ok();
        assert!(answer.trace().is_some_and(|id| id != TRACE && id != "0".repeat(32)), "{hostile}");
    }
    let amzn = format!("Root=1-{}-{};Parent={CALLER};Sampled=0", &TRACE[..8], &TRACE[8..]);
    let answer = way.get("/nowhere/at/all", &[("x-amzn-trace-id", &amzn)]).await;
    assert_eq!((answer.error(404).is_empty(), answer.trace()), (false, Some(TRACE)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ratio_of_nothing_records_what_a_caller_records_and_nothing_else() {
    let sampler =
        [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];
    let way = Way::new(&sampler).await;
    for _ in 0..5 {
        way.post(&spawn().sign(), &[]).await.ok();
        way.post(&spawn().sign(), &[("traceparent", &traceparent("00"))]).await.ok();
    }
    let recorded = TRACE.replace('4', "7");
    let parent = format!("00-{recorded}-{CALLER}-01");
    way.post(&spawn().sign(), &[("traceparent", &parent)]).await.ok();
    way.collector.trace(&recorded, 11).await;
    let others = way.collector.spans().into_iter().filter(|span| span.trace != recorded);
    assert_eq!(others.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_or_slow_slows_nobody_down_and_what_is_lost_is_counted() {
    let (town, collector) = (Town::new().await, StubCollector::start().await);
    collector.behave(CollectorMode::Slow(Duration::from_secs(60)));
    let (name, url) = endpoint(&collector);
    let machine = writer(&town, "a", &[(name, &url), ("OTEL_TRACES_SAMPLER", "always_on")]).await;
    let process = town.spawned(&machine, 1).await[0];
    let client = Client::new(&machine.rota.url);
    let slowest = async || {
        let mut slowest = Duration::ZERO;
        for _ in 0..50 {
            let (item, since) = (message(process).sign(), Instant::now());
            client.post(&item).await.ok();
            slowest = slowest.max(since.elapsed());
        }
        slowest
    };
    let took = slowest().await;
    assert!(took < Duration::from_secs(2), "a POST took {took:?}");
    collector.behave(CollectorMode::Failing);
    let dropped = async || client.metric("rota_trace_spans_dropped_total").await;
    let since = Instant::now();
    while dropped().await < 300.0 {
        slowest().await;
        assert!(since.elapsed() < Duration::from_secs(30), "nothing is dropped");
    }
    let logged = machine.rota.logged_with("the collector takes no spans");
    assert_eq!(logged.matches("the collector takes no spans").count(), 1, "{logged}");
    collector.behave(CollectorMode::Good);
    let since = Instant::now();
    while collector.spans().is_empty() {
        slowest().await;
        assert!(since.elapsed() < Duration::from_secs(30), "it never takes spans again");
    }
    let _ = machine.rota.logged_with("the collector takes spans again");
}
