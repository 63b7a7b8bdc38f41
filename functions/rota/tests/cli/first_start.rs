//! A first start, and where its hints lead.

use crate::command::{BIN, after, proposed, rota, scheduler_in, shell};
use rota_testkit::scheduler::RotaProcess;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn from_nothing_to_a_verified_schedule_by_the_printed_commands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("rota-data");
    let scheduler = RotaProcess::start(Path::new(BIN), &data, &[]);
    let printed = scheduler.printed_with("item spawn");
    assert!(printed.contains("rsa-4prime, created "), "{printed}");
    assert_eq!((mode(&data), mode(&data.join("wallet.json"))), (0o700, 0o600));

    let spawned = shell(dir.path(), proposed(&printed)).ok();
    assert!(spawned.starts_with("Created a wallet for you: rota-data/user.json"), "{spawned}");
    assert_eq!(mode(&data.join("user.json")), 0o600);
    let process = after(&spawned, "process").to_owned();

    let sent = shell(dir.path(), proposed(&spawned)).ok();
    assert_ne!(after(&sent, "message"), process);
    let again = shell(dir.path(), proposed(&spawned)).ok();
    assert_ne!(after(&sent, "message"), after(&again, "message"), "saying it twice sends it twice");

    let expected =
        format!("process {process}: 3 entries, nonces 0 to 2, all links and signatures verify (");
    let verified = shell(dir.path(), proposed(&sent)).ok();
    assert!(verified.starts_with(&expected), "{verified}");

    let offline = ["verify", process.as_str(), "--data-dir", "rota-data"];
    let busy = rota(dir.path(), &offline).fails(1);
    assert!(
        busy.contains("a running scheduler has the ledger") && busy.contains("--url"),
        "{busy}"
    );

    assert_eq!(scheduler.stop_gently().code(), Some(0));
    let verified = rota(dir.path(), &offline).ok();
    assert!(verified.starts_with(&expected), "{verified}");
}

#[test]
fn a_second_start_finds_what_the_first_made_and_hides_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let first = scheduler_in(dir.path());
    let process = after(&rota(dir.path(), &["item", "spawn", "--url", &first.url]).ok(), "process")
        .to_owned();
    assert!(first.stop_gently().success());

    let second = scheduler_in(dir.path());
    let printed = second.printed_with("uploads");
    assert!(printed.contains("ed25519, loaded "), "{printed}");
    let verified = rota(dir.path(), &["verify", &process, "--url", &second.url]).ok();
    assert!(verified.contains("1 entry, nonces 0 to 0, all links"), "{verified}");

    let key = std::fs::read_to_string(dir.path().join("rota-data/wallet.json")).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let said = second.printed() + &second.logged();
    assert!(!said.contains(key["d"].as_str().unwrap()), "{said}");
    assert!(!printed.contains("item spawn"), "there is a process already: {printed}");
}

#[test]
fn what_was_answered_before_a_crash_is_there_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = scheduler_in(dir.path());
    let spawned = rota(dir.path(), &["item", "spawn", "--url", &first.url]).ok();
    let process = after(&spawned, "process");
    let sent = shell(dir.path(), proposed(&spawned)).ok();
    first.kill_9();
    let verified = rota(dir.path(), &["verify", process, "--data-dir", "rota-data"]).ok();
    assert!(verified.contains("2 entries, nonces 0 to 1, all links and sig"), "{verified}: {sent}");
}
