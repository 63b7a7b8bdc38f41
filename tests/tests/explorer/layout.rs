//! Size, speed and looks: what the first page weighs, when it can be used, phones, dark rooms.

use crate::page::Page;
use crate::scene::Scene;
use rota_testkit::message;
use serde_json::json;

/// What the issue asks of the first page, uncompressed.
const FIRST_PAGE_BYTES_MAX: f64 = 100_000.0;
/// What the issue asks of it, in ms.
const USABLE_MS_MAX: f64 = 1_000.0;
/// How often it is loaded at the most: other tests run meanwhile, and the quickest shows what it takes by itself.
const LOADS_MAX: usize = 5;

/// When the last answer that the start page shows was there, in ms.
async fn usable_after(page: &Page) -> f64 {
    page.shows("Wallet address").await;
    let last =
        "Math.max(...performance.getEntriesByType('resource').map((entry) => entry.responseEnd))";
    page.eval(last).await.as_f64().unwrap()
}

#[tokio::test]
async fn the_first_page_is_small_and_soon_usable() {
    let scene = Scene::new().await;
    scene.open("").await.shows("Wallet address").await; // the browser itself has started
    let mut page = scene.open("").await;
    let mut usable = usable_after(&page).await;
    for _ in 1..LOADS_MAX {
        if usable <= USABLE_MS_MAX {
            break;
        }
        page = scene.open("").await;
        usable = usable_after(&page).await;
    }
    let bytes = page
        .eval(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
               .reduce((sum, entry) => sum + entry.decodedBodySize, 0)",
        )
        .await;
    let bytes = bytes.as_f64().unwrap();
    crate::page::note(&format!("first page: {bytes} bytes, usable after {usable:.0} ms"));
    assert!(bytes > 30_000.0 && bytes <= FIRST_PAGE_BYTES_MAX, "{bytes}");
    assert!(usable <= USABLE_MS_MAX, "{usable}");
    let elsewhere = page
        .eval("performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith(location.origin)).length")
        .await;
    assert_eq!(elsewhere, 0);
}

#[tokio::test]
async fn every_page_fits_a_phone_and_any_light() {
    let scene = Scene::with(20).await;
    let data = r#"{"a": [1, 2, {"long": "some words that go on"}], "b": null}"#;
    let item = message(scene.process)
        .tag("Action", "A-rather-long-name-of-an-action-without-any-place-to-break-it-at-all")
        .tag("Note", &"long text with words ".repeat(30))
        .data(data)
        .sign();
    scene.post(&item).await;
    let page = scene.open("").await;
    page.shows("Wallet address").await;
    let places = [
        ("start", "/".to_owned(), "document.querySelector('.facts dd')"),
        (
            "process",
            format!("/process/{}", scene.process),
            "document.querySelectorAll('.schedule .badge.ok').length === 22",
        ),
        ("entry", format!("/message/{}", item.id()), "document.querySelector('.overall .badge')"),
    ];
    for (name, hash, ready) in places {
        page.hash(&hash).await;
        page.wait(ready).await;
        for (width, height) in [(1280, 900), (768, 1000), (390, 844), (320, 640)] {
            page.size(width, height).await;
            assert_eq!(
                page.eval("document.documentElement.scrollWidth").await,
                width,
                "{name} scrolls sideways"
            );
            for light in ["light", "dark"] {
                page.prefer("prefers-color-scheme", light).await;
                if width != 768 && width != 390 {
                    page.picture(&format!("{name}-{width}-{light}")).await;
                }
            }
        }
    }
    page.size(1280, 900).await;
    page.key("?").await;
    page.picture("help").await;
}

/// WCAG 2.2 AA: 4.5 to 1 for text, in both lights.
#[tokio::test]
async fn text_can_be_told_from_its_paper() {
    let scene = Scene::with(2).await;
    let page = scene.open_process().await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 3").await;
    for light in ["light", "dark"] {
        page.prefer("prefers-color-scheme", light).await;
        let low = page
            .eval(
                "(() => {
                   const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
                   const luminance = (color) => {
                     canvas.fillStyle = color;
                     canvas.fillRect(0, 0, 1, 1);
                     const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
                     const [r, g, b] = parts.map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                     return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                   };
                   const root = getComputedStyle(document.documentElement);
                   const probe = document.body.appendChild(document.createElement('i'));
                   const of = (name) => { probe.style.setProperty('color', `var(--${name})`); return luminance(getComputedStyle(probe).color); };
                   const low = [];
                   for (const paper of ['paper', 'panel']) for (const ink of ['ink', 'faint', 'accent', 'ok', 'bad', 'unknown']) {
                     const [a, b] = [of(paper), of(ink)];
                     const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                     if (ratio < 4.5) low.push([paper, ink, ratio]);
                   }
                   return low;
                 })()",
            )
            .await;
        assert_eq!(low, json!([]), "{light}");
    }
}

#[tokio::test]
async fn nothing_moves_for_those_who_asked_for_stillness() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let animation = "(() => { const p = document.body.appendChild(document.createElement('p')); p.className = 'loading';
        const name = getComputedStyle(p).animationName; p.remove(); return name; })()";
    assert_eq!(page.eval(animation).await, "breathe");
    page.prefer("prefers-reduced-motion", "reduce").await;
    assert_eq!(page.eval(animation).await, "none");
}
