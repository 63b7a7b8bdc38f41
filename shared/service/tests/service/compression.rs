//! Which answers are compressed, and how.

use axum::Router;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::routing::get;
use rota_service::layers;
use rota_service::layers::COMPRESSED_BYTES_MIN;

use crate::client::{Answer, Client, start};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BOTH: &str = "gzip, zstd";

async fn ask(path: &str, accept: &str) -> Answer {
    let text = |kind, bytes| {
        get(async move || ([(CONTENT_TYPE, kind)], "a".repeat(usize::try_from(bytes).unwrap())))
    };
    let app = Router::new()
        .route("/json", text("application/json", 100_000))
        .route("/text", text("text/plain; charset=utf-8", COMPRESSED_BYTES_MIN))
        .route("/small", text("application/json", COMPRESSED_BYTES_MIN - 1))
        .route("/binary", text("application/octet-stream", 100_000))
        .route(
            "/encoded",
            get(async || {
                ([(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "br")], "b".repeat(100_000))
            }),
        )
        .layer(layers::compression());
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.get_with(path, &format!("accept-encoding: {accept}\r\n")).await
}

#[tokio::test]
async fn the_client_chooses_and_zstd_wins_a_tie() {
    let answer = ask("/json", "gzip").await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body.starts_with(&GZIP_MAGIC) && answer.body.len() < 2_000);

    let answer = ask("/json", BOTH).await;
    assert_eq!(answer.header("content-encoding"), Some("zstd"));
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
    assert!(answer.body.starts_with(&ZSTD_MAGIC) && answer.body.len() < 2_000);

    assert_eq!(ask("/json", "gzip, zstd;q=0").await.header("content-encoding"), Some("gzip"));
    assert_eq!(ask("/json", "gzip;q=1, zstd;q=0.5").await.header("content-encoding"), Some("gzip"));
    assert_eq!(ask("/text", BOTH).await.header("content-encoding"), Some("zstd"));
}

#[tokio::test]
async fn what_gains_nothing_is_sent_as_it_is() {
    let plain = [("/json", "br"), ("/json", "gzip;q=0"), ("/small", BOTH), ("/binary", BOTH)];
    for (path, accept) in plain {
        let answer = ask(path, accept).await;
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, None),
            "{path} {accept}"
        );
        assert!(answer.header("content-length").is_some(), "{path} keeps its length");
        assert!(answer.body.iter().all(|byte| *byte == b'a'), "{path} {accept}");
    }
    let answer = ask("/encoded", BOTH).await;
    assert_eq!(answer.header("content-encoding"), Some("br"), "encoded once only");
    assert_eq!(answer.body, "b".repeat(100_000).into_bytes());
}
