//! Delivered means that the bundler named the very id; anything else is an error of the right kind.

use std::time::{Duration, Instant};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use bytes::Bytes;
use rota_ans104::ItemId;
use rota_permaweb::{Bundler, BundlerConfig, DeliveryError, PermawebError};
use url::Url;

use crate::server::{Fault, Stub, TIMEOUT, redirect, reply};

/// The longest receipt that is read.
const RECEIPT_BYTES_MAX: usize = 64 * 1024;

fn id() -> ItemId {
    ItemId::new([1; 32])
}

fn receipt() -> String {
    format!(r#"{{"id":"{}","timestamp":1,"extra":[{{}}]}}"#, id())
}

async fn deliver(url: Url) -> Result<(), DeliveryError> {
    let bundler = Bundler::new(BundlerConfig { url, timeout: TIMEOUT }).unwrap();
    bundler.deliver(&id(), Bytes::from_static(b"item bytes")).await
}

#[tokio::test]
async fn a_receipt_with_the_id_is_a_delivery() {
    for status in [200, 201, 202] {
        let stub = Stub::answering(status, receipt()).await;
        deliver(stub.url.clone()).await.unwrap();
        let seen = stub.seen().remove(0);
        assert_eq!(seen.line, "POST /tx/arweave");
        assert_eq!(seen.headers["content-type"], "application/octet-stream");
        assert_eq!(seen.headers["content-length"], "10");
        assert_eq!(seen.body, "item bytes");
    }
}

#[tokio::test]
async fn a_path_prefix_stays() {
    let stub = Stub::answering(200, receipt()).await;
    deliver(stub.url.join("/v1/").unwrap()).await.unwrap();
    assert_eq!(stub.lines(), ["POST /v1/tx/arweave"]);
}

#[tokio::test]
async fn success_without_the_id_is_a_wrong_answer() {
    let bodies = [
        format!(r#"{{"id":"{}"}}"#, ItemId::new([2; 32])),
        format!(r#"{{"id":" {}"}}"#, id()),
        format!(r#"{{"id":["{}"]}}"#, id()),
        format!(r#"{{"ID":"{}"}}"#, id()),
        format!("\"{}\"", id()),
        id().to_string(),
        receipt() + "x",
        r#"{"id":5}"#.to_owned(),
        r#"{"id":null}"#.to_owned(),
        "{}".to_owned(),
        "Accepted".to_owned(),
        "<html></html>".to_owned(),
        "[".repeat(60_000),
        String::new(),
    ];
    for body in bodies {
        let stub = Stub::answering(202, body.clone()).await;
        let error = deliver(stub.url.clone()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::WrongAnswer { status: 202, .. }), "{body} {error}");
        assert!(!error.is_rejection());
    }
}

#[tokio::test]
async fn a_strangers_text_is_quoted_in_short() {
    for body in [format!(r#"{{"id":"{}"}}"#, "x".repeat(9_000)), format!("{:?}", "x".repeat(9_000))]
    {
        let stub = Stub::answering(200, body).await;
        let error = deliver(stub.url.clone()).await.unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
    }
}

#[tokio::test]
async fn a_receipt_may_have_64_kib_and_not_one_byte_more() {
    for (length, accepted) in [(RECEIPT_BYTES_MAX, true), (RECEIPT_BYTES_MAX + 1, false)] {
        let padded = receipt() + &" ".repeat(length - receipt().len());
        let stub = Stub::answering(200, padded).await;
        let delivered = deliver(stub.url.clone()).await;
        assert_eq!(delivered.is_ok(), accepted, "{length}");
        assert!(accepted || matches!(delivered, Err(DeliveryError::WrongAnswer { .. })));
    }
}

#[tokio::test]
async fn every_fault_is_an_error_in_time() {
    for fault in Fault::all() {
        let url = fault.serve().await;
        let begin = Instant::now();
        let error = deliver(url).await.unwrap_err();
        assert!(begin.elapsed() < TIMEOUT * 4, "{fault:?}");
        let expected = match fault {
            Fault::Broken => matches!(error, DeliveryError::Refused { status: 500, .. }),
            Fault::Html | Fault::Oversized | Fault::Endless => {
                matches!(error, DeliveryError::WrongAnswer { .. })
            }
            _ => matches!(error, DeliveryError::Unreachable(_)),
        };
        assert!(expected && !error.is_rejection(), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_rejection_is_about_the_item_and_not_the_moment() {
    let rejections = [400, 402, 403, 404, 409, 413, 422, 499];
    for status in rejections.into_iter().chain([302, 408, 425, 429, 500, 502, 503, 599]) {
        // With a receipt in the body: the status alone decides.
        let stub = Stub::answering(status, receipt()).await;
        let error = deliver(stub.url.clone()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Refused { status: s, .. } if s == status));
        assert_eq!(error.is_rejection(), rejections.contains(&status), "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_read_in_seconds_and_bounded() {
    let cases = [
        ("7", Some(7)),
        (" 0 ", Some(0)),
        ("99999999", Some(3_600)),
        ("99999999999999999999999", None),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ];
    for (header, seconds) in cases {
        let stub = Stub::with(move |_| {
            let builder = Response::builder().status(StatusCode::TOO_MANY_REQUESTS);
            builder.header("retry-after", header).body(Body::empty()).unwrap()
        })
        .await;
        let Err(DeliveryError::Refused { retry_after, .. }) = deliver(stub.url.clone()).await
        else {
            panic!("{header} must be a refusal");
        };
        assert_eq!(retry_after, seconds.map(Duration::from_secs), "{header}");
    }
}

#[tokio::test]
async fn a_redirect_is_followed_only_if_it_keeps_the_item() {
    for (status, followed) in [(307, true), (308, true), (301, false), (302, false), (303, false)] {
        let target = Stub::answering(200, receipt()).await;
        let location = target.url.join("/there").unwrap();
        let stub = Stub::with(move |_| redirect(status, location.as_str())).await;
        let delivered = deliver(stub.url.clone()).await;
        assert_eq!(delivered.is_ok(), followed, "{status}");
        if followed {
            assert_eq!(target.seen()[0].body, "item bytes");
        } else {
            assert!(target.seen().is_empty());
            assert!(
                matches!(delivered, Err(DeliveryError::Refused { status: s, .. }) if s == status)
            );
        }
    }
}

#[tokio::test]
async fn clones_deliver_at_the_same_time() {
    let stub =
        Stub::with(|seen| reply(200, format!(r#"{{"id":"{}"}}"#, item_of(&seen.body)))).await;
    let bundler = Bundler::new(BundlerConfig { url: stub.url.clone(), timeout: TIMEOUT * 10 });
    let bundler = bundler.unwrap();
    let mut deliveries = tokio::task::JoinSet::new();
    for byte in 0..32 {
        let bundler = bundler.clone();
        deliveries.spawn(async move {
            let id = ItemId::new([byte; 32]);
            bundler.deliver(&id, Bytes::copy_from_slice(id.as_bytes())).await
        });
    }
    assert!(deliveries.join_all().await.iter().all(Result::is_ok));
}

fn item_of(body: &Bytes) -> ItemId {
    ItemId::try_from(&body[..]).unwrap()
}

#[test]
fn a_url_that_is_not_http_is_refused_at_the_start() {
    let url = Url::parse("ftp://bundler.example").unwrap();
    let refused = Bundler::new(BundlerConfig { url, timeout: TIMEOUT });
    assert!(matches!(refused, Err(PermawebError::BadUrl { .. })));
}
