//! A request as an event, version 2.0 of API Gateway's payload, in full.

use serde_json::{Map, Value, json};

/// The event of a request. `target` is the path with its query.
#[must_use]
pub fn event(method: &str, target: &str, headers: &[(&str, &str)]) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut fields = Map::new();
    fields.insert("host".to_owned(), "abc.lambda-url.eu-west-1.on.aws".into());
    fields.insert("x-forwarded-proto".to_owned(), "https".into());
    for (name, value) in headers {
        fields.insert((*name).to_owned(), (*value).into());
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": fields,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-west-1.on.aws",
            "domainPrefix": "abc",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "9f3bf4ae-0f4a-4a8b-8d2a-000000000000",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1_773_342_238_000_u64,
        },
        "isBase64Encoded": false,
    })
}
