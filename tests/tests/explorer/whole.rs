//! Verifying a whole schedule over a server that is too busy at times.

use crate::page::Page;
use crate::scene::Scene;
use crate::tampering::{HONEST, pass, served};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use parking_lot::Mutex;
use std::sync::Arc;

/// What the server does: how often it still refuses the second page of two entries, what it then says of when to
/// come back, and after which nonces it was asked for pages.
struct Busy {
    refusals: usize,
    retry_after: &'static str,
    asked: Vec<String>,
}

impl Busy {
    /// Whether a page is refused.
    fn refuses(&mut self, target: &str) -> bool {
        let after = target.split("from-nonce=").nth(1).and_then(|rest| rest.split('&').next());
        self.asked.push(after.unwrap_or_default().to_owned());
        let is_refused = self.refusals > 0 && after == Some("1");
        self.refusals -= usize::from(is_refused);
        is_refused
    }
}

/// A process of five entries, shown by a server that gives two at once to who verifies.
async fn busy(refusals: usize, retry_after: &'static str) -> (Scene, Page, Arc<Mutex<Busy>>) {
    let scene = Scene::with(4).await;
    let state = Arc::new(Mutex::new(Busy { refusals, retry_after, asked: Vec::new() }));
    let (honest, shared) = (scene.site.client.clone(), state.clone());
    let url = served(Router::new().fallback(async move |request: Request| {
        let target = request.uri().path_and_query().unwrap().as_str();
        if !target.contains("limit=200") {
            return pass(&honest, target, HONEST).await;
        }
        let refused = {
            let mut busy = shared.lock();
            busy.refuses(target).then_some(busy.retry_after)
        };
        if let Some(retry_after) = refused {
            let body = r#"{"error": "too many reads at once"}"#;
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", retry_after)], body)
                .into_response();
        }
        pass(&honest, &target.replace("limit=200", "limit=2"), HONEST).await
    }))
    .await;
    let page = Page::open(&format!("{url}/explorer#/process/{}", scene.process)).await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 5").await;
    (scene, page, state)
}

#[tokio::test]
async fn who_is_busy_is_asked_again_when_it_says() {
    let (_scene, page, state) = busy(2, "1").await;
    page.eval(
        "window.told = new Set();
         new MutationObserver(() => told.add(document.querySelector('.running')?.innerText))
           .observe(document.getElementById('verified'), { childList: true, subtree: true, characterData: true });",
    )
    .await;
    page.click("#verify").await;
    page.shows("5 entries: all links and signatures verify").await;
    assert_eq!(state.lock().asked, ["-1", "1", "1", "1", "3"]);
    let told = page.eval("[...told].join()").await;
    let waits = "2 of 5. too many reads at once Asking again in 1 second.";
    assert!(told.as_str().unwrap().contains(waits), "{told}");
}

#[tokio::test]
async fn who_was_stopped_goes_on_where_it_was() {
    let (_scene, page, state) = busy(usize::MAX, "120").await;
    page.eval("document.getElementById('verify').focus()").await;
    page.click("#verify").await;
    page.shows("Stopped after 2 of 5 entries: too many reads at once").await;
    page.wait("document.activeElement.id === 'continue'").await;
    state.lock().refusals = 0;
    page.key("Enter").await;
    page.shows("5 entries: all links and signatures verify").await;
    assert_eq!(state.lock().asked, ["-1", "1", "1", "3"]);
    page.wait("document.activeElement.id === 'verify'").await;
    assert_eq!(page.complaints(), [""; 0]);
}

#[tokio::test]
async fn what_is_loaded_later_may_not_come() {
    let (_scene, page, _) = busy(0, "1").await;
    page.offline(true).await;
    page.click("#verify").await;
    page.shows("A part of this page did not come").await;
    page.offline(false).await;
    assert_eq!(page.eval("document.getElementById('verify').disabled").await, false);
}
