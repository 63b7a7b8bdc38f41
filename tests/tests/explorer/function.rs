//! The same page from the read function, under the emulator of Lambda, on a schedule that another scheduler
//! signed.

use crate::page::Page;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rota_ans104::Address;
use rota_lambda::{Meter, Platform, ResponseMode, serve};
use rota_read::ReadState;
use rota_read::lambda::router;
use rota_schedule::{Assignment, Entry, PAGE_BYTES_MAX, Subject, SystemClock};
use rota_service::{Env, Stop, emf};
use rota_testkit::lambda::Lambda;
use rota_testkit::{Model, Schedule, vectors};
use std::process::Command;
use std::sync::Arc;

/// The process of the vectors: 31 entries, the first is its own.
fn schedule() -> Schedule {
    let bundles = vectors::bundles(vectors::PROCESS);
    let entries = bundles.iter().map(|items| {
        let Assignment { slot: placed, subject } = Assignment::read(&items[0]).unwrap();
        let message_id = match subject {
            Subject::Process => vectors::PROCESS.parse().unwrap(),
            Subject::Message(id) => id,
        };
        Entry {
            nonce: placed.nonce,
            timestamp: placed.timestamp,
            assignment_id: items[0].id().into(),
            message_id,
            assignment: items[0].bytes().clone(),
            message: items.get(1).map(|item| item.bytes().clone()),
        }
    });
    let process = vectors::PROCESS.parse().unwrap();
    Schedule { process, entries: entries.collect(), heads: Vec::new() }
}

/// Not a test of its own: the function, as the test below starts it.
#[test]
#[ignore = "the tests start it as a process of its own"]
fn serves_the_vectors() {
    let mut env = Env::load(None).unwrap();
    let Ok(platform) = Platform::read(&mut env) else { return };
    let reader = Model::new(vec![schedule()], Address::of_owner(b"the scheduler"), 42);
    let clock = Arc::new(SystemClock);
    let state = ReadState { reader, clock: clock.clone(), page_bytes_max: PAGE_BYTES_MAX };
    let app = router(Arc::new(state), 8, Meter::new("read", clock, emf::stdout));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        serve(app, ResponseMode::Stream, platform, &Stop::on_signals().unwrap()).await.unwrap();
    });
}

/// What a function's URL does: requests in, answers out. It ends with the test's runtime.
async fn function_url(function: Lambda) -> String {
    let app = Router::new().fallback(invoke).with_state(Arc::new(function));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn invoke(State(function): State<Arc<Lambda>>, request: Request) -> Response {
    let target = request.uri().path_and_query().unwrap().as_str();
    let texts = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let answer = function.send(request.method().as_str(), target, &texts.collect::<Vec<_>>()).await;
    let mut headers: HeaderMap = answer.headers;
    headers.remove(header::TRANSFER_ENCODING);
    (StatusCode::from_u16(answer.status).unwrap(), headers, Body::from(answer.body)).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_function_serves_the_page_and_a_foreign_schedule_verifies() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "function::serves_the_vectors", "--nocapture"]);
    let url = function_url(Lambda::start(command, Some(4)).await).await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", vectors::PROCESS)).await;
    page.wait("document.querySelectorAll('.schedule .badge').length === 25").await;
    assert_eq!(page.count(".schedule .badge.ok").await, 25, "{}", page.text(".schedule").await);
    page.click("#verify").await;
    page.shows("31 entries: all links and signatures verify").await;
    crate::page::note(&page.text("#verified").await);
    assert_eq!(page.complaints(), [""; 0]);
}
