//! `rota item`.

use crate::command::{after, proposed, rota, scheduler_in, shell};
use crate::stub::{Reply, Stub};
use rota_ans104::Item;
use std::sync::{Arc, Mutex};

const ID: &str = "-Oi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY";

#[test]
fn an_item_that_is_kept_has_all_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data.bin"), [0xff, 0, 1]).unwrap();
    let anchor = "0123456789abcdef0123456789abcdef";
    let out = rota(
        dir.path(),
        &[
            "item",
            "message",
            "--process",
            ID,
            "--action",
            "-Eval",
            "--tag",
            "A=1",
            "--tag",
            "A=",
            "--data-file",
            "data.bin",
            "--anchor",
            anchor,
            "--out",
            "item.bin",
        ],
    )
    .ok();
    let item = Item::parse(std::fs::read(dir.path().join("item.bin")).unwrap().into()).unwrap();
    assert_eq!(after(&out, "message"), item.id().to_string());
    assert_eq!(item.target(), Some(ID.parse::<rota_ans104::ItemId>().unwrap().as_bytes()));
    assert_eq!(item.anchor().unwrap(), anchor.as_bytes());
    assert_eq!(item.data(), [0xff, 0, 1]);
    let tags: Vec<_> = item.tags().map(|tag| (tag.name, tag.value)).collect();
    assert_eq!(tags[2..], [("Type", "Message"), ("Action", "-Eval"), ("A", "1"), ("A", "")]);
    let shown = rota(dir.path(), &["item", "show", "item.bin"]).ok();
    assert_eq!(after(&shown, "id"), item.id().to_string());
    assert_eq!(after(&shown, "target"), ID);
    assert_eq!(after(&shown, "signature"), "verifies");
    assert_eq!(after(&shown, "data"), "3 bytes");
    assert!(shown.contains(r#""Action" = "-Eval""#), "{shown}");

    let mut bytes = item.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(dir.path().join("bad.bin"), &bytes).unwrap();
    let bad = rota(dir.path(), &["item", "show", "bad.bin"]);
    assert_eq!((bad.code, after(&bad.out, "signature")), (Some(1), "does not verify"));
    std::fs::write(dir.path().join("cut.bin"), &bytes[..100]).unwrap();
    let cut = rota(dir.path(), &["item", "show", "cut.bin"]).fails(1);
    assert!(cut.contains("cut.bin does not hold an item"), "{cut}");
}

#[test]
fn wallets_of_every_kind_can_spawn_and_the_hint_keeps_the_wallet() {
    let dir = tempfile::tempdir().unwrap();
    let scheduler = scheduler_in(dir.path());
    for kind in ["rsa", "rsa-4prime", "secp256k1", "ed25519"] {
        let file = format!("my {kind}.json");
        rota(dir.path(), &["wallet", "new", "--kind", kind, "--out", &file]).ok();
        let spawn = ["item", "spawn", "--url", &scheduler.url, "--wallet", &file, "--data", "-1"];
        let spawned = rota(dir.path(), &spawn).ok();
        let next = proposed(&spawned);
        assert!(next.contains(&format!("--wallet 'my {kind}.json'")), "{next}");
        let sent = shell(dir.path(), next).ok();
        let verified = shell(dir.path(), proposed(&sent)).ok();
        assert!(verified.contains("2 entries, nonces 0 to 1, all links and sig"), "{verified}");
    }
    assert!(!dir.path().join("rota-data/user.json").exists(), "no wallet is made unasked");
}

#[test]
fn what_the_scheduler_says_of_an_error_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let scheduler = scheduler_in(dir.path());
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    let message =
        ["item", "message", "--url", &scheduler.url, "--wallet", "w.json", "--process", ID];
    let unknown = rota(dir.path(), &message).fails(1);
    assert!(
        unknown.contains("404") && unknown.contains(&format!("process {ID} is not known")),
        "{unknown}"
    );
    let assign = ["item", "assign", "--url", &scheduler.url, "--process", ID, "--item", ID];
    let unknown = rota(dir.path(), &assign).fails(1);
    assert!(unknown.contains("404") && unknown.contains(ID), "{unknown}");
}

#[test]
fn assign_asks_for_what_it_was_told_and_shows_the_assignment() {
    let asked = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&asked);
    let stub = Stub::serving(move |uri| {
        uri.query().unwrap_or_default().clone_into(&mut seen.lock().unwrap());
        Reply::json(200, format!(r#"{{"timestamp":17,"id":"{ID}"}}"#))
    });
    let dir = tempfile::tempdir().unwrap();
    let args = ["item", "assign", "--url", &stub.url, "--process", ID, "--item", ID];
    let out =
        rota(dir.path(), &[&args[..], &["--base-layer", "--exclude", "Data,Tags"]].concat()).ok();
    assert_eq!((after(&out, "assignment"), after(&out, "timestamp")), (ID, "17"));
    let expected = format!("process-id={ID}&assign={ID}&base-layer=&exclude=Data%2CTags");
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn a_receipt_for_another_item_is_refused() {
    let stub = Stub::serving(|uri| match uri.path() {
        "/" => Reply::json(200, format!(r#"{{"timestamp":17,"id":"{ID}","address":"{ID}"}}"#)),
        _ => Reply::not_found(),
    });
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    let spawn = ["item", "spawn", "--url", &stub.url, "--wallet", "w.json"];
    let refused = rota(dir.path(), &spawn).fails(1);
    assert!(refused.contains("but the scheduler answers for"), "{refused}");
}
