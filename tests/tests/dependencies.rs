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
const SIGNERS: [&str; 6] = ["ed25519-dalek", "secp256k1", "k256", "openssl-sys", "rsa", "arweave"];

#[test]
fn items_and_rules_link_no_runtime_and_no_store() {
    for package in ["rota-ans104", "rota-schedule"] {
        links_none_of(package, &SERVERS);
        links_none_of(package, &STORES);
    }
}

#[test]
fn the_contract_links_neither_a_store_nor_a_signer() {
    links_none_of("rota-wire", &STORES);
    links_none_of("rota-wire", &SIGNERS);
}

#[test]
fn the_read_function_links_its_database_but_no_ledger_no_signer_and_no_client() {
    let linked = links("rota-read");
    assert!(linked.contains("sqlx") && linked.contains("aws-sdk-s3"), "rows and large bodies");
    let absent = ["rocksdb", "librocksdb-sys", "aws-sdk-dynamodb", "aws-lc", "reqwest"];
    links_none_of("rota-read", &absent);
    links_none_of("rota-read", &SIGNERS);
}

#[test]
fn the_route_function_links_neither_a_database_nor_a_ledger() {
    assert!(links("rota-route").contains("aws-sdk-dynamodb"), "its directory is there");
    links_none_of("rota-route", &["sqlx", "rocksdb", "librocksdb-sys", "reqwest", "aws-lc"]);
}

#[test]
fn the_writer_links_no_lambda() {
    links_none_of("rota-writer", &["lambda", "rota-lambda"]);
    links_none_of("rota", &["lambda", "rota-lambda"]);
}

#[test]
fn the_layers_are_in_order() {
    let (ans104, schedule, wire) = ("rota-ans104", "rota-schedule", "rota-wire");
    let (archive, aws, service) = ("rota-archive", "rota-aws", "rota-service");
    for (package, below) in [
        ("rota-ans104", &[][..]),
        ("rota-service", &[]),
        ("rota-schedule", &[ans104]),
        ("rota-wire", &[ans104, schedule, service]),
        ("rota-ledger", &[ans104, schedule]),
        ("rota-permaweb", &[ans104]),
        ("rota-archive", &[ans104, aws, schedule, service]),
        ("rota-readmodel", &[ans104, archive, aws, schedule, service]),
        ("rota-directory", &[ans104, aws, schedule, service]),
        ("rota-explorer", &[ans104, schedule, service, wire]),
        ("rota-lambda", &[ans104, schedule, service, wire]),
        (
            "rota-read",
            &[
                ans104,
                archive,
                aws,
                "rota-explorer",
                "rota-lambda",
                "rota-readmodel",
                schedule,
                service,
                wire,
            ],
        ),
        ("rota-route", &[ans104, aws, "rota-directory", "rota-lambda", schedule, service, wire]),
    ] {
        assert_eq!(own(package), below, "{package}");
    }
}

#[test]
fn what_ships_has_no_failpoints_and_no_testkit() {
    for package in ["rota", "rota-read", "rota-route"] {
        let linked = links(package);
        assert!(!linked.contains("rota-testkit") && !linked.contains("rota-tests"), "{package}");
    }
}
