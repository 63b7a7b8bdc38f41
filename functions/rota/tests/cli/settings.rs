//! Flags and settings: what is shown, and how mistakes are answered.

use crate::command::{BIN, after, rota, rota_under, rota_with};
use rota_testkit::postgres::AskingForPasswords;
use rota_testkit::scheduler::RotaProcess;
use std::path::Path;

#[test]
fn config_shows_where_a_setting_comes_from_and_hides_credentials() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "SU_DATA_DIR=from-dotenv\n").unwrap();
    let url = ("UPLOAD_NODE_URL", "http://name:hunter2@up.example/?key=hunter2");
    let shown = rota_with(dir.path(), url, &["config", "--port", "7777"]).ok();
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("PORT").contains("7777") && line("PORT").ends_with("command line"));
    assert!(line("SU_DATA_DIR").contains("from-dotenv") && line("SU_DATA_DIR").contains(".env"));
    assert!(line("SU_WALLET_PATH").contains("from-dotenv/wallet.json"));
    assert!(line("UPLOAD_NODE_URL").contains("up.example"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn mistakes_on_the_command_line_are_answered_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["frobnicate"], "frobnicate"),
        (&["local", "--prot", "1"], "--prot"),
        (&["local", "--port", "99999"], "99999"),
        (&["wallet", "new", "--kind", "dsa"], "expected rsa, rsa-4prime, secp256k1 or ed25519"),
        (&["item", "message"], "--process <ID>"),
        (&["item", "message", "--process", "short"], "expected 43 characters"),
        (&["item", "spawn", "--tag", "NoEquals"], "a tag is NAME=VALUE"),
        (&["item", "spawn", "--data", "x", "--data-file", "y"], "cannot be used with"),
        (&["verify"], "<PROCESS>"),
    ];
    for (args, reason) in cases {
        let answer = rota(dir.path(), args).fails(2);
        assert!(answer.contains(reason) && answer.contains("--help"), "{args:?}: {answer}");
    }
}

#[test]
fn a_setting_that_makes_no_sense_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [("PORT", "http"), ("METRICS_NAMESPACE", "two words")] {
        let answer = rota_with(dir.path(), (name, value), &["local"]).fails(1);
        assert!(answer.contains(name) && answer.contains("environment"), "{answer}");
    }
    assert!(!dir.path().join("rota-data").exists(), "nothing is made before the settings are read");
}

#[test]
fn every_subcommand_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    let commands = [
        "local",
        "wallet new",
        "wallet show",
        "item spawn",
        "item message",
        "item assign",
        "item show",
        "verify",
        "status",
        "health",
        "config",
    ];
    for command in commands {
        let args: Vec<_> = command.split(' ').chain(["--help"]).collect();
        let help = rota(dir.path(), &args).ok();
        assert!(help.contains(&format!("Usage: rota {command}")), "{help}");
        assert!(help.lines().count() > 5, "{help}");
    }
    let help = rota(dir.path(), &["wallet", "new", "--help"]).ok();
    for word in ["rsa-4prime", "ed25519", "not every tool"] {
        assert!(help.contains(word), "{help}");
    }
}

/// A container is given the URL in clear and the password as a secret.
#[test]
fn the_database_s_password_may_be_a_setting_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519"]).ok();
    let asking = AskingForPasswords::start();
    let settings = [
        ("DATABASE_URL", asking.url("rota")),
        ("PGPASSWORD", "hunter2".to_owned()),
        ("PORT", "0".to_owned()),
    ];
    let ran = rota_under(dir.path(), &settings, &["local"]);
    assert_eq!((ran.code, asking.told().as_str()), (Some(1), "hunter2"));
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
}

#[test]
fn a_wallet_can_be_given_as_a_setting_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519", "--out", "mine.json"]).ok();
    let jwk = std::fs::read_to_string(dir.path().join("mine.json")).unwrap();
    let shown = rota(dir.path(), &["wallet", "show", "--path", "mine.json"]).ok();
    let config = rota_with(dir.path(), ("SU_WALLET", &jwk), &["config"]).ok();
    assert!(config.lines().any(|line| line.starts_with("SU_WALLET ") && line.contains("***")));

    let data = dir.path().join("rota-data");
    let scheduler = RotaProcess::start(Path::new(BIN), &data, &[("SU_WALLET", &jwk)]);
    let printed = scheduler.printed_with("data");
    assert!(printed.contains(after(&shown, "address")), "{printed}");
    assert!(printed.contains("ed25519, from SU_WALLET"), "{printed}");
    assert!(!data.join("wallet.json").exists(), "none is made");

    let broken = jwk.replace("\"d\"", "\"e\"");
    let answer = rota_with(dir.path(), ("SU_WALLET", &broken), &["local"]).fails(1);
    assert!(answer.contains("SU_WALLET") && answer.contains("JSON Web Key"), "{answer}");
    let secret: serde_json::Value = serde_json::from_str(&jwk).unwrap();
    assert!(!answer.contains(secret["d"].as_str().unwrap()), "{answer}");
}
