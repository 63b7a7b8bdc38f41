//! What is the same for all routes: CORS, compression, HEAD, methods, unknown routes.

use crate::{site, site_with};
use bytes::Bytes;
use rota_ans104::WalletKind;
use rota_testkit::{MODULE, message, spawn};

/// More items at once than a lane's queue takes (1,024) and its key can sign meanwhile.
const LANE_OVERFLOW: usize = 1_500;

/// Every route, with whether it takes a POST.
fn routes(id: &str) -> Vec<(String, bool)> {
    let gets = [
        format!("/{id}"),
        format!("/{id}/latest"),
        format!("/processes/{id}"),
        format!("/raw/{id}"),
    ];
    let fixed = ["/timestamp", "/health", "/metrics"].map(str::to_owned);
    let root = std::iter::once(("/".to_owned(), true));
    root.chain(gets.into_iter().chain(fixed).map(|path| (path, false))).collect()
}

#[tokio::test]
async fn any_origin_may_ask_and_read_errors_too() {
    let site = site_with(&[]).await;
    let process = site.spawned().await.to_string();
    let mut paths: Vec<String> = routes(&process).into_iter().map(|(path, _)| path).collect();
    paths.extend([format!("/{MODULE}"), "/a/b/c".to_owned(), "/x".to_owned()]);
    for path in paths {
        let answer =
            site.client.send("GET", &path, &[("origin", "https://a.example")], Bytes::new()).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    let refused =
        site.client.send("POST", "/", &[("origin", "null")], Bytes::from_static(b"x")).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (400, Some("*")));
}

#[tokio::test]
async fn a_preflight_is_answered_for_every_route() {
    let site = site_with(&[]).await;
    let headers = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,accept,x-anything"),
    ];
    for (path, _) in routes(MODULE) {
        let answer = site.client.send("OPTIONS", &path, &headers, Bytes::new()).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("POST") && methods.contains("GET"), "{methods}");
        assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let site = site_with(&[]).await;
    let process = site.spawned().await.to_string();
    for (path, _) in routes(&process) {
        let head = site.client.send("HEAD", &path, &[], Bytes::new()).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let get = site.client.get(&path).await;
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    assert_eq!(
        site.client.send("HEAD", &format!("/{MODULE}"), &[], Bytes::new()).await.status,
        404
    );
}

#[tokio::test]
async fn other_methods_are_405_and_other_routes_404() {
    let site = site_with(&[]).await;
    let process = site.spawned().await.to_string();
    for (path, takes_post) in routes(&process) {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            site.client.send(method, &path, &[], Bytes::new()).await.error(405);
        }
        if !takes_post {
            site.client.send("POST", &path, &[], spawn().sign().bytes().clone()).await.error(405);
        }
    }
    for path in [
        "/a/b",
        "/a/b/c",
        "/processes/",
        "/raw/",
        "/raw/a/b",
        "//",
        &format!("/{process}/"),
        "/health/x",
    ] {
        let answer = site.client.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        answer.error(answer.status);
    }
}

#[tokio::test]
async fn pages_are_compressed_for_those_who_ask() {
    let site = site().await;
    let (process, _) = site.process_of(3).await;
    let path = format!("/{process}");
    let plain = site.client.get(&path).await;
    assert_eq!(plain.header("content-encoding"), None);
    for (accept, encoding, magic) in [
        ("gzip", Some("gzip"), &[0x1f, 0x8b][..]),
        ("zstd", Some("zstd"), &[0x28, 0xb5, 0x2f, 0xfd]),
        ("gzip, deflate, br, zstd", None, &[]),
        ("br", None, b"{"),
        ("gzip;q=0", None, b"{"),
        ("identity", None, b"{"),
    ] {
        let answer =
            site.client.send("GET", &path, &[("accept-encoding", accept)], Bytes::new()).await;
        assert_eq!(answer.status, 200);
        if encoding.is_some() || magic == b"{" {
            assert_eq!(answer.header("content-encoding"), encoding, "{accept}");
            assert!(answer.body.starts_with(magic), "{accept}");
        } else {
            assert!(answer.header("content-encoding").is_some(), "{accept}");
        }
        assert!(answer.header("vary").unwrap_or_default().contains("accept-encoding"), "{accept}");
    }
    let small =
        site.client.send("GET", "/timestamp", &[("accept-encoding", "gzip")], Bytes::new()).await;
    assert_eq!(small.header("content-encoding"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_gets_too_much_at_once_is_429_with_a_time_to_come_back() {
    if open_files_max() < LANE_OVERFLOW * 2 {
        return; // each item needs a connection of its own, on both sides of it
    }
    // A key of two primes signs slowest, so its lane fills soonest.
    let site = crate::site_of(WalletKind::Rsa, &[]).await;
    let process = site.spawned().await;
    let items: Vec<_> = (0..LANE_OVERFLOW).map(|_| message(process).sign()).collect();
    let posts = items.iter().cloned().map(|item| {
        let client = site.client.clone();
        tokio::spawn(async move { (client.post(&item).await, item) })
    });
    let mut busy = 0;
    for post in posts.collect::<Vec<_>>() {
        let (answer, item) = post.await.unwrap();
        if answer.status == 200 {
            continue;
        }
        answer.error(429);
        assert!(answer.header("retry-after").is_some());
        busy += 1;
        site.client.post(&item).await.ok();
    }
    assert!(busy > 0, "the lane never filled");
    assert_eq!(site.checked(process).await.len(), items.len() + 1);
}

/// How many files and sockets this process, and so its children, may have open.
fn open_files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
