//! Pages of more bytes than are held at once: the same JSON, an end that is known at the start, and no part
//! that could be taken for the whole.

use crate::growing::{Answer, Fault, Growing};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use rota_lambda::Meter;
use rota_schedule::{Cursor, Entry, PAGE_BYTES_MAX, PageQuery, SystemClock};
use rota_testkit::{Model, Schedule};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt as _;

fn growing(schedule: &Schedule) -> Growing {
    Growing::new(vec![schedule.clone()], usize::MAX)
}

/// How many entries a page has, and whether it says that more follow. Without reading 100 MB as JSON.
fn shape(answer: &Answer) -> (usize, bool) {
    assert_eq!(answer.status, 200);
    let body = &answer.body[..];
    let has_next = body.starts_with(br#"{"page_info":{"has_next_page":true},"edges":[{"node":"#);
    assert!(has_next || body.starts_with(br#"{"page_info":{"has_next_page":false},"edges":["#));
    assert!(body.ends_with(b"\"}]}"), "it is whole");
    let text = std::str::from_utf8(body).unwrap();
    (text.matches(",\"cursor\":\"").count(), has_next)
}

#[tokio::test]
async fn a_page_in_pieces_is_the_page_as_a_whole() {
    let schedule = Schedule::of_messages((0..80).map(|_| vec![b'x'; 60_000]));
    let growing = growing(&schedule);
    for (query, cursor) in [("limit=1000", Cursor::Timestamp), ("from-nonce=-1", Cursor::Nonce)] {
        let answer = growing.get(&format!("/{}?{query}", schedule.process)).await;
        let page = Model::page(&schedule.entries, &PageQuery { cursor, ..PageQuery::default() });
        let whole = rota_wire::page(&page, cursor, false).unwrap();
        assert_eq!((page.entries.len(), answer.header("content-length")), (81, ""));
        assert!(answer.body == whole, "{query}");
    }
    let (small, _) = growing.ask("GET", &format!("/{}?limit=9", schedule.process), &[]).await;
    let length = small.body.len().to_string();
    assert_eq!(small.header("content-length"), length, "a small page is sent at once");
}

#[tokio::test]
async fn a_page_ends_at_the_cap_and_says_exactly_whether_more_follows() {
    let schedule = Schedule::of_messages((0..110).map(|_| vec![b'x'; 1 << 20]));
    let (mut bytes, mut fitting) = (0, 0);
    for entry in &schedule.entries {
        bytes += entry.len_bytes();
        fitting += usize::from(bytes <= PAGE_BYTES_MAX);
    }
    assert!((90..105).contains(&fitting), "{fitting}");
    let growing = growing(&schedule);
    let path = format!("/{}?limit=1000", schedule.process);
    let page = growing.get(&path).await;
    assert_eq!(shape(&page), (fitting, true));
    assert!(page.is_for_ever(), "the next entry is there");
    growing.grow(fitting);
    let page = growing.get(&path).await;
    assert_eq!(shape(&page), (fitting, false), "nothing is left of the schedule");
    assert!(!page.is_for_ever());
}

/// A control character has six bytes in JSON: whatever strangers post, clients can read the schedule.
#[tokio::test]
async fn a_page_whose_json_would_be_too_large_ends_early() {
    let schedule = Schedule::of_messages((0..40).map(|_| vec![1; 1 << 20]));
    let growing = growing(&schedule);
    let first = growing.get(&format!("/{}", schedule.process)).await;
    let (count, has_next) = shape(&first);
    assert!(has_next && first.is_for_ever() && first.body.len() < 190_000_000);
    assert!((29..31).contains(&count), "{count}");
    let last = &schedule.entries[count - 1];
    let next = growing.get(&format!("/{}?from={}", schedule.process, last.timestamp)).await;
    assert_eq!(shape(&next), (41 - count, false));
    // The same where more follows anyway.
    let first = growing.get(&format!("/{}?limit=40", schedule.process)).await;
    assert_eq!(shape(&first), (count, true));
}

#[tokio::test]
async fn a_store_that_fails_on_the_way_cuts_the_answer() {
    let schedule = Schedule::of_messages((0..12).map(|_| vec![b'x'; 1_000_000]));
    for encoding in ["identity", "gzip", "zstd"] {
        let growing = growing(&schedule);
        let meter = Meter::new("read", Arc::new(SystemClock), |_| {});
        let app = rota_read::lambda::router(growing.state(), 8, meter);
        let request = Request::get(format!("/{}", schedule.process));
        let request = request.header("accept-encoding", encoding).body(Body::empty()).unwrap();
        let answer = app.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        // The first part is read by now.
        growing.fail(Fault::Unavailable);
        let (mut body, mut got) = (answer.into_body(), Vec::new());
        let whole = "it must not end as if it were whole";
        while let Ok(frame) = body.frame().await.expect(whole) {
            got.extend_from_slice(&frame.into_data().unwrap());
        }
        if encoding == "identity" {
            assert!(got.len() > 3_000_000, "the first part was there");
            assert!(serde_json::from_slice::<Value>(&got).is_err());
        }
    }
}

#[tokio::test]
async fn a_page_by_time_does_not_end_between_equals_wherever_its_parts_end() {
    let mut schedule = Schedule::of_messages((0..12).map(|_| vec![b'x'; 1_000_000]));
    let as_old = |entry: &mut Entry| entry.timestamp.0 = 2_000;
    schedule.entries.iter_mut().skip(1).for_each(as_old);
    let growing = growing(&schedule);
    let page = growing.get(&format!("/{}?limit=2", schedule.process)).await;
    assert_eq!(shape(&page), (13, false));
    let page = growing.get(&format!("/{}?limit=2&bytes-max=100", schedule.process)).await;
    assert_eq!(shape(&page), (1, true));
}
