//! Which answers may be kept, for how long, and what it costs to ask whether they still hold.

use crate::growing::{Answer, Asked, Fault, Growing};
use axum::http::StatusCode;
use rota_testkit::{Schedule, schedules};

const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// `private` too: a shared cache must not hold it, because CloudFront sends what it holds when the origin answers 5xx.
const ASK_AGAIN: &str = "private, no-cache";
const FREE: Asked = Asked { heads: 0, others: 0 };
const ONE_PROBE: Asked = Asked { heads: 1, others: 0 };
const ONE_READ: Asked = Asked { heads: 0, others: 1 };

fn whole() -> (Growing, Vec<Schedule>) {
    let schedules = schedules();
    (Growing::new(schedules.clone(), usize::MAX), schedules)
}

/// The paths of everything that can never change, and those of what may.
fn paths(schedules: &[Schedule]) -> (Vec<String>, Vec<String>) {
    let (usual, assigned) = (&schedules[0], &schedules[4]);
    let process = usual.process;
    let (message, assignment) = (usual.entries[5].message_id, usual.entries[5].assignment_id);
    let elsewhere = assigned.entries[1].message_id;
    let final_ones = vec![
        format!("/{process}?limit=5"),
        format!("/{process}?to-nonce=11"),
        format!("/{process}?from-nonce=4&to-nonce=3"),
        format!("/{process}?from=1010&to=1050&show-anchor"),
        format!("/{message}?process-id={process}"),
        format!("/{assignment}"),
        format!("/{}", assigned.entries[1].assignment_id),
        format!("/processes/{process}"),
        format!("/raw/{message}"),
        format!("/raw/{assignment}"),
    ];
    let open_ones = vec![
        format!("/{process}"),
        format!("/{process}?from-nonce=11"),
        format!("/{process}?to-nonce=12"),
        format!("/{process}?to=99999"),
        format!("/{process}/latest"),
        format!("/{message}"),
        format!("/{elsewhere}?process-id={}", assigned.process),
    ];
    (final_ones, open_ones)
}

fn is_unchanged(answer: &Answer, of: &Answer) {
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
    for name in ["etag", "cache-control", "vary", "content-type"] {
        assert_eq!(answer.header(name), of.header(name), "{name}");
        assert!(!answer.header(name).is_empty(), "{name}");
    }
    assert!(!answer.headers.contains_key("content-length"), "it would be that of the answer");
}

#[tokio::test]
async fn what_can_never_change_is_kept_for_ever_and_asked_for_free() {
    let (growing, schedules) = whole();
    for path in paths(&schedules).0 {
        let answer = growing.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("cache-control"), FOR_EVER, "{path}");
        assert!(answer.header("vary").contains("accept-encoding"), "{path}");
        let tag = answer.header("etag");
        assert!(tag.starts_with("W/\"") && tag.len() == 26, "{tag}");
        for method in ["GET", "HEAD"] {
            let list = format!("\"other\", {}", tag.strip_prefix("W/").unwrap());
            let (again, cost) = growing.ask(method, &path, &[("if-none-match", &list)]).await;
            is_unchanged(&again, &answer);
            assert_eq!(cost, FREE, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn bundles_are_kept_for_ever_too_and_apart_from_the_json() {
    let (growing, schedules) = whole();
    let bytes = ("accept", "application/octet-stream");
    for id in [
        schedules[0].process.to_string(),
        schedules[0].entries[5].assignment_id.to_string(),
        format!("{}?process-id={}", schedules[0].entries[5].message_id, schedules[0].process),
    ] {
        let path = format!("/{id}");
        let (bundle, _) = growing.ask("GET", &path, &[bytes]).await;
        assert_eq!(bundle.header("content-type"), "application/octet-stream");
        assert_eq!(bundle.header("cache-control"), FOR_EVER);
        let json = growing.get(&path).await;
        assert_ne!(bundle.header("etag"), json.header("etag"));
        for answer in [&bundle, &json] {
            assert_eq!(answer.header("vary"), "accept, accept-encoding");
        }
        let known = ("if-none-match", bundle.header("etag"));
        let (again, cost) = growing.ask("GET", &path, &[bytes, known]).await;
        is_unchanged(&again, &bundle);
        assert_eq!(cost, FREE);
    }
    let message = format!("/{}", schedules[0].entries[5].message_id);
    let (bundle, _) = growing.ask("GET", &message, &[bytes]).await;
    assert_eq!(bundle.header("cache-control"), ASK_AGAIN, "another process may have it earlier");
}

/// Strangers chose the bytes, and the explorer lies on the same origin.
#[tokio::test]
async fn bytes_are_never_taken_for_something_else() {
    let (growing, schedules) = whole();
    let (process, entry) = (schedules[0].process, &schedules[0].entries[5]);
    let bytes = ("accept", "application/octet-stream");
    for (path, headers) in [
        (format!("/raw/{}", entry.message_id), &[][..]),
        (format!("/raw/{}", entry.assignment_id), &[]),
        (format!("/{process}"), &[bytes]),
    ] {
        let (answer, _) = growing.ask("GET", &path, headers).await;
        assert_eq!(answer.header("content-type"), "application/octet-stream", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        let known = [&[("if-none-match", answer.header("etag"))], headers].concat();
        let (again, _) = growing.ask("GET", &path, &known).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn what_may_change_is_asked_for_again_and_costs_one_probe_or_one_read() {
    let (growing, schedules) = whole();
    let process = format!("/{}", schedules[0].process);
    for path in paths(&schedules).1 {
        let answer = growing.get(&path).await;
        assert_eq!(answer.header("cache-control"), ASK_AGAIN, "{path}");
        let known = [("if-none-match", answer.header("etag"))];
        let (again, cost) = growing.ask("GET", &path, &known).await;
        is_unchanged(&again, &answer);
        let expected = if path.starts_with(&process) { ONE_PROBE } else { ONE_READ };
        assert_eq!(cost, expected, "{path}");
    }
}

#[tokio::test]
async fn an_open_page_is_sent_again_once_it_grew_and_for_ever_once_it_is_closed() {
    let schedules = schedules();
    let process = schedules[0].process;
    let growing = Growing::new(schedules, 6);
    let paths = [format!("/{process}?to-nonce=7"), format!("/{process}/latest")];
    let mut known = Vec::new();
    for path in &paths {
        known.push(growing.get(path).await);
    }
    growing.grow(7);
    for (path, before) in paths.iter().zip(&mut known) {
        let tag = before.header("etag").to_owned();
        let (grown, _) = growing.ask("GET", path, &[("if-none-match", &tag)]).await;
        assert_eq!((grown.status, grown.header("cache-control")), (StatusCode::OK, ASK_AGAIN));
        assert_ne!(grown.body, before.body);
        *before = grown;
    }
    growing.grow(8);
    let tag = known[0].header("etag");
    let (closed, _) = growing.ask("GET", &paths[0], &[("if-none-match", tag)]).await;
    assert_eq!((closed.status, closed.header("cache-control")), (StatusCode::OK, FOR_EVER));
}

#[tokio::test]
async fn a_star_is_whatever_there_is() {
    let (growing, schedules) = whole();
    let (final_ones, open_ones) = paths(&schedules);
    for path in final_ones.iter().chain(&open_ones) {
        let answer = growing.get(path).await;
        let (again, cost) = growing.ask("GET", path, &[("if-none-match", "*")]).await;
        is_unchanged(&again, &answer);
        assert_eq!(cost, ONE_READ, "{path}");
    }
    let missing = format!("/{}", "A".repeat(43));
    let (answer, _) = growing.ask("GET", &missing, &[("if-none-match", "*")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tags_of_other_questions_and_junk_get_the_whole_answer() {
    let (growing, schedules) = whole();
    let (final_ones, open_ones) = paths(&schedules);
    let all: Vec<_> = final_ones.iter().chain(&open_ones).collect();
    let mut tags = vec!["junk".to_owned(), "\"".to_owned(), "W/\"\"".to_owned()];
    for path in &all {
        tags.push(growing.get(path).await.header("etag").to_owned());
    }
    for path in all {
        let fresh = growing.get(path).await;
        for tag in tags.iter().filter(|tag| *tag != fresh.header("etag")) {
            let (answer, _) = growing.ask("GET", path, &[("if-none-match", tag)]).await;
            assert_eq!(
                (answer.status, &answer.body),
                (StatusCode::OK, &fresh.body),
                "{path} {tag}"
            );
        }
    }
}

#[tokio::test]
async fn errors_and_the_time_are_kept_by_nobody() {
    let (growing, schedules) = whole();
    let process = schedules[0].process;
    let unknown = "A".repeat(43);
    for (path, status) in [
        (format!("/{unknown}"), 404),
        (format!("/{unknown}/latest"), 404),
        (format!("/processes/{unknown}"), 404),
        (format!("/raw/{unknown}"), 404),
        (format!("/{process}?limit=0"), 400),
        ("/x".to_owned(), 400),
        ("/timestamp?process-id=x".to_owned(), 400),
        ("/timestamp".to_owned(), 200),
        (format!("/?process-id={process}"), 200),
    ] {
        let answer = growing.get(&path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(!answer.headers.contains_key("etag"), "{path}");
    }
}

#[tokio::test]
async fn head_has_the_headers_of_get() {
    let (growing, schedules) = whole();
    let (final_ones, open_ones) = paths(&schedules);
    for path in final_ones.iter().chain(&open_ones) {
        let (head, get) = (growing.ask("HEAD", path, &[]).await.0, growing.get(path).await);
        assert_eq!((head.headers, head.body.len()), (get.headers, 0), "{path}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_spares_nobody_who_has_the_answer() {
    let (growing, schedules) = whole();
    let (final_ones, open_ones) = paths(&schedules);
    let mut tags = Vec::new();
    for path in final_ones.iter().chain(&open_ones) {
        tags.push(growing.get(path).await.header("etag").to_owned());
    }
    growing.fail(Fault::Unavailable);
    for (path, tag) in final_ones.iter().chain(&open_ones).zip(&tags) {
        let (answer, _) = growing.ask("GET", path, &[("if-none-match", tag)]).await;
        if final_ones.contains(path) {
            assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{path}");
        } else {
            let found = (answer.status.as_u16(), answer.header("cache-control"));
            assert_eq!(found, (503, "no-store"), "{path}");
            assert!(!answer.header("retry-after").is_empty());
        }
    }
}
