//! The description itself: a document that tools can rely on.

use crate::{description, operations, resolved};
use serde_json::Value;
use std::collections::BTreeSet;

/// Every value below this one.
fn all<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|value| all(value, found)),
        Value::Array(values) => values.iter().for_each(|value| all(value, found)),
        _ => {}
    }
}

fn references(description: &Value) -> BTreeSet<&str> {
    let mut values = Vec::new();
    all(description, &mut values);
    values.into_iter().filter_map(|value| value["$ref"].as_str()).collect()
}

#[test]
fn every_reference_names_something_and_everything_is_named() {
    let description = description();
    let references = references(&description);
    for reference in &references {
        assert!(description.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for (kind, components) in description["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            let unused = !references.contains(reference.as_str());
            // 405 is no operation's: it is what other methods get.
            assert!(!unused || name == "Method", "{reference} is not used");
        }
    }
}

#[test]
fn every_operation_is_complete() {
    let description = description();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&description) {
        let at = format!("{method} {path}");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{at}: its id is another's, too"
        );
        assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{at}");
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none).iter();
        let parameters: Vec<&Value> =
            parameters.map(|parameter| resolved(&description, parameter)).collect();
        for part in path.split(['{', '}']).skip(1).step_by(2) {
            let declared = parameters.iter().any(|parameter| {
                parameter["in"] == "path"
                    && parameter["name"] == part
                    && parameter["required"] == true
            });
            assert!(declared, "{at}: {part}");
        }
        for parameter in parameters {
            assert!(
                parameter["schema"].is_object() && parameter["description"].is_string(),
                "{at}: {parameter}"
            );
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolved(&description, response);
            assert!(response["description"].is_string(), "{at}: {status}");
            let is_error = status.starts_with(['4', '5']);
            assert_eq!(
                is_error,
                response["content"]["application/json"]["schema"]["$ref"]
                    == "#/components/schemas/Error",
                "{at}: {status}"
            );
        }
    }
}
