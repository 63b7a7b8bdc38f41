//! What strangers may put into a schedule, and what it may do to whoever looks at it: nothing.

use crate::page::Page;
use crate::scene::Scene;
use crate::verdicts::site_over;
use rota_testkit::{MODULE, Schedule, message, spawn};
use serde_json::json;

/// As large as an item may be by default, less its head.
const HUGE_BYTES: usize = 10 * 1024 * 1024 - 4096;

#[tokio::test]
async fn markup_stays_text_wherever_it_stands() {
    let scene = Scene::new().await;
    let evil = "<img src=x onerror=\"window.owned=1\"><script>window.owned=1</script>";
    let item = message(scene.process)
        .tag("Action", evil)
        .tag(evil, "javascript:window.owned=1")
        .tag("From-Process", evil)
        .tag("__proto__", "x")
        .tag("constructor", "y")
        .data(evil)
        .sign();
    scene.post(&item).await;
    let page = scene.open_process().await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 2").await;
    page.hash(&format!("/message/{}", item.id())).await;
    page.shows("All of it verifies").await;
    page.shows("onerror").await;
    assert_eq!(page.count("main img, main script, a[href^='javascript']").await, 0);
    assert_eq!(page.eval("typeof window.owned").await, "undefined");
    assert_eq!(page.complaints(), [""; 0]);
}

/// Whoever signs may write any process into `From-Process`.
#[tokio::test]
async fn who_sent_it_is_who_signed_it_and_not_who_it_says() {
    let scene = Scene::new().await;
    let item = message(scene.process).tag("From-Process", MODULE).sign();
    scene.post(&item).await;
    let page = scene.open_process().await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 2").await;
    let from =
        "[...document.querySelectorAll('tbody tr:nth-child(2) .from .id')].map((id) => id.title)";
    assert_eq!(page.eval(from).await, json!([item.owner_address().to_string(), MODULE]));
    assert!(page.text("tbody tr:nth-child(2) .said").await.trim().starts_with("says "));
    assert_eq!(page.count("tbody tr:nth-child(1) .said").await, 0);
}

#[tokio::test]
async fn marks_that_reorder_or_hide_text_are_shown_as_what_they_are() {
    let scene = Scene::new().await;
    let item = message(scene.process)
        .tag("Action", "pay \u{202e}olleh\u{202c}")
        .tag("Zero", "a\u{200b}b\u{feff}c\u{0}d\u{1b}[31m")
        .tag("Right", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}")
        .data("line\r\nnext\u{2066}x\u{2069}\u{e0041}")
        .sign();
    scene.post(&item).await;
    let page = scene.open(&format!("message/{}", item.id())).await;
    page.shows("All of it verifies").await;
    let text = page.text("main").await;
    for mark in
        ["U+202E", "U+202C", "U+200B", "U+FEFF", "U+0000", "U+001B", "U+000D", "U+2066", "U+E0041"]
    {
        assert!(text.contains(mark), "{mark}: {text}");
    }
    let bare = page
        .eval(
            "/[\\u202a-\\u202e\\u2066-\\u2069\\u200b\\ufeff\\u0000]/.test(document.body.innerText)",
        )
        .await;
    assert_eq!(bare, false, "a mark got through");
    page.picture("hostile").await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_as_bytes_and_verify() {
    let scene = Scene::new().await;
    let item =
        message(scene.process).data(&b"\xff\xfe\x00\x01 bytes"[..]).anchor([0xfe; 32]).sign();
    scene.post(&item).await;
    let page = scene.open_process().await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 2").await;
    page.hash(&format!("/message/{}", item.id())).await;
    page.shows("All of it verifies").await;
    page.shows("not UTF-8").await;
    page.shows("ff fe 00 01 20 62 79 74 65 73").await;
    page.shows(&format!("0x{}", "fe".repeat(32))).await;
}

/// No item gets a place with so many tags any more, but an older release may have let one in.
#[tokio::test]
async fn a_hundred_and_twenty_eight_tags_and_long_values_are_shown_and_cut() {
    let mut schedule = Schedule::spawned(&spawn().sign(), 1_000);
    let long = "x".repeat(3_000);
    let item = (0..125)
        .fold(message(schedule.process), |item, number| item.tag(&format!("Tag-{number}"), &long))
        .sign_without_limit();
    schedule.push(&item, 1_010);
    let site = site_over(&schedule).await;
    let place = format!("explorer#/message/{}", item.id());
    let page = Page::open(&format!("{}/{place}", site.process.url)).await;
    page.shows("Tags (128)").await;
    page.shows("All of it verifies").await;
    assert!(page.count("button.more").await >= 125);
    page.shows("Show all (2,700 more characters)").await;
    let before = page.eval("document.body.innerText.length").await.as_u64().unwrap();
    page.eval("document.querySelectorAll('.tags button.more').forEach((more) => more.click())")
        .await;
    let after = page.eval("document.body.innerText.length").await.as_u64().unwrap();
    assert!(after > before + 125 * 2_600, "{before} {after}");
    for width in [1280, 320] {
        page.size(width, 700).await;
        let wide = page.eval("document.documentElement.scrollWidth").await;
        assert_eq!(wide, width, "it scrolls sideways");
    }
}

#[tokio::test]
async fn the_largest_body_opens_and_can_be_read() {
    let scene = Scene::new().await;
    let item = message(scene.process).data(vec![b'a'; HUGE_BYTES]).sign();
    scene.post(&item).await;
    let page = scene.open(&format!("message/{}", item.id())).await;
    page.shows("All of it verifies").await;
    page.shows("10.0 MiB").await;
    assert!(
        page.eval("document.body.innerText.length").await.as_u64().unwrap() < 50_000,
        "all of it was shown"
    );
    page.click("pre + button.more").await;
    // Both do not fit into one answer of the scheduler.
    page.hash(&format!("/process/{}", scene.process)).await;
    page.wait("document.querySelector('.schedule .badge.ok')").await;
    page.click("[data-step='Newer ›']").await;
    page.wait("document.querySelector('.schedule tbody th').innerText === '1'").await;
    page.wait("document.querySelector('.schedule .badge.ok')").await;
}

/// Indented, each of its numbers would take ten kilobytes: gigabytes in all.
#[tokio::test]
async fn json_that_lies_deep_is_shown_as_text() {
    let scene = Scene::new().await;
    let (opened, closed) = ("[".repeat(5_000), "]".repeat(5_000));
    let deep = format!("{opened}{}1{closed}", "1,".repeat(200_000));
    let item = message(scene.process).data(deep).sign();
    let shallow = message(scene.process).data("{\"a\": [\"\\\"]}[\"]}").sign();
    for (item, views) in [(item, "Text,Hex"), (shallow, "JSON,Text,Hex")] {
        scene.post(&item).await;
        let page = scene.open(&format!("message/{}", item.id())).await;
        page.shows("All of it verifies").await;
        let shown =
            "[...document.querySelectorAll('.views button')].map((view) => view.innerText).join()";
        assert_eq!(page.eval(shown).await, views);
    }
}

#[tokio::test]
async fn the_name_of_a_process_is_no_less_strange_among_those_seen_lately() {
    let scene = Scene::new().await;
    let item = spawn().tag("Name", "pay \u{202e}olleh").sign();
    scene.post(&item).await;
    let page = scene.open(&format!("process/{}", item.id())).await;
    page.wait("document.querySelector('.schedule .badge.ok')").await;
    page.hash("/").await;
    page.wait("document.querySelector('.recent')").await;
    assert!(page.text(".recent").await.contains("pay U+202Eolleh"));
    assert_eq!(page.eval("document.body.innerText.includes('\\u202e')").await, false);
}

#[tokio::test]
async fn fragments_that_nobody_means_do_no_harm() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    for hash in [
        "/process/<script>",
        "/__proto__/x",
        "/constructor/constructor",
        "/message/%E0%A4%A",
        "/process/../../metrics",
        "//evil.example/x",
        "/find/javascript:alert(1)",
    ] {
        page.hash(hash).await;
        page.wait("document.querySelector('h1')").await;
        assert_eq!(page.count("main script").await, 0, "{hash}");
    }
    let process = scene.process;
    for query in [
        "after=NaN",
        "after=-5",
        "after=1e400",
        "after=99999999",
        "limit=0",
        "limit=%00",
        "after=0.5",
    ] {
        page.hash(&format!("/process/{process}?{query}")).await;
        page.wait("document.querySelector('.schedule')").await;
    }
    assert_eq!(page.complaints(), [""; 0]);
}
