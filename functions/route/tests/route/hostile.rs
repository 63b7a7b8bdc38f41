//! Whatever is sent is answered, and no answer leads anywhere but to a writer.

use crate::site::Site;
use axum::body::Body;
use rota_testkit::{message, spawn};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The answer to bytes on a connection of their own, as text.
async fn say(url: &str, bytes: Vec<u8>) -> String {
    let address = url.trim_start_matches("http://").to_owned();
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        // A reset behind the answer is no matter.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    asking.await.unwrap()
}

fn request(line: &[u8], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}\r\n\r\n", body.len());
    let head = [line, b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n", length.as_bytes()].concat();
    [&head[..], body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_and_no_query_leads_elsewhere() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1").to_string();
    let item = message(process.parse().unwrap()).sign();
    let queries: [&[u8]; 9] = [
        b"//evil.example/",
        b"/?//evil.example",
        b"/?x=%0d%0aLocation:%20http://evil.example",
        b"/?a\xff\xfeb",
        b"/?\xc3\xa9",
        b"http://evil.example/",
        b"http://evil.example/?x",
        b"/?@evil.example",
        b"/?process-id=",
    ];
    let of_process = |query: &[u8]| [b"/", process.as_bytes(), b"?", query].concat();
    let by_id = queries.iter().filter_map(|target| target.strip_prefix(b"/?")).map(of_process);
    let targets: Vec<Vec<u8>> = by_id.chain(queries.iter().map(|it| it.to_vec())).collect();
    let mut pointed = 0;
    for target in &targets {
        for (method, body) in [("GET", &b""[..]), ("POST", item.bytes())] {
            let line = [method.as_bytes(), b" ", target].concat();
            let answer = say(&site.url, request(&line, body)).await;
            assert!(answer.starts_with("HTTP/1.1 "), "{line:?}: {answer}");
            let shown = String::from_utf8_lossy(target);
            let locations: Vec<_> =
                answer.lines().filter_map(|it| it.strip_prefix("location: ")).collect();
            assert!(locations.len() <= 1, "{shown}: {answer}");
            for location in locations {
                pointed += 1;
                let is_writer = |url: &str| location.starts_with(&format!("{url}/"));
                assert!(
                    site.writers.iter().any(|writer| is_writer(&writer.url)),
                    "{shown}: {location}"
                );
            }
        }
    }
    assert!(pointed >= 8, "{pointed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_none_are_named() {
    let site = Site::start(&[]).await;
    for target in [
        "/short",
        "/%00",
        "/%ff%fe",
        "/..%2f..%2fetc",
        "/processes/x",
        "/raw/x",
        "/x/latest",
        "/?process-id=short",
        "/timestamp?process-id=%ff",
    ] {
        site.get(target).await.error(400);
    }
    for target in ["/a/b/c", "/processes/a/b", "//"] {
        site.get(target).await.error(404);
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let status = site.send(method, "/", &[], Body::empty()).await.status;
        assert_eq!(status, 405, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_item_is_refused_and_binds_nothing() {
    for mode in ["redirect", "proxy"] {
        let site = Site::start(&[("ROUTE_MODE", mode)]).await;
        let process = site.process_of("w1");
        let item = message(process).sign();
        let good = item.bytes();
        let mut bodies: Vec<Vec<u8>> =
            vec![Vec::new(), b"{}".to_vec(), vec![0; 5_000], vec![0xff; 5_000]];
        // Cut short at, and damaged in, every field of the head.
        let head = good.len() - item.data().len();
        bodies.extend((0..head).step_by(3).map(|end| good[..end].to_vec()));
        for at in (0..head).filter(|at| !(2..66).contains(at)) {
            let mut damaged = good.to_vec();
            damaged[at] ^= 0x55;
            bodies.push(damaged);
        }
        for body in bodies {
            let answer = site.send("POST", "/", &[], body).await;
            // The router does not verify messages: what still parses goes to its writer, or to nobody.
            assert!(matches!(answer.status, 200 | 307 | 400 | 404), "{}", answer.text());
        }
        let mut forged = spawn().sign().bytes().to_vec();
        forged[10] ^= 1;
        site.send("POST", "/", &[], forged).await.error(400);
        assert_eq!(site.directory.bound(), 1);
    }
}
