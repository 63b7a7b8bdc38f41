//! The function over the real protocol, in a process of its own, with the model as its store.

use bytes::Bytes;
use rota_ans104::{Address, b64};
use rota_lambda::{Meter, Platform, ResponseMode, serve};
use rota_read::ReadState;
use rota_read::lambda::router;
use rota_schedule::{
    Entry, PAGE_BYTES_MAX, PAGE_PART_BYTES_MAX, ProcessId, SystemClock, Timestamp,
};
use rota_service::trace::{self, TraceSettings};
use rota_service::{Env, Stop, emf, logs};
use rota_testkit::alarm::lines_of;
use rota_testkit::lambda::{Lambda, Outcome, event};
use rota_testkit::{CollectorMode, Model, Schedule, StubCollector, message, schedules};
use serde_json::json;
use std::ops::Deref;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;

/// Where the function's process reads its schedules.
const SCHEDULES: &str = "TEST_SCHEDULES";
/// More than a buffered answer may have.
const HUGE_BYTES: usize = 7_000_000;

/// The schedules of the suite, the last of which ends with a huge message.
fn whole() -> Vec<Schedule> {
    let mut all = schedules();
    let last = all.len() - 1;
    let huge = message(all[last].process).data(vec![b'"'; HUGE_BYTES]).sign();
    let mut entry = all[last].entries[0].clone();
    entry.nonce = all[last].entries.len() as u64;
    entry.timestamp = Timestamp(9_000);
    entry.message_id = huge.id().into();
    entry.message = Some(huge.bytes().clone());
    all[last].entries.push(entry);
    all
}

/// Of the scheduler.
fn address() -> Address {
    Address::of_owner(b"the scheduler")
}

/// Schedules as text, a line an entry, for the process that is to show them.
fn written(all: &[Schedule]) -> String {
    let line = |process: ProcessId, entry: &Entry| {
        let message = entry.message.as_ref().map_or_else(String::new, |bytes| b64::encode(bytes));
        let assignment = b64::encode(&entry.assignment);
        let (nonce, time) = (entry.nonce, entry.timestamp);
        let (id, message_id) = (entry.assignment_id, entry.message_id);
        format!("{process} {nonce} {time} {id} {message_id} {assignment} {message}\n")
    };
    let of = |schedule: &Schedule| -> String {
        schedule.entries.iter().map(|entry| line(schedule.process, entry)).collect()
    };
    all.iter().map(of).collect()
}

fn read(text: &str) -> Vec<Schedule> {
    let mut all: Vec<Schedule> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let bytes = |at: usize| Bytes::from(b64::decode(fields[at]).unwrap());
        let process: ProcessId = fields[0].parse().unwrap();
        let entry = Entry {
            nonce: fields[1].parse().unwrap(),
            timestamp: Timestamp(fields[2].parse().unwrap()),
            assignment_id: fields[3].parse().unwrap(),
            message_id: fields[4].parse().unwrap(),
            assignment: bytes(5),
            message: (!fields[6].is_empty()).then(|| bytes(6)),
        };
        match all.last_mut().filter(|last| last.process == process) {
            Some(last) => last.entries.push(entry),
            None => all.push(Schedule { process, entries: vec![entry], heads: Vec::new() }),
        }
    }
    all
}

/// Not a test of its own: the function, as the tests here start it.
#[test]
#[ignore = "the tests start it as a process of its own"]
fn serves_the_model() {
    let mut env = Env::load(None).unwrap();
    let Ok(platform) = Platform::read(&mut env) else { return };
    logs::init(rota_service::LogFormat::Json, "info").unwrap();
    let path: String = env.required(SCHEDULES).unwrap();
    let all = read(&std::fs::read_to_string(path).unwrap());
    let reader = Model::new(all, address(), 42);
    let mode = env.or("LAMBDA_RESPONSE", ResponseMode::Stream).unwrap();
    let page_bytes_max = match mode {
        ResponseMode::Stream => PAGE_BYTES_MAX,
        ResponseMode::Buffer => PAGE_PART_BYTES_MAX,
    };
    let state = ReadState { reader, clock: Arc::new(SystemClock), page_bytes_max };
    let app = router(Arc::new(state), 8, Meter::new("read", Arc::new(SystemClock), emf::stdout));
    let traces = TraceSettings::read(&mut env, "read").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        trace::init(&traces).unwrap();
        serve(app, mode, platform, &Stop::on_signals().unwrap()).await.unwrap();
    });
}

/// A running function, and what it shows.
struct Function {
    lambda: Lambda,
    all: Vec<Schedule>,
    _file: NamedTempFile,
}

impl Function {
    async fn start(mode: &str, concurrency: Option<usize>) -> Self {
        Self::with(mode, concurrency, &[]).await
    }

    async fn with(mode: &str, concurrency: Option<usize>, envs: &[(&str, &str)]) -> Self {
        let (all, file) = (whole(), NamedTempFile::new().unwrap());
        std::fs::write(file.path(), written(&all)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "function::serves_the_model", "--nocapture"]);
        command.env("LAMBDA_RESPONSE", mode).env(SCHEDULES, file.path());
        command.envs(envs.iter().copied());
        Self { lambda: Lambda::start(command, concurrency).await, all, _file: file }
    }

    /// The process of the usual schedule.
    fn process(&self) -> ProcessId {
        self.all[0].process
    }
}

impl Deref for Function {
    type Target = Lambda;

    fn deref(&self) -> &Lambda {
        &self.lambda
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_in_both_modes() {
    for mode in ["stream", "buffer"] {
        let function = Function::start(mode, None).await;
        let all = &function.all;
        let (process, entry) = (all[0].process, &all[0].entries[5]);
        let page = function.get(&format!("/{process}?from-nonce=3&limit=2")).await;
        assert_eq!(page.ok()["edges"].as_array().unwrap().len(), 2, "{mode}");
        assert_eq!(page.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let node = function.get(&format!("/{}", entry.message_id)).await.ok();
        assert_eq!(node["assignment"]["id"], entry.assignment_id.to_string());
        let latest = function.get(&format!("/{process}/latest")).await.ok();
        assert_eq!(latest["message"]["id"], all[0].entries[11].message_id.to_string());
        let flat = function.get(&format!("/processes/{process}")).await.ok();
        assert_eq!(flat["process_id"], process.to_string());
        let raw = function.get(&format!("/raw/{}", entry.message_id)).await;
        assert_eq!((raw.status, Some(&raw.body)), (200, entry.message.as_ref()));
        let time = function.get("/timestamp").await.ok();
        assert_eq!(time["block_height"], "000000000042");
        let answer = function.get(&format!("/?process-id={process}")).await.ok();
        assert_eq!(answer["address"], address().to_string());
        assert_eq!(function.get("/health").await.status, 200);
        function.get(&format!("/{}", "A".repeat(43))).await.error(404);
        function.send("POST", "/", &[]).await.error(405);
        function.get("/metrics/a").await.error(404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_and_empty_answers_arrive_whole_in_both_modes() {
    for mode in ["stream", "buffer"] {
        let function = Function::start(mode, None).await;
        let path = format!("/{}?limit=5", function.process());
        let plain = function.get(&path).await;
        let gzip = function.send("GET", &path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(gzip.header("content-encoding"), Some("gzip"), "{mode}");
        assert!(gzip.body.starts_with(&[0x1f, 0x8b]) && gzip.body.len() < plain.body.len());
        let head = function.send("HEAD", &path, &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        let known = [("if-none-match", plain.header("etag").unwrap()), ("accept-encoding", "gzip")];
        let same = function.send("GET", &path, &known).await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        for name in ["etag", "cache-control", "content-type", "vary"] {
            assert_eq!(same.header(name), plain.header(name), "{mode} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_answer_is_streamed_and_an_error_where_it_cannot_be() {
    let function = Function::start("stream", None).await;
    let schedule = function.all.last().unwrap();
    let huge = schedule.entries.last().unwrap();
    let raw = function.get(&format!("/raw/{}", huge.message_id)).await;
    assert!(Some(&raw.body) == huge.message.as_ref(), "{} bytes", raw.body.len());
    let page = function.get(&format!("/{}?from-nonce=3", schedule.process)).await;
    assert!(page.body.len() > HUGE_BYTES * 2, "the quotes are escaped");
    assert_eq!(page.ok()["edges"].as_array().unwrap().len(), 1);

    // 1.3 MB a message: more than is held at once.
    let large = function.get(&format!("/{}", function.all[3].process)).await;
    assert_eq!(large.ok()["page_info"]["has_next_page"], false);
    assert_eq!(large.ok()["edges"].as_array().unwrap().len(), 6);

    let function = Function::start("buffer", None).await;
    let schedule = function.all.last().unwrap();
    let huge = schedule.entries.last().unwrap();
    for path in [format!("/raw/{}", huge.message_id), format!("/{}?from-nonce=3", schedule.process)]
    {
        let answer = function.get(&path).await;
        assert!(answer.error(413).contains("limit"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // Three of 1.3 MB a page: near the limit, and below it.
    let large = function.get(&format!("/{}?from-nonce=0", function.all[3].process)).await;
    assert_eq!(large.ok()["edges"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_is_answered() {
    let function = Function::start("stream", None).await;
    let process = function.process();
    let long = "x".repeat(100_000);
    let texts = [
        "..",
        "%",
        "%zz",
        "%00",
        "\u{0}\r\n",
        "a b",
        "é\u{1F600}",
        "[]{}|\\^`<>\"'",
        "//",
        "#",
        &long,
    ];
    for text in texts {
        for target in [
            format!("/{text}"),
            format!("/{text}/latest"),
            format!("/raw/{text}"),
            text.to_owned(),
            format!("/{process}?limit={text}"),
            format!("/{process}?{text}"),
            format!("/?process-id={text}"),
        ] {
            let answer = function.get(&target).await;
            assert!(matches!(answer.status, 200 | 400 | 404), "{target}: {}", answer.status);
        }
        for headers in
            [[("host", text), ("accept", text)], [("x-forwarded-proto", text), (text, "a")]]
        {
            assert_eq!(
                function.send("GET", "/timestamp", &headers).await.status,
                200,
                "{headers:?}"
            );
        }
        function.send(text, "/timestamp", &[]).await.error(405);
    }
    // What is no HTTP event fails its invocation, and the function goes on.
    for other in [json!({}), json!({"Records": []}), json!(null)] {
        assert!(matches!(function.invoke(&other).await, Outcome::Failed(_)), "{other}");
    }
    let staged = {
        let mut event = event("GET", &format!("/prod/{process}"), &[]);
        event["requestContext"]["stage"] = "prod".into();
        event
    };
    assert_eq!(function.invoke(&staged).await.answer().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_written_before_the_answer_ends() {
    let function = Function::start("stream", None).await;
    let process = function.process();
    let mut bytes = 0;
    let ask = async || bytes = function.get(&format!("/{process}")).await.body.len();
    let line = lines_of(&function, 1, ask).await.remove(0);
    assert_eq!((&line["route"], &line["body"]), (&"/{id}".into(), &bytes.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_at_once_are_answered_where_the_platform_sends_them_so() {
    let function = Arc::new(Function::start("stream", Some(4)).await);
    let process = function.process();
    let asks: Vec<_> = (0..32)
        .map(|nonce| {
            let function = Arc::clone(&function);
            let target = format!("/{process}?from-nonce={}&limit=1", nonce % 11);
            tokio::spawn(async move { (nonce % 11, function.get(&target).await.ok()) })
        })
        .collect();
    for ask in asks {
        let (nonce, page) = ask.await.unwrap();
        assert_eq!(page["edges"][0]["cursor"], (nonce + 1).to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it() {
    let mut function = Function::start("stream", None).await;
    assert_eq!(function.get("/timestamp").await.status, 200);
    function.idle().await;
    function.signal("TERM");
    let status = function.lambda.wait(Duration::from_secs(2)).await.expect("it ends");
    assert!(status.success(), "{status}: {}", function.logged());
    assert_eq!(function.init_error(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_are_there_before_the_instance_may_stand_still_and_a_slow_collector_is_not_waited_for()
 {
    let collector = StubCollector::start().await;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let function = Function::with("stream", None, &[endpoint]).await;
    function.idle().await;
    let root = "5759e988bd862e3fe1be46a994272793";
    let amzn = format!("Root=1-{}-{};Sampled=1", &root[..8], &root[8..]);
    let headers = [("x-amzn-trace-id", amzn.as_str())];
    let answer = function.send("GET", "/timestamp", &headers).await;
    assert_eq!(answer.trace(), Some(root));
    function.idle().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!((spans[0].trace.as_str(), spans[0].name.as_str()), (root, "GET /timestamp"));
    collector.behave(CollectorMode::Slow(Duration::from_secs(60)));
    let since = std::time::Instant::now();
    for _ in 0..25 {
        function.send("GET", "/timestamp", &headers).await.ok();
        function.idle().await;
    }
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(200), "it waits a little: {took:?}");
    // Longer than the 200 ms of each would take; the rest of 5 s is not over before.
    assert!(took < Duration::from_secs(4), "25 events took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_of_a_function_names_its_trace() {
    let function = Function::start("buffer", None).await;
    let huge = format!("/{}/latest", function.all.last().unwrap().process);
    for (method, target, status) in [
        ("GET", huge.as_str(), 413),
        ("GET", "/a/b/c", 404),
        ("G E T", "/", 405),
        ("GET", "/x", 400),
    ] {
        let answer = function.send(method, target, &[]).await;
        assert!(!answer.error(status).is_empty(), "{method} {target}");
    }
}
