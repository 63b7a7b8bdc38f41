//! Schedules of an older release that hold what this one refuses: everybody can still read them, and the explorer and
//! `rota verify` say the same of them.

use crate::ROTA;
use crate::page::Page;
use rota_ans104::{Item, WalletKind};
use rota_ledger::{Ledger, LedgerOptions};
use rota_testkit::{Schedule, Site, ethereum_twin, keyless, message, scheduler, spawn, wallet};
use rota_tests::append_schedules;
use std::path::Path;

/// Starts a scheduler on a ledger with this schedule.
pub(crate) async fn site_over(schedule: &Schedule) -> Site {
    let store = |dir: &Path| {
        let ledger = Ledger::open(&dir.join("ledger"), LedgerOptions::default()).unwrap();
        append_schedules(&ledger, std::slice::from_ref(schedule));
        // Whose ledger it is, else it counts as a standby's.
        ledger.set_scheduler(wallet(WalletKind::Ed25519).address()).unwrap();
        ledger.close().unwrap();
    };
    Site::over(ROTA, WalletKind::Ed25519, &[], store).await
}

/// What `rota verify` says of a schedule that is wrong, over HTTP.
fn refused(site: &Site, schedule: &Schedule) -> String {
    let mut command = scheduler::command(Path::new(ROTA));
    command.args(["verify", &schedule.process.to_string(), "--url", &site.process.url]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A page on the process, once all its rows have a verdict.
async fn page_on(site: &Site, schedule: &Schedule, query: &str, rows: usize) -> Page {
    let place = format!("explorer#/process/{}{query}", schedule.process);
    let page = Page::open(&format!("{}/{place}", site.process.url)).await;
    page.wait(&format!("document.querySelectorAll('.schedule .badge').length === {rows}")).await;
    page
}

/// A process, and four messages of which the second and the third were placed by another key.
fn signed_by_two() -> (Schedule, [String; 2]) {
    let (first, second) = (wallet(WalletKind::Ed25519), wallet(WalletKind::Secp256k1));
    let mut schedule = Schedule::spawned(&spawn().sign(), 1_000);
    for (time, signer) in [(1_010, first), (1_020, second), (1_030, second), (1_040, first)] {
        schedule.push_signed(&message(schedule.process).sign(), time, signer);
    }
    let text = |nonce: usize| {
        let id = schedule.entries[nonce].assignment_id;
        let (second, first) = (second.address(), first.address());
        format!("assignment {id} is signed by {second}, the first entry of the schedule by {first}")
    };
    let texts = [text(2), text(3)];
    (schedule, texts)
}

#[tokio::test]
async fn second_signer_of_a_schedule_is_named_alike_by_command_and_explorer() {
    let (schedule, [at_two, at_three]) = signed_by_two();
    let site = site_over(&schedule).await;
    let told = refused(&site, &schedule);
    let place = format!("the first bad entry is at nonce 2: {at_two}");
    assert!(told.contains(&place), "{told}");

    let page = page_on(&site, &schedule, "", 5).await;
    assert_eq!(page.count(".schedule .badge.bad").await, 2);
    page.click("#verify").await;
    page.shows("5 entries: 2 wrong").await;
    let all = page.text("#verified").await;
    assert!(all.contains("nonce 2") && all.contains("nonce 3"), "{all}");
    assert!(all.contains(&at_two) && all.contains(&at_three), "{all}");
    assert_eq!(page.complaints(), [""; 0]);
}

/// The entry before has the same signer there, so only the first one tells.
#[tokio::test]
async fn second_signer_is_named_where_the_page_begins_behind_the_change() {
    let (schedule, [_, at_three]) = signed_by_two();
    let site = site_over(&schedule).await;
    let page = page_on(&site, &schedule, "?after=2", 2).await;
    assert_eq!(page.count(".schedule .badge.bad").await, 1);
    assert!(page.text(".schedule").await.contains(&at_three));
    page.hash(&format!("/message/{}", schedule.entries[3].assignment_id)).await;
    page.shows("Something is wrong").await;
    page.shows(&at_three).await;
    page.hash(&format!("/message/{}", schedule.entries[4].assignment_id)).await;
    page.shows("All of it verifies").await;
}

/// A schedule with all that got a place once: long tags, an Ethereum twin, and two items that keyless signed.
fn of_an_older_release() -> Schedule {
    let mut schedule = Schedule::spawned(&spawn().sign(), 1_000);
    let builder = || message(schedule.process);
    let long = builder().tag("One", &"v".repeat(3_000)).tag("Two", &"v".repeat(3_000));
    let original = builder().sign_as(wallet(WalletKind::Secp256k1));
    let items = [
        long.sign_without_limit(),
        Item::parse(ethereum_twin(&original)).unwrap(),
        original,
        builder().data("one").sign_as(&keyless()),
        builder().sign(),
    ];
    for (time, item) in (1_010..).zip(items) {
        schedule.push(&item, time);
    }
    schedule
}

#[tokio::test]
async fn entries_of_an_older_release_are_served_and_only_the_forged_ones_are_wrong() {
    let schedule = of_an_older_release();
    let site = site_over(&schedule).await;
    let nodes = site.client.schedule(&schedule.process.to_string()).await;
    assert_eq!(nodes.len(), schedule.entries.len());
    for (node, entry) in nodes.iter().zip(&schedule.entries) {
        assert_eq!(node["message"]["id"], entry.message_id.to_string());
        let raw = site.client.get(&format!("/raw/{}", entry.message_id)).await;
        assert_eq!(Some(&raw.body), entry.message.as_ref());
        site.client.get(&format!("/{}", entry.message_id)).await.ok();
    }
    let told = refused(&site, &schedule);
    assert!(told.contains("the first bad entry is at nonce 2: "), "{told}");
    assert!(told.contains("27 or 28"), "{told}");

    let page = page_on(&site, &schedule, "", 6).await;
    page.click("#verify").await;
    page.shows("6 entries: 2 wrong").await;
    let all = page.text("#verified").await;
    assert!(all.contains("nonce 2") && all.contains("nonce 4"), "{all}");
    assert_eq!(page.complaints(), [""; 0]);
    // New entries follow as before.
    site.client.post(&message(schedule.process).sign()).await.ok();
}

#[tokio::test]
async fn item_that_keyless_signed_is_refused_by_the_command() {
    let mut schedule = Schedule::spawned(&spawn().sign(), 1_000);
    schedule.push(&message(schedule.process).sign_as(&keyless()), 1_010);
    let site = site_over(&schedule).await;
    let told = refused(&site, &schedule);
    assert!(told.contains("the first bad entry is at nonce 1: "), "{told}");
    assert!(told.contains("small order"), "{told}");
}
