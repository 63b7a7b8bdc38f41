//! Finding, paging, following, verifying, going back: as people do it.

use crate::scene::Scene;
use rota_ans104::WalletKind;
use rota_testkit::{MODULE, message};
use serde_json::json;

#[tokio::test]
async fn the_start_page_tells_who_schedules_here() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    page.shows("Wallet address").await;
    let address = scene.site.client.get("/").await.ok()["address"].as_str().unwrap().to_owned();
    page.shows(&address).await;
    assert_eq!(page.complaints(), [""; 0]);
}

#[tokio::test]
async fn an_id_is_found_whatever_it_is_of() {
    let scene = Scene::with(1).await;
    let nodes = scene.site.checked(scene.process).await;
    let id = |node: usize, half: &str| nodes[node][half]["id"].as_str().unwrap().to_owned();
    let page = scene.open("").await;
    for (id, heading) in [
        (scene.process.to_string(), "A process"),
        (id(1, "message"), "Message"),
        (id(1, "assignment"), "Assignment"),
        (id(0, "assignment"), "Assignment"),
        (MODULE.to_owned(), "Nothing has this id"),
        ("not an id".to_owned(), "That is no id"),
    ] {
        page.eval("document.getElementById('search').value = ''").await;
        page.eval("document.getElementById('search').focus()").await;
        page.type_text(&id).await;
        page.key("Enter").await;
        page.wait(&format!("document.querySelector('h1')?.innerText.startsWith({heading:?})"))
            .await;
    }
    page.hash("/").await;
    page.shows("Recently seen").await;
    assert!(page.text(".recent").await.contains(&scene.process.to_string()));
    assert_eq!(page.complaints(), [""; 0]);
}

#[tokio::test]
async fn everything_that_a_scheduler_places_verifies_in_the_browser() {
    for kind in [WalletKind::Rsa4Prime, WalletKind::Ed25519, WalletKind::Secp256k1] {
        let scene = Scene::of(kind).await;
        let ids = scene.of_every_kind().await;
        let page = scene.open_process().await;
        page.wait("document.querySelectorAll('.schedule .badge').length === 8").await;
        assert_eq!(page.count(".schedule .badge.ok").await, 8, "{}", page.text(".schedule").await);
        page.click("#verify").await;
        page.shows("8 entries: all links and signatures verify").await;
        for id in ids {
            page.hash(&format!("/message/{id}")).await;
            page.shows(&id).await;
            page.shows("All of it verifies").await;
        }
        assert_eq!(page.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn the_schedule_is_paged_both_ways_and_links_can_be_shared() {
    let scene = Scene::with(60).await;
    let page = scene.open_process().await;
    let rows = "[...document.querySelectorAll('.schedule tbody th')].map((cell) => cell.innerText)";
    let shows = |first: u32, last: u32| {
        format!(
            "(() => {{ const rows = {rows}; return rows[0] === '{first}' && rows.at(-1) === '{last}'; }})()"
        )
    };
    page.wait(&shows(0, 24)).await;
    page.click("[data-step='Newer ›']").await;
    page.wait(&shows(25, 49)).await;
    page.click("[data-step='Newer ›']").await;
    page.wait(&shows(50, 60)).await;
    assert_eq!(page.count("[data-step='Newer ›']").await, 0);
    page.click("[data-step='‹ Older']").await;
    page.wait(&shows(25, 49)).await;
    page.click("[data-step='Newest »']").await;
    page.wait(&shows(36, 60)).await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 25").await;
    page.eval("history.back()").await;
    page.wait(&shows(25, 49)).await;
    page.eval("history.forward()").await;
    page.wait(&shows(36, 60)).await;
    let shared = page.eval("location.href").await.as_str().unwrap().to_owned();
    let other = crate::page::Page::open(&shared).await;
    other.wait(&shows(36, 60)).await;
    assert_eq!(other.complaints(), [""; 0]);
}

#[tokio::test]
async fn one_can_go_to_a_nonce_and_to_a_time_and_filter_the_page() {
    let scene = Scene::with(30).await;
    let page = scene.open_process().await;
    let node = &scene.site.checked(scene.process).await[28];
    let tags = node["assignment"]["tags"].as_array().unwrap();
    let time =
        tags.iter().find(|tag| tag["name"] == "Timestamp").unwrap()["value"].as_str().unwrap();
    for (place, first) in [("27", "27"), (time, "28"), ("2001-01-01 00:00", "0"), ("29", "29")] {
        page.wait("document.getElementById('jump')").await;
        page.eval("document.getElementById('jump').value = ''").await;
        page.eval("document.getElementById('jump').focus()").await;
        page.type_text(place).await;
        page.key("Enter").await;
        page.wait(&format!(
            "document.querySelector('.schedule tbody th')?.innerText === '{first}'"
        ))
        .await;
    }
    page.hash(&format!("/process/{}", scene.process)).await;
    page.wait("document.querySelectorAll('.schedule tbody tr').length === 25").await;
    page.eval("document.getElementById('filter').focus()").await;
    page.type_text("action: act-7").await;
    page.shows("1 entry of the 25 on this page").await;
    assert_eq!(page.count(".schedule tbody tr:not([hidden])").await, 1);
}

#[tokio::test]
async fn new_entries_appear_while_one_follows() {
    let scene = Scene::with(3).await;
    let page = scene.open_process().await;
    page.wait("document.getElementById('follow')").await;
    page.click("#follow").await;
    page.shows("Following").await;
    let newest = message(scene.process).tag("Action", "Just-Now").sign();
    scene.post(&newest).await;
    page.wait("document.querySelector('.schedule').innerText.includes('Just-Now')").await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 5").await;
}

/// Who reads an entry keeps it, and nothing is asked for or verified twice.
#[tokio::test]
async fn what_is_new_is_added_below_and_all_else_stays() {
    let scene = Scene::with(25).await;
    let page = scene.open(&format!("process/{}?after=0&limit=25&follow=1", scene.process)).await;
    let verified =
        |count: u32| format!("document.querySelectorAll('.schedule .badge.ok').length === {count}");
    page.wait(&verified(25)).await;
    page.shows("Following").await;
    page.eval(
        "window.first = document.querySelector('.schedule tbody tr');
         window.last = document.querySelector('.schedule tbody tr:last-child');
         first.querySelector('a').focus();
         performance.clearResourceTimings();",
    )
    .await;
    for count in [26, 27] {
        scene.post(&message(scene.process).tag("Action", "New").sign()).await;
        page.wait(&verified(count)).await;
    }
    let state = "[first.isConnected, last.isConnected, first.contains(document.activeElement),
        performance.getEntriesByType('resource').filter(({ name }) => name.includes('limit=')).map(({ name }) => name.match(/from-nonce=([-0-9]+)/)[1])]";
    assert_eq!(page.eval(state).await, json!([true, true, true, ["25", "26"]]));
    page.shows("1 to 27 of 27").await;
    page.eval("document.activeElement.blur()").await;
    scene.post(&message(scene.process).tag("Action", "New").sign()).await;
    page.shows("4 to 28 of 28").await;
    page.wait(&verified(25)).await;
    assert_eq!(page.eval("[first.isConnected, last.isConnected]").await, json!([false, true]));
    assert_eq!(page.complaints(), [""; 0]);
}

#[tokio::test]
async fn checking_everything_tells_how_far_it_is_and_can_be_stopped() {
    let scene = Scene::with(450).await;
    let page = scene.open_process().await;
    page.wait("document.querySelector('#verify')").await;
    page.eval(
        "document.querySelector('#verify').click();
         new MutationObserver((_, self) => {
           if (document.querySelector('.running')?.innerText.includes('200 of 451')) {
             self.disconnect();
             document.querySelector('.running button').click();
           }
         }).observe(document.getElementById('verified'), { childList: true, subtree: true, characterData: true });",
    )
    .await;
    page.shows("Cancelled after 200 of 451 entries").await;
    page.click("#continue").await;
    page.shows("451 entries: all links and signatures verify").await;
    let from = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('limit=200')).map(({ name }) => name.match(/from-nonce=([-0-9]+)/)[1]).filter((nonce) => nonce === '-1').length";
    assert_eq!(page.eval(from).await, 1, "it began again");
    crate::page::note(&page.text("#verified").await);
}
