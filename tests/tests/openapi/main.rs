//! The description of the contract (`/openapi.json`) held to the servers: in form, in routes, in statuses, in the
//! shape of answers, and against requests that schemathesis makes up from it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod answers;
mod form;
mod generated;
mod routes;
mod statuses;

use serde_json::Value;
use std::path::PathBuf;

/// The `rota` command.
const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");

/// The description.
fn description() -> Value {
    serde_json::from_str(rota_wire::OPENAPI).unwrap()
}

/// Each operation: its path, its method, what is said of it.
fn operations(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, operations)| {
            let operations = operations.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

/// What a reference of the description names.
fn resolved<'a>(description: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(to) => description
            .pointer(to.strip_prefix('#').unwrap())
            .unwrap_or_else(|| panic!("{to} is nothing")),
        None => value,
    }
}

/// A tool that `.ci/setup` installs.
fn tool(name: &str) -> PathBuf {
    let installed =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/bin")).join(name);
    assert!(installed.exists(), "{name} is not installed: run .ci/setup");
    installed
}
