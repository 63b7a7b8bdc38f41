//! Dependencies point one way (the architecture page): what a crate must not link is not in its tree.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

use std::collections::BTreeSet;
use std::process::Command;

/// The names of everything that a package links with its default features, itself included.
fn links(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--manifest-path", manifest, "-p", package])
        .args(["-e", "normal", "--prefix", "none", "--format", "{lib} {p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

/// The workspace's crates among them, but for the package itself.
fn own(package: &str) -> Vec<String> {
    let is_own = |name: &String| name.starts_with("rota") && name != package;
    links(package).into_iter().filter(is_own).collect()
}

#[track_caller]
fn links_none_of(package: &str, absent: &[&str]) {
    let names = links(package);
    assert!(names.len() > 3, "{package}: {names:?}");
    for name in absent {
        let found: Vec<_> = names.iter().filter(|linked| linked.starts_with(name)).collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
}

const SERVERS: [&str; 6] = ["tokio", "hyper", "axum", "reqwest", "sqlx", "lambda"];
const STORES: [&str; 4] = ["rocksdb", "librocksdb-sys", "aws-", "sqlx"];
const SIGNERS: [&str; 3] = ["ed25519-dalek", "secp256k1", "openssl"];

#[test]
fn items_and_rules_link_no_runtime_and_no_store() {
    for package in ["rota-ans104", "rota-schedule"] {
        links_none_of(package, &SERVERS);
        links_none_of(package, &STORES);
    }
}

#[test]
fn reading_links_neither_a_store_nor_a_signer() {
    for package in ["rota-read", "rota-wire"] {
        links_none_of(package, &STORES);
        links_none_of(package, &SIGNERS);
    }
}

#[test]
fn the_writer_links_no_lambda() {
    links_none_of("rota-writer", &["lambda"]);
}

#[test]
fn the_layers_are_in_order() {
    for (package, below) in [
        ("rota-ans104", &[][..]),
        ("rota-service", &[]),
        ("rota-schedule", &["rota-ans104"]),
        ("rota-wire", &["rota-ans104", "rota-schedule"]),
        ("rota-ledger", &["rota-ans104", "rota-schedule"]),
        ("rota-permaweb", &["rota-ans104"]),
        ("rota-read", &["rota-ans104", "rota-schedule", "rota-wire"]),
    ] {
        assert_eq!(own(package), below, "{package}");
    }
}

#[test]
fn what_ships_has_no_failpoints_and_no_testkit() {
    let linked = links("rota");
    assert!(!linked.contains("rota-testkit") && !linked.contains("rota-tests"));
}
