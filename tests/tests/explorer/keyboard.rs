//! The keyboard alone, and what a screen reader is told.

use crate::scene::Scene;

#[tokio::test]
async fn everything_can_be_done_without_a_pointer() {
    let scene = Scene::with(30).await;
    let page = scene.open("").await;
    page.shows("Wallet address").await;
    page.key("/").await;
    page.type_text(&scene.process.to_string()).await;
    page.key("Enter").await;
    page.wait("document.querySelectorAll('.schedule tbody tr').length === 25").await;
    let focused = "document.activeElement.innerText";
    for (key, nonce) in [
        ("j", "0"),
        ("j", "1"),
        ("ArrowDown", "2"),
        ("k", "1"),
        ("ArrowUp", "0"),
        ("k", "0"),
        ("j", "1"),
    ] {
        page.key(key).await;
        assert_eq!(page.eval(focused).await, nonce, "{key}");
    }
    page.wait("getComputedStyle(document.activeElement).outlineStyle === 'solid'").await;
    page.key("Enter").await;
    page.wait("document.querySelector('h1').innerText.includes('nonce 1')").await;
    page.wait("document.querySelector('a[rel=next]')").await;
    page.key("n").await;
    page.wait("document.querySelector('h1').innerText.includes('nonce 2')").await;
    page.wait("document.querySelector('a[rel=prev]')").await;
    page.key("p").await;
    page.wait("document.querySelector('h1').innerText.includes('nonce 1')").await;
    page.key("?").await;
    page.wait("document.getElementById('help').open").await;
    page.key("Escape").await;
    page.wait("!document.getElementById('help').open").await;
    assert_eq!(page.complaints(), [""; 0]);
}

/// WCAG 2.1.4: who speaks to a device presses letters without meaning to.
#[tokio::test]
async fn keys_of_one_character_can_be_switched_off_and_stay_so() {
    let scene = Scene::with(3).await;
    let page = scene.open_process().await;
    let row = "document.activeElement.closest('.schedule tbody tr') !== null";
    let shortcuts = "document.querySelectorAll('[aria-keyshortcuts]').length";
    page.wait("document.querySelectorAll('.schedule .badge').length === 4").await;
    assert_eq!(page.eval(shortcuts).await, 2);
    page.key("?").await;
    page.click("#letters").await;
    page.key("Escape").await;
    page.wait("!document.getElementById('help').open").await;
    for round in ["at once", "when the page is loaded again"] {
        for key in ["j", "/", "?", "n"] {
            page.key(key).await;
        }
        assert_eq!(page.eval(row).await, false, "{round}");
        assert_eq!(page.eval("document.activeElement.id === 'search'").await, false, "{round}");
        assert_eq!(page.eval("document.getElementById('help').open").await, false, "{round}");
        assert_eq!(page.eval(shortcuts).await, 0, "{round}");
        page.eval("document.querySelector('.schedule tbody a').focus()").await;
        page.key("ArrowDown").await;
        assert_eq!(page.eval("document.activeElement.innerText").await, "1", "{round}");
        page.eval("document.body.dataset.old = 'yes'").await;
        page.call("Page.reload", serde_json::json!({})).await;
        page.wait("!document.body.dataset.old && document.querySelectorAll('.schedule .badge').length === 4").await;
    }
    page.click("#help-open").await;
    page.click("#letters").await;
    page.key("Escape").await;
    page.wait("!document.getElementById('help').open").await;
    page.eval("document.activeElement.blur()").await;
    page.key("j").await;
    assert_eq!(page.eval(row).await, true);
}

#[tokio::test]
async fn the_first_tab_skips_to_the_content() {
    let scene = Scene::new().await;
    let page = scene.open_process().await;
    page.wait("document.querySelector('.schedule tbody tr')").await;
    page.key("Tab").await;
    assert_eq!(page.eval("document.activeElement.className").await, "skip");
    page.key("Enter").await;
    page.wait("document.activeElement.id === 'main'").await;
    assert!(
        page.eval("location.hash").await.as_str().unwrap().starts_with("#/process/"),
        "the place stays"
    );
}

/// Whatever can be worked has a name, and there is one heading of the first rank.
#[tokio::test]
async fn everything_has_a_name_for_those_who_listen() {
    let scene = Scene::with(3).await;
    let page = scene.open_process().await;
    page.wait("document.querySelectorAll('.schedule .badge').length === 4").await;
    page.call("Accessibility.enable", serde_json::json!({})).await;
    let tree = page.call("Accessibility.getFullAXTree", serde_json::json!({})).await;
    let worked =
        ["button", "link", "textbox", "searchbox", "checkbox", "combobox", "table", "dialog"];
    let mut seen = 0;
    for node in tree["nodes"].as_array().unwrap() {
        let role = node["role"]["value"].as_str().unwrap_or_default();
        if node["ignored"] == true || !worked[..6].contains(&role) {
            continue;
        }
        seen += 1;
        let name = node["name"]["value"].as_str().unwrap_or_default();
        assert!(!name.trim().is_empty(), "{node}");
    }
    assert!(seen > 10, "{seen}");
    assert_eq!(page.count("h1").await, 1);
    assert_eq!(page.count("html[lang]").await, 1);
    page.shows("verified").await;
}
