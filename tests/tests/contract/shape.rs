//! Answers with everything replaced that differs from run to run, for snapshots.

use serde_json::Value;

/// The same JSON with ids, keys, signatures, times and anchors replaced by their kind.
pub(crate) fn shape(mut json: Value) -> Value {
    replace(&mut json, "");
    json
}

fn replace(json: &mut Value, name: &str) {
    match json {
        Value::Object(fields) => {
            let tag = fields.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (field, value) in fields {
                replace(value, if field == "value" { &tag } else { field });
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, name)),
        Value::Number(_) if name == "timestamp" => *json = "[number: ms]".into(),
        Value::String(text) => {
            if let Some(kind) = kind(name, text) {
                *json = kind.into();
            }
        }
        _ => {}
    }
}

fn kind(name: &str, text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match name {
        "timestamp" | "Timestamp" | "cursor" if digits && text.len() == 13 => {
            Some("[ms]".to_owned())
        }
        "Block-Height" | "block" if digits => Some(format!("[{} digits]", text.len())),
        "anchor" => Some(format!("[{} characters]", text.len())),
        "Module" => None,
        "data" => Some("[data]".to_owned()),
        _ if text.len() == 43 => Some("[id]".to_owned()),
        _ if text.len() > 43 => Some(format!("[{} characters]", text.len())),
        _ => None,
    }
}
