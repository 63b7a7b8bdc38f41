//! `rota verify --url` against schedules that are right, and wrong in one way each.

use crate::command::{Ran, rota};
use crate::schedule::{Schedule, page, stub_of, wallet};
use crate::stub::{Reply, Stub};
use rota_schedule::{HashChain, ProcessId, Slot, Timestamp};
use serde_json::{Value, json};
use std::path::Path;

/// What a scheduler does wrong with a place.
type Misplace = fn(&mut Slot);

fn verify(process: &ProcessId, stub: &Stub) -> Ran {
    rota(Path::new("/"), &["verify", &process.to_string(), "--url", &stub.url])
}

/// Verifies a schedule that is served as `page`; it must fail at `nonce` for a reason that has `why`.
fn refused(process: &ProcessId, page: &Value, nonce: u64, why: &str) {
    let answer = verify(process, &stub_of(page)).fails(1);
    let place = format!("process {process}: the first bad entry is at nonce {nonce}: ");
    assert!(answer.contains(&place) && answer.contains(why), "{why}: {answer}");
}

#[test]
fn a_right_schedule_verifies() {
    let schedule = Schedule::new(20);
    let out = verify(&schedule.process, &stub_of(&schedule.json())).ok();
    let expected = format!(
        "process {}: 21 entries, nonces 0 to 20, all links and signatures verify (",
        schedule.process
    );
    assert!(out.starts_with(&expected) && out.ends_with(" s)\n"), "{out}");
}

#[test]
fn pages_are_followed_by_nonce_to_the_end() {
    let schedule = Schedule::new(20);
    let entries = schedule.entries.clone();
    let stub = Stub::serving(move |uri| {
        if uri.path().ends_with("/latest") {
            return Reply::json(200, page(&entries[20..], false)["edges"][0]["node"].to_string());
        }
        let query: Vec<_> = uri.query().unwrap().split('&').collect();
        assert!(query.contains(&"limit=1000"), "{query:?}");
        let after = query.iter().find_map(|pair| pair.strip_prefix("from-nonce=")).unwrap();
        let from = usize::try_from(after.parse::<i64>().unwrap() + 1).unwrap();
        let to = (from + 6).min(entries.len());
        Reply::json(200, page(&entries[from..to], to < entries.len()).to_string())
    });
    let out = verify(&schedule.process, &stub).ok();
    assert!(out.contains("21 entries, nonces 0 to 20, all links and signatures verify"), "{out}");
}

#[test]
fn a_scheduler_that_signs_a_wrong_place_is_caught() {
    let other = ProcessId::new([1; 32]);
    let cases: [(u64, Misplace, &str); 4] = [
        (3, |slot| slot.hash_chain = HashChain([9; 32]), "ORD-2"),
        (3, |slot| slot.timestamp = Timestamp(5), "ORD-3"),
        (0, |slot| slot.hash_chain = HashChain([0; 32]), "ORD-2"),
        (4, |slot| slot.process = ProcessId::new([1; 32]), &format!("process {other}")),
    ];
    let key = wallet();
    for (nonce, misplace, why) in cases {
        let place = |slot: &mut Slot| {
            if slot.nonce == nonce {
                misplace(slot);
            }
        };
        let schedule = Schedule::placed(6, place, |_| &key);
        refused(&schedule.process, &schedule.json(), nonce, why);
    }
}

#[test]
fn entries_out_of_their_order_are_caught() {
    let Schedule { process, entries, .. } = Schedule::new(6);
    let mut gap = entries.clone();
    gap.remove(3);
    refused(&process, &page(&gap, false), 3, "ORD-1 is broken at nonce 4: expected nonce 3");
    let mut swapped = entries.clone();
    swapped.swap(3, 4);
    refused(&process, &page(&swapped, false), 3, "ORD-1 is broken at nonce 4");
    let mut twice = entries.clone();
    twice.insert(4, entries[3].clone());
    refused(&process, &page(&twice, false), 4, "ORD-1 is broken at nonce 3: expected nonce 4");
    refused(&process, &page(&entries[1..], false), 0, "ORD-1 is broken at nonce 1");
    let mut exchanged = entries.clone();
    exchanged[2].message.clone_from(&entries[5].message);
    exchanged[2].message_id = entries[5].message_id;
    refused(&process, &page(&exchanged, false), 2, "is not the one assigned");
}

#[test]
fn json_that_shows_something_else_than_was_signed_is_caught() {
    let schedule = Schedule::new(6);
    let other = Schedule::new(1);
    let cases: [(&str, Value, &str); 7] = [
        ("/assignment/tags/4/value", json!("000001500001"), "signature of the assignment"),
        ("/message/data", json!("something else"), "signature of the message"),
        ("/message/tags/2/name", json!("Other"), "signature of the message"),
        ("/message/id", json!(other.entries[1].message_id), "its signature makes it"),
        ("/assignment/signature", json!("AAAA"), "signature has 3 bytes"),
        ("/assignment/owner/key", json!("AAAA"), "an owner of 3 bytes"),
        (
            "/message/owner",
            other.json()["edges"][1]["node"]["message"]["owner"].clone(),
            "signature of the message",
        ),
    ];
    for (pointer, value, why) in cases {
        let mut page = schedule.json();
        *page["edges"][4]["node"].pointer_mut(pointer).unwrap() = value;
        // A later fault must not hide the first one.
        page["edges"][5]["node"]["message"]["data"] = json!("also wrong");
        refused(&schedule.process, &page, 4, why);
    }
    let mut page = schedule.json();
    page["edges"][4]["cursor"] = json!("5");
    refused(&schedule.process, &page, 4, "its cursor is \"5\", its nonce is 4");
}

/// Serves a schedule with its bytes, and the JSON of one page changed by `tamper`.
fn with_raw(schedule: Schedule, tamper: impl FnOnce(&mut Value)) -> (ProcessId, Stub) {
    let process = schedule.process;
    let mut json = schedule.json();
    tamper(&mut json["edges"][7]["node"]);
    let body = json.to_string();
    let stub = Stub::serving(move |uri| match uri.path().strip_prefix("/raw/") {
        Some(id) => {
            schedule.raw(id).map_or_else(Reply::not_found, |bytes| Reply::octets(bytes.to_vec()))
        }
        None if uri.path().ends_with("/latest") => Reply::not_found(),
        None => Reply::json(200, body.clone()),
    });
    (process, stub)
}

fn schedule_with_binary_data() -> Schedule {
    let key = wallet();
    let mut schedule = Schedule::placed(6, |_| {}, |_| &key);
    let message = schedule.message(&[0xff, 0xfe, b'x']);
    schedule.append(&message, |_| {}, &key);
    schedule
}

#[test]
fn data_that_is_no_text_is_verified_from_its_bytes_where_they_are_served() {
    let (process, stub) = with_raw(schedule_with_binary_data(), |_| {});
    let ran = verify(&process, &stub);
    assert!(
        ran.out.contains("8 entries, nonces 0 to 7, all links and signatures verify"),
        "{ran:?}"
    );

    let schedule = schedule_with_binary_data();
    let ran = verify(&schedule.process, &stub_of(&schedule.json()));
    assert_eq!(ran.code, Some(0));
    assert!(ran.out.contains("all links verify"), "{ran:?}");
    assert!(ran.out.contains("not checkable from JSON: 0 assignments, 1 messages"), "{ran:?}");
}

/// The JSON does not tell that the closing zero is absent, and there are no bytes to ask for.
#[test]
fn message_without_closing_zero_of_its_tags_is_verified_from_json_alone() {
    let key = wallet();
    let mut schedule = Schedule::placed(2, |_| {}, |_| &key);
    let message = rota_testkit::message(schedule.process).sign_with_open_tags();
    schedule.append(&message, |_| {}, &key);
    let out = verify(&schedule.process, &stub_of(&schedule.json())).ok();
    assert!(out.contains("4 entries, nonces 0 to 3, all links and signatures verify"), "{out}");
}

#[test]
fn bytes_that_verify_do_not_excuse_json_that_lies() {
    let cases: [(&str, Value, &str); 3] = [
        ("/message/data", json!("a lie"), "another data"),
        ("/message/tags/2/value", json!("a lie"), "another tag"),
        ("/assignment/tags/3/value", json!("A".repeat(43)), "another tag"),
    ];
    for (pointer, value, why) in cases {
        let (process, stub) = with_raw(schedule_with_binary_data(), |node| {
            *node.pointer_mut(pointer).unwrap() = value;
        });
        let answer = verify(&process, &stub).fails(1);
        assert!(answer.contains("at nonce 7") && answer.contains(why), "{why}: {answer}");
    }
}

/// A schedule whose entries from nonce 4 to 5 another key signed; gives the text of the error, too.
pub(crate) fn signed_by_two() -> (Schedule, String) {
    let (first, second) = (wallet(), wallet());
    let key = |nonce| if (4..6).contains(&nonce) { &second } else { &first };
    let schedule = Schedule::placed(6, |_| {}, key);
    let text = format!(
        "assignment {} is signed by {}, the first entry of the schedule by {}",
        schedule.entries[4].assignment_id,
        second.address(),
        first.address()
    );
    (schedule, text)
}

#[test]
fn second_key_in_one_schedule_is_refused_at_its_first_entry() {
    let (schedule, why) = signed_by_two();
    refused(&schedule.process, &schedule.json(), 4, &why);
}

#[test]
fn a_server_that_does_not_come_to_an_end_is_left() {
    let Schedule { process, entries, .. } = Schedule::new(6);
    let again = verify(&process, &stub_of(&page(&entries, true))).fails(1);
    assert!(again.contains("at nonce 7") && again.contains("expected nonce 7"), "{again}");
    let nothing = verify(&process, &stub_of(&page(&[], true))).fails(1);
    assert!(nothing.contains("more follows the start, and shows nothing"), "{nothing}");
    let newest = page(&entries[6..], false)["edges"][0]["node"].to_string();
    let short = page(&entries[..5], false).to_string();
    let stub = Stub::serving(move |uri| {
        Reply::json(
            200,
            if uri.path().ends_with("/latest") { newest.clone() } else { short.clone() },
        )
    });
    let short = verify(&process, &stub).fails(1);
    assert!(
        short.contains("the pages end at nonce 4, but the newest entry was at nonce 6"),
        "{short}"
    );
}

#[test]
fn answers_that_are_no_schedule_are_told_in_one_line() {
    let process = Schedule::new(0).process;
    let unknown = verify(&process, &Stub::serving(|_| Reply::not_found())).fails(1);
    assert!(unknown.contains("404") && unknown.contains("not here"), "{unknown}");
    let page = Stub::serving(|_| Reply::json(200, "<html>\n<p>welcome\n</html>"));
    let page = verify(&process, &page).fails(1);
    assert!(page.contains("not what it must be"), "{page}");
    let broken = Stub::serving(|_| Reply::json(500, "<html>\nbroken\n</html>"));
    let broken = verify(&process, &broken).fails(1);
    assert!(broken.contains("500") && broken.contains("<html> broken </html>"), "{broken}");
}

#[test]
fn a_schedule_of_another_scheduler_verifies_as_far_as_json_allows() {
    let process = "4QTyVpvWlwjfsYAvkTSIWjp5XVGf-Rg_Co8K1lPNbvo";
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/su-bundles/4QTyVpvWlwjfsYAvkTSIWjp5XVGf-Rg_Co8K1lPNbvo.list-by-nonce.derived.json"
    );
    let page: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let process: ProcessId = process.parse().unwrap();
    let out = verify(&process, &stub_of(&page)).ok();
    assert!(out.contains("31 entries, nonces 0 to 30, all links verify"), "{out}");
    assert!(out.contains("not checkable from JSON: 31 assignments, 0 messages"), "{out}");
    assert!(out.contains("items that lie elsewhere: 15"), "{out}");

    let mut tampered = page.clone();
    let tag = tampered["edges"][9]["node"]["assignment"]["tags"].as_array_mut().unwrap();
    let chain = tag.iter_mut().find(|tag| tag["name"] == "Hash-Chain").unwrap();
    chain["value"] = json!("A".repeat(43));
    refused(&process, &tampered, 9, "ORD-2");
}
