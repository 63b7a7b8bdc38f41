//! What the reference's settings, misspelt ones and idle ones come to.

use crate::command::{BIN, rota, rota_under};
use rota_testkit::scheduler::{READY, RotaProcess, command};
use std::path::Path;
use std::process::Stdio;

/// The reference's own example, with what a closed scheduler has besides.
const REFERENCE: &str = "MODE=su\nUSE_DISK=true\nUSE_LOCAL_STORE=true\nDB_READ_CONNECTIONS=40\n\
    SU_DATA_DIR=data\nDATABSE_URL=x\nACK_AFTER=disk\nAWS_REGION=eu-central-1\n";

#[test]
fn setting_that_restricts_access_ends_every_server_with_what_to_do_instead() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = [("DATABASE_URL", "postgres://r@127.0.0.1:9/r"), ("DIRECTORY_TABLE", "rota")];
    for (name, value) in [
        ("IP_WHITELIST_URL", "https://list.example"),
        ("PROCESS_WHITELIST_URL", "https://list.example"),
        ("MAX_SIZE_OWNER_WHITELIST", "a,b"),
        ("ENABLE_ROUTER_CHECK", "true"),
    ] {
        std::fs::write(dir.path().join(".env"), format!("{name}={value}\n")).unwrap();
        for args in [&["local"][..], &["config"], &["writer", "--url", "http://w"], &["router"]] {
            let settings = fleet.map(|(name, value)| (name, value.to_owned()));
            let answer = rota_under(dir.path(), &settings, args).fails(1);
            assert!(answer.contains(name) && answer.contains(".env file"), "{args:?}: {answer}");
            assert!(answer.contains("then remove"), "{answer}");
        }
    }
    assert!(!dir.path().join("rota-data").exists(), "nothing is made before");
}

#[test]
fn other_settings_of_the_reference_are_named_by_config_with_what_rota_uses() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), REFERENCE).unwrap();
    let shown = rota(dir.path(), &["config"]).ok();
    for note in [
        "MODE (from the .env file) is a setting of the reference SU that rota ignores",
        "USE_DISK (from the .env file)",
        "USE_LOCAL_STORE (from the .env file)",
        "DATABASE_CONNECTIONS_MAX bounds the connections",
        "DATABSE_URL in the .env file is no setting of rota: did you mean DATABASE_URL?",
        "ACK_AFTER has no effect: DATABASE_URL is not set",
        "AWS_REGION in the .env file has no effect",
    ] {
        assert!(shown.contains(note), "{note}: {shown}");
    }
}

#[test]
fn server_logs_them_when_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519"]).ok();
    let data = dir.path().join("rota-data");
    let settings = [("USE_DISK", "true"), ("CHECKPOINT_INTERVAL", "1m"), ("MODE", "su")];
    let args = ["local", "--port", "0", "--data-dir", data.to_str().unwrap()];
    let scheduler = RotaProcess::try_start_as(Path::new(BIN), &args, &settings, READY).unwrap();
    let logged = scheduler.logged_with("CHECKPOINT_INTERVAL has no effect");
    assert!(logged.contains("USE_DISK (from the environment)"), "{logged}");
    assert!(!logged.contains("MODE"), "that name may be anybody's: {logged}");
}

#[test]
fn scheduler_without_gateways_says_so_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519"]).ok();
    let data = dir.path().join("rota-data");
    // Blank means not set; the proxy keeps the default gateway out of reach.
    let bare = [("GATEWAY_URL", ""), ("ARWEAVE_URL", ""), ("HTTPS_PROXY", "http://127.0.0.1:9")];
    let scheduler = RotaProcess::start(Path::new(BIN), &data, &bare);
    let printed = scheduler.printed_with("  uploads");
    assert!(printed.contains("  height   no gateway: height unknown\n"), "{printed}");
    rota(dir.path(), &["item", "spawn", "--url", &scheduler.url]).ok();
    let shown = rota(dir.path(), &["status", "--url", &scheduler.url]).ok();
    assert!(shown.contains("no gateway: height unknown"), "{shown}");
    let json = rota(dir.path(), &["status", "--json", "--url", &scheduler.url]).ok();
    assert!(json.contains(r#""block_height":null"#), "{json}");
}

#[test]
fn scheduler_with_a_gateway_that_is_away_takes_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519"]).ok();
    let data = dir.path().join("rota-data");
    let away = [("ARWEAVE_URL", "http://127.0.0.1:9")];
    let scheduler = RotaProcess::start(Path::new(BIN), &data, &away);
    let printed = scheduler.printed_with("  uploads");
    assert!(printed.contains("  height   not known yet: items are refused"), "{printed}");
    let ran = rota(dir.path(), &["status", "--url", &scheduler.url]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("the block height is not known yet"), "{ran:?}");
    let health = command(Path::new(BIN))
        .args(["health", "--port", scheduler.url.rsplit(':').next().unwrap()])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(health.success(), "no restart would help");
}
