//! `GET /{process}`: pages, held against a plain filter over the whole schedule.

use crate::posting::tag;
use crate::{site, site_with};
use rota_schedule::ProcessId;
use rota_testkit::{Client, message};
use serde_json::Value;

/// What the page must be, worked out from all nodes with nothing but comparisons.
struct Wish {
    after_nonce: i64,
    to_nonce: i64,
    after: i64,
    to: i64,
}

const NO_BOUND: i64 = i64::MAX;

impl Wish {
    fn expected<'a>(&self, nodes: &'a [Value]) -> Vec<&'a Value> {
        let number = |node: &Value, name| tag(node, name).parse::<i64>().unwrap();
        let within = |node: &&Value| {
            let (nonce, time) = (number(node, "Nonce"), number(node, "Timestamp"));
            nonce > self.after_nonce
                && nonce <= self.to_nonce
                && time > self.after
                && time <= self.to
        };
        nodes.iter().filter(within).collect()
    }

    fn query(&self) -> String {
        let mut parts = Vec::new();
        for (name, value, absent) in [
            ("from-nonce", self.after_nonce, -1),
            ("to-nonce", self.to_nonce, NO_BOUND),
            ("from", self.after, -1),
            ("to", self.to, NO_BOUND),
        ] {
            if value != absent {
                parts.push(format!("{name}={value}"));
            }
        }
        parts.join("&")
    }
}

/// Cursors and nodes of a page, and whether there is a next one.
fn edges(page: &Value) -> (Vec<&str>, Vec<&Value>, bool) {
    let edges = page["edges"].as_array().unwrap();
    let cursors = edges.iter().map(|edge| edge["cursor"].as_str().unwrap()).collect();
    let nodes = edges.iter().map(|edge| &edge["node"]).collect();
    (cursors, nodes, page["page_info"]["has_next_page"].as_bool().unwrap())
}

async fn page(client: &Client, process: ProcessId, query: &str) -> Value {
    client.get(&format!("/{process}?{query}")).await.ok()
}

#[tokio::test]
async fn every_combination_of_bounds_and_limits_is_the_plain_filter() {
    let site = site_with(&[]).await;
    let (process, _) = site.process_of(7).await;
    let nodes = site.checked(process).await;
    let time = |nonce: usize| tag(&nodes[nonce], "Timestamp").parse::<i64>().unwrap();
    let times = [-1, time(0), time(3), time(3) - 1, time(7)];
    let to_times = [NO_BOUND, time(0), time(0) - 1, time(4), time(7)];
    for (after_nonce, to_nonce) in
        [-1, 0, 3, 7, 40].into_iter().flat_map(|a| [NO_BOUND, 0, 4, 7].map(|b| (a, b)))
    {
        for (after, to) in times.into_iter().flat_map(|a| to_times.map(|b| (a, b))) {
            let wish = Wish { after_nonce, to_nonce, after, to };
            let expected = wish.expected(&nodes);
            for limit in [1, 3, 8] {
                let query = format!("{}&limit={limit}", wish.query());
                let page = page(&site.client, process, &query).await;
                let (cursors, found, has_next) = edges(&page);
                let count = expected.len().min(limit);
                assert_eq!(found, expected[..count], "{query}");
                assert_eq!(has_next, expected.len() > count, "{query}");
                let by_nonce = query.contains("nonce");
                let name = if by_nonce { "Nonce" } else { "Timestamp" };
                let places: Vec<String> = found.iter().map(|node| tag(node, name)).collect();
                assert_eq!(cursors, places, "{query}");
            }
        }
    }
}

#[tokio::test]
async fn cursors_lead_through_the_whole_schedule_by_nonce_and_by_time() {
    let site = site().await;
    let process = site.spawned().await;
    let posts: Vec<_> = (0..40)
        .map(|_| {
            let (client, item) = (site.client.clone(), message(process).sign());
            tokio::spawn(async move { client.post(&item).await.ok() })
        })
        .collect();
    for post in posts {
        post.await.unwrap();
    }
    let nodes = site.checked(process).await;
    assert_eq!(nodes.len(), 41);
    for (name, start) in [("from", "from="), ("from-nonce", "from-nonce=-1")] {
        let (mut seen, mut query) = (Vec::new(), start.to_owned());
        loop {
            let page = page(&site.client, process, &format!("{query}&limit=7")).await;
            let (cursors, found, has_next) = edges(&page);
            seen.extend(found.into_iter().cloned());
            assert!(seen.len() <= nodes.len(), "{query} does not go on");
            query = format!("{name}={}", cursors.last().unwrap());
            if !has_next {
                break;
            }
        }
        assert_eq!(seen, nodes, "{name}");
    }
}

#[tokio::test]
async fn a_page_has_a_hundred_entries_unless_asked_and_a_thousand_at_most() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let items: Vec<_> =
        (0..1_005).map(|_| message(process).data("x".repeat(9)).anchor(anchor()).sign()).collect();
    let mut posts = Vec::new();
    for part in items.chunks(32) {
        let (client, part) = (site.client.clone(), part.to_vec());
        posts.push(tokio::spawn(async move {
            for item in part {
                client.post(&item).await.ok();
            }
        }));
    }
    for post in posts {
        post.await.unwrap();
    }
    for (query, count, has_next) in [
        ("", 100, true),
        ("limit=100", 100, true),
        ("limit=1000", 1_000, true),
        ("limit=1001", 1_000, true),
        ("limit=4000000000000", 1_000, true),
        ("from-nonce=5&limit=1000", 1_000, false),
        ("from-nonce=905", 100, false),
        ("from-nonce=904", 100, true),
        ("limit=", 100, true),
    ] {
        let page = page(&site.client, process, query).await;
        let (_, nodes, next) = edges(&page);
        assert_eq!((nodes.len(), next), (count, has_next), "{query}");
    }
}

/// Makes items differ that are alike otherwise.
fn anchor() -> [u8; 32] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let text = format!("{:032}", COUNT.fetch_add(1, Ordering::Relaxed));
    text.as_bytes().try_into().unwrap()
}

#[tokio::test]
async fn limits_that_are_none_are_400() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    for bad in ["0", "-1", "ten", "1.5", "0x10", "%00", "1e3", "99999999999999999999"] {
        let why = site.client.get(&format!("/{process}?limit={bad}")).await.error(400);
        assert!(why.contains("limit"), "{bad}: {why}");
    }
    for bad in [
        "from=x",
        "to=-1",
        "from-nonce=-2",
        "to-nonce=1.0",
        "from=99999999999999999999",
        "process-id=x",
    ] {
        site.client.get(&format!("/{process}?{bad}")).await.error(400);
    }
}

#[tokio::test]
async fn bounds_the_wrong_way_round_and_beyond_the_end_are_an_empty_page() {
    let site = site_with(&[]).await;
    let (process, _) = site.process_of(3).await;
    for query in
        ["from-nonce=2&to-nonce=1", "from=9&to=3", "from-nonce=3", "from=99999999999999", "to=1"]
    {
        let page = page(&site.client, process, query).await;
        assert_eq!(
            page.to_string(),
            r#"{"edges":[],"page_info":{"has_next_page":false}}"#,
            "{query}"
        );
    }
}

#[tokio::test]
async fn the_process_is_the_first_edge_when_there_is_no_lower_bound() {
    let site = site_with(&[]).await;
    let (process, _) = site.process_of(2).await;
    for (query, first) in
        [("", 0), ("from-nonce=-1", 0), ("from-nonce=0", 1), ("from=0", 0), ("to-nonce=1", 0)]
    {
        let page = page(&site.client, process, query).await;
        let (_, nodes, _) = edges(&page);
        assert_eq!(tag(nodes[0], "Nonce"), first.to_string(), "{query}");
        let own = nodes[0]["message"]["id"] == process.to_string();
        assert_eq!(own, first == 0, "{query}");
    }
}

#[tokio::test]
async fn large_items_end_a_page_early_but_never_leave_it_empty() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    for size in [1 << 20, 3 << 20, 6 << 20, 2 << 20, (2 << 20) + 1, 10] {
        site.client.post(&message(process).data(vec![b'x'; size]).sign()).await.ok();
    }
    let (mut cursor, mut sizes) = ("-1".to_owned(), Vec::new());
    loop {
        let query = format!("from-nonce={cursor}&limit=1000&bytes-max=4194304");
        let page = page(&site.client, process, &query).await;
        let (cursors, nodes, has_next) = edges(&page);
        assert!(!nodes.is_empty());
        sizes.push(nodes.len());
        assert!(sizes.len() <= 7, "after {cursor} it does not go on");
        (*cursors.last().unwrap()).clone_into(&mut cursor);
        if !has_next {
            break;
        }
    }
    assert_eq!((sizes.iter().sum::<usize>(), sizes), (7, vec![2, 1, 1, 1, 2]));
}
