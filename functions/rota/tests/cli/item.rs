//! `rota item`.

use crate::command::{BIN, after, proposed, rota, scheduler_in, shell};
use crate::stub::{Reply, Stub};
use rota_ans104::Item;
use rota_testkit::scheduler::command;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

/// What a scheduler was sent, and what it answers to the nth POST.
fn scheduler(
    answer: impl Fn(usize, &Item) -> Reply + Send + Sync + 'static,
) -> (Stub, Arc<Mutex<Vec<Item>>>) {
    let posted = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&posted);
    let stub = Stub::taking(move |_, body| {
        if body.is_empty() {
            return Reply::json(200, format!(r#"{{"timestamp":17,"address":"{ID}"}}"#));
        }
        let item = Item::parse(body.to_vec().into()).unwrap();
        let mut seen = seen.lock().unwrap();
        seen.push(item.clone());
        answer(seen.len(), &item)
    });
    (stub, posted)
}

fn receipt(item: &Item) -> Reply {
    Reply::json(200, format!(r#"{{"timestamp":17,"id":"{}"}}"#, item.id()))
}

const OPEN: &str = "the outcome is unknown, post it again: the same item gets the same answer";

#[test]
fn an_item_whose_outcome_is_open_is_posted_again_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    for command in [&["item", "spawn"][..], &["item", "message", "--process", ID]] {
        let (stub, posted) = scheduler(|nth, item| match nth {
            1 => Reply::passing(503, OPEN),
            2 => Reply::passing(429, "too busy"),
            _ => receipt(item),
        });
        let flags = ["--url", &stub.url, "--wallet", "w.json"];
        let ran = rota(dir.path(), &[command, &flags[..]].concat());
        let posted = posted.lock().unwrap();
        assert_eq!((ran.code, posted.len()), (Some(0), 3), "{ran:?}");
        assert!(posted.iter().all(|item| item.bytes() == posted[0].bytes()));
        assert!(ran.out.contains(&posted[0].id().to_string()), "{ran:?}");
        let tries = ran.err.lines().filter(|line| line.contains("trying again in 0 s"));
        assert_eq!(tries.count(), 2, "{}", ran.err);
    }
    let files = std::fs::read_dir(dir.path()).unwrap();
    assert_eq!(files.count(), 1, "an item that is scheduled is not kept");
}

#[test]
fn an_item_that_is_given_up_is_in_a_file_that_can_be_posted() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    let (stub, posted) = scheduler(|nth, item| match nth {
        1..=5 => Reply::passing(503, OPEN),
        _ => receipt(item),
    });
    let flags = ["--url", &stub.url, "--wallet", "w.json", "--process", ID, "--data", "precious"];
    let ran = rota(dir.path(), &[&["item", "message"][..], &flags[..]].concat());
    let first = posted.lock().unwrap()[0].clone();
    assert_eq!((ran.code, posted.lock().unwrap().len()), (Some(1), 5), "{ran:?}");
    let told = format!("item {} may be scheduled or not: the scheduler answers 503", first.id());
    assert!(ran.err.contains(&told), "{}", ran.err);
    let file = after(&ran.err, "Its bytes are in ");
    assert_eq!(std::fs::read(file).unwrap(), first.bytes()[..]);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let sent = shell(dir.path(), proposed(&ran.err)).ok();
    assert_eq!(after(&sent, "item"), first.id().to_string());
    assert_eq!(posted.lock().unwrap()[5].bytes(), first.bytes());
}

#[test]
fn an_interrupted_command_keeps_the_item_too() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    // Without Retry-After the command waits for a second, and longer each time.
    let (stub, posted) = scheduler(|_, _| Reply::json(503, r#"{"error":"try again"}"#));
    let mut command = command(Path::new(BIN));
    let flags = ["item", "message", "--url", &stub.url, "--wallet", "w.json", "--process", ID];
    let command = command.args(flags).current_dir(dir.path()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while posted.lock().unwrap().is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let ran = child.wait_with_output().unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    let file = after(&said, "Its bytes are in ");
    assert!(said.contains("interrupted before the answer came"), "{said}");
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(std::fs::read(file).unwrap(), posted.lock().unwrap()[0].bytes()[..]);
}

#[test]
fn a_file_is_never_overwritten_and_posting_from_one_makes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    let (stub, posted) = scheduler(|_, _| Reply::passing(504, "no answer"));
    let anchor = "0123456789abcdef0123456789abcdef";
    let flags = ["--url", &stub.url, "--wallet", "w.json", "--process", ID, "--anchor", anchor];
    let message = [&["item", "message"][..], &flags[..]].concat();
    // The same words under the same anchor: Ed25519 signs them alike, so it is the same item.
    let first = rota(dir.path(), &message);
    let name = after(&first.err, "Its bytes are in ").to_owned();
    std::fs::write(&name, "mine").unwrap();
    let second = rota(dir.path(), &message);
    let other = after(&second.err, "Its bytes are in ");
    assert_eq!(std::fs::read_to_string(&name).unwrap(), "mine");
    assert_eq!(std::fs::read(other).unwrap(), posted.lock().unwrap()[0].bytes()[..]);
    let again = rota(dir.path(), &["item", "post", "--url", &stub.url, other]);
    assert_eq!((again.code, after(&again.err, "Its bytes are in ")), (Some(1), other));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "wallet and two files");
    let mine = rota(dir.path(), &["item", "post", "--url", &stub.url, &name]).fails(1);
    assert!(mine.contains("does not hold an item"), "{mine}");
}

#[test]
fn what_was_refused_or_never_sent_is_told_at_once_and_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "w.json"]).ok();
    let (stub, posted) = scheduler(|_, _| Reply::json(403, r#"{"error":"not for you"}"#));
    let message = |url: &str| {
        let flags = ["--url", url, "--wallet", "w.json", "--process", ID];
        rota(dir.path(), &[&["item", "message"][..], &flags[..]].concat()).fails(1)
    };
    let refused = message(&stub.url);
    assert!(refused.contains("403") && refused.contains("not for you"), "{refused}");
    assert_eq!(posted.lock().unwrap().len(), 1);
    let nobody = message("http://127.0.0.1:1");
    assert!(nobody.contains("nothing answers at"), "{nobody}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn an_assignment_is_asked_for_again_only_where_it_cannot_be_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let stub = Stub::serving(move |uri| match uri.path() {
        "/" => {
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => Reply::passing(503, OPEN),
                _ => Reply::json(200, format!(r#"{{"timestamp":17,"id":"{ID}"}}"#)),
            }
        }
        _ => Reply::not_found(),
    });
    let args = ["item", "assign", "--url", &stub.url, "--process", ID, "--item", ID];
    let ran = rota(dir.path(), &args);
    assert_eq!((ran.code, after(&ran.out, "assignment")), (Some(0), ID), "{ran:?}");
    *asked.lock().unwrap() = 0;
    let open = rota(dir.path(), &[&args[..], &["--base-layer"]].concat()).fails(1);
    assert!(open.contains("may be assigned or not (the scheduler answers 503"), "{open}");
    assert!(open.contains(&format!("{}/{ID}?process-id={ID}", stub.url)), "{open}");
    assert_eq!(*asked.lock().unwrap(), 1);
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
