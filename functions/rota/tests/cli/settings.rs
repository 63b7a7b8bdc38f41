//! Flags and settings: what is shown, and how mistakes are answered.

use crate::command::{rota, rota_with};

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
    let answer = rota_with(dir.path(), ("PORT", "http"), &["local"]).fails(1);
    assert!(answer.contains("PORT") && answer.contains("environment"), "{answer}");
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
