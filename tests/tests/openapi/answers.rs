//! Real answers, the vectors' goldens and the description's own examples meet the schemas.

use crate::{ROTA, description, operations, resolved, tool};
use rota_ans104::WalletKind;
use rota_testkit::{MODULE, Site, message, spawn, vectors};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Checks [schema, instance] pairs against the document, and the schemas against JSON Schema 2020-12.
const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
components = given['components']
for name, schema in components['schemas'].items():
    Draft202012Validator.check_schema(schema)
for what, schema, instance in given['pairs']:
    validator = Draft202012Validator({**schema, 'components': components})
    for error in validator.iter_errors(instance):
        print(what, error.json_path, error.message[:300])
";

/// What is wrong with instances, a line each. A pair is what it is, the schema, the instance.
fn faults(pairs: &[(String, Value, Value)]) -> String {
    let given = json!({"components": description()["components"], "pairs": pairs});
    let mut python = Command::new(tool("python"))
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[test]
fn the_examples_are_answers() {
    let description = description();
    let mut pairs = Vec::new();
    for (path, method, operation) in operations(&description) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let content = &resolved(&description, response)["content"]["application/json"];
            let schema = content["schema"].clone();
            let at = format!("{method} {path} {status}");
            if content["example"] != Value::Null {
                pairs.push((at.clone(), schema.clone(), content["example"].clone()));
            }
            let examples = content["examples"].as_object();
            let examples = examples.into_iter().flat_map(|examples| examples.values());
            pairs.extend(
                examples.map(|example| (at.clone(), schema.clone(), example["value"].clone())),
            );
        }
    }
    assert!(pairs.len() > 40, "{}", pairs.len());
    assert_eq!(faults(&pairs), "");
}

#[test]
fn the_goldens_of_the_contract_are_pages() {
    let goldens = ["list-by-nonce", "list-by-timestamp"].into_iter().flat_map(|kind| {
        [vectors::PROCESS, vectors::SPAWN].map(|process| {
            let name = format!("su-bundles/{process}.{kind}.derived.json");
            (name.clone(), schema("Page"), vectors::json(&name))
        })
    });
    assert_eq!(faults(&goldens.collect::<Vec<_>>()), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_answers_as_described() {
    let site = Site::with(ROTA, WalletKind::Rsa4Prime, &[]).await;
    let process = spawn().tag("Name", "Described").sign();
    let receipt = site.client.post(&process).await.ok();
    let item = message(process.id().into()).data(&b"\xff"[..]).anchor([0xfe; 32]).sign();
    site.client.post(&item).await.ok();
    let elsewhere = message(process.id().into()).sign();
    site.gateway.hold(&elsewhere);
    let id = process.id().to_string();
    let assigned = site.client.assign(&id, &elsewhere.id().to_string(), "&exclude=Data").await.ok();
    let mut pairs = vec![
        ("a receipt".to_owned(), schema("Receipt"), receipt),
        ("the receipt of an assignment".to_owned(), schema("Receipt"), assigned.clone()),
    ];
    for (path, name) in [
        ("/".to_owned(), "Address"),
        ("/timestamp".to_owned(), "Timestamp"),
        (format!("/{id}"), "Page"),
        (format!("/{id}?from-nonce=-1&show-anchor"), "Page"),
        (format!("/{}", item.id()), "Node"),
        (format!("/{}", assigned["id"].as_str().unwrap()), "Node"),
        (format!("/{id}/latest"), "Node"),
        (format!("/processes/{id}"), "Process"),
        (format!("/{MODULE}"), "Error"),
        (format!("/{id}?limit=0"), "Error"),
        ("/no/such/route".to_owned(), "Error"),
    ] {
        let json = site.client.get(&path).await.json();
        pairs.push((path, schema(name), json));
    }
    assert_eq!(faults(&pairs), "");
}

#[test]
fn what_is_wrong_is_noticed() {
    let wrong = [("a receipt".to_owned(), schema("Receipt"), json!({"timestamp": "1"}))];
    let faults = faults(&wrong);
    assert!(
        faults.contains("$.timestamp") && faults.contains("'id' is a required property"),
        "{faults}"
    );
}
