//! Requests that schemathesis makes up from the description, right and wrong ones, at a real scheduler with real
//! schedules: no server error, no status, type, header or body that is not described, nothing wrong accepted.

use crate::{ROTA, description, tool};
use rota_ans104::WalletKind;
use rota_testkit::scheduler::command;
use rota_testkit::{Site, message};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is tested, always in the same way.
/// One worker: `ast.parse` in two threads at once fails now and then in Python 3.11 (gh-106905).
const OPTIONS: [&str; 9] = [
    "--seed=20261121",
    "--max-examples=80",
    "--phases=examples,coverage,fuzzing",
    "--continue-on-failure",
    "--request-timeout=20",
    "--no-shrink",
    "--warnings=off",
    "--no-color",
    "--workers=1",
];
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi/schemathesis.toml");

/// The description with ids that are there among those that may be asked for: else all would be 404.
fn with_real(ids: &[String], version: &str) -> Value {
    let mut description = description();
    let parameters = &mut description["components"]["parameters"];
    for name in [
        "Id",
        "Process",
        "ProcessId",
        "RawId",
        "ProcessOptional",
        "ProcessAlias",
        "AssignProcess",
        "AssignProcessAlias",
        "Assign",
    ] {
        let any = parameters[name]["schema"].take();
        parameters[name]["schema"] = json!({"anyOf": [{"enum": ids}, any]});
    }
    let file = &mut description["paths"]["/explorer/{version}/{file}"]["get"]["parameters"];
    file[0]["schema"] =
        json!({"anyOf": [{"enum": [version]}, {"pattern": "^[0-9a-f]{18}$", "type": "string"}]});
    description
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_what_is_described_is_answered() {
    let site = Site::with(ROTA, WalletKind::Ed25519, &[]).await;
    let (process, items) = site.process_of(5).await;
    let binary = message(process).data(&b"\xff\xfe"[..]).sign();
    site.client.post(&binary).await.ok();
    let nodes = site.checked(process).await;
    let assignments =
        nodes.iter().map(|node| node["assignment"]["id"].as_str().unwrap().to_owned());
    let mut ids: Vec<String> = assignments.take(2).collect();
    ids.extend([process.to_string(), items[0].id().to_string(), binary.id().to_string()]);
    let page = site.client.get("/explorer").await.text();
    let version = page.split('/').find(|part| part.len() == 18).unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, with_real(&ids, version).to_string()).unwrap();
    let mut run = command(&tool("schemathesis"));
    run.args(["--config-file", CONFIG, "run"])
        .arg(&file)
        .args(["--url", &site.process.url])
        .args(OPTIONS);
    run.current_dir(dir.path()).env("HOME", dir.path());
    let output = tokio::task::block_in_place(|| run.output()).unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("Tested: 13"), "{told}");
    assert_eq!(site.checked(process).await.len(), 7, "made-up requests placed something");
}
