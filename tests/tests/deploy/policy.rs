//! What a policy grants against what was asked for, in both directions.

use crate::api::TABLE_ARN;
use crate::recorder::Asked;
use serde_json::Value;

/// Panics unless all that was asked for is granted, and all that is granted was asked for.
#[track_caller]
pub(crate) fn compare(whose: &str, policy: &Value, asked: &[Asked]) {
    let granted = granted(policy);
    let covers = |(action, pattern): &(String, String), asked: &Asked| {
        let table = asked.action.starts_with("dynamodb:");
        let prefix = if table { TABLE_ARN } else { "" };
        *action == asked.action && matches(pattern, &format!("{prefix}{}", asked.resource))
    };
    let refused: Vec<_> = asked.iter().filter(|a| !granted.iter().any(|g| covers(g, a))).collect();
    assert!(refused.is_empty(), "{whose} asks for what it is not granted: {refused:?}");
    let idle: Vec<_> = granted.iter().filter(|g| !asked.iter().any(|a| covers(g, a))).collect();
    assert!(idle.is_empty(), "{whose} is granted what it never asks for: {idle:?} of {asked:?}");
}

/// Pairs of an action and a pattern of resources.
fn granted(policy: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        for action in texts(&statement["Action"]) {
            for pattern in texts(&statement["Resource"]) {
                pairs.push((action.clone(), pattern));
            }
        }
    }
    pairs
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        text => vec![text.as_str().unwrap().to_owned()],
    }
}

/// A pattern may end in a star, and has no other.
fn matches(pattern: &str, resource: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => resource.starts_with(beginning),
        None => pattern == resource,
    }
}

#[test]
fn what_is_not_granted_and_what_is_idle_are_both_noticed() {
    let asked = |action: &str, resource: &str| Asked {
        who: String::new(),
        action: action.to_owned(),
        resource: resource.to_owned(),
    };
    let policy = serde_json::json!({"Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/bodies/*"}
    ]});
    compare("it", &policy, &[asked("s3:GetObject", "arn:aws:s3:::b/bodies/1")]);
    for wrong in [
        vec![],
        vec![
            asked("s3:GetObject", "arn:aws:s3:::b/bodies/1"),
            asked("s3:GetObject", "arn:aws:s3:::b/x"),
        ],
        vec![
            asked("s3:GetObject", "arn:aws:s3:::b/bodies/1"),
            asked("s3:PutObject", "arn:aws:s3:::b/bodies/1"),
        ],
    ] {
        let outcome = std::panic::catch_unwind(|| compare("it", &policy, &wrong));
        assert!(outcome.is_err(), "{wrong:?}");
    }
}
