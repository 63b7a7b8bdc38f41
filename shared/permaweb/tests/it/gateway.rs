//! Gateways: who is asked in which order, what is a "no" and what an error, and that nothing hangs.

use std::time::{Duration, Instant};

use rota_ans104::{Address, ItemId, b64};
use rota_permaweb::{Gateway, GatewayConfig, GatewayTransaction, HEIGHT_MAX, PermawebError};
use url::Url;

use crate::server::{Fault, Stub, TIMEOUT, redirect, reply};

fn id() -> ItemId {
    ItemId::new([3; 32])
}

fn config(gateway: &Url, arweave: &Url, list: &[&Url]) -> GatewayConfig {
    GatewayConfig {
        gateway_url: gateway.clone(),
        arweave_url: arweave.clone(),
        graphql_url: None,
        arweave_url_list: list.iter().copied().cloned().collect(),
        timeout: TIMEOUT,
    }
}

/// A client with these hosts as its list, and nobody behind its other URLs.
async fn listing(list: &[&Url]) -> Gateway {
    let nobody = Fault::Refused.serve().await;
    Gateway::new(config(&nobody, &nobody, list)).unwrap()
}

async fn one_host(url: &Url) -> Gateway {
    Gateway::new(config(url, url, &[])).unwrap()
}

#[tokio::test]
async fn the_height_comes_from_the_arweave_node() {
    let node = Stub::answering(200, r#"{"network":"n","height":1600000,"blocks":1}"#).await;
    let gateway = Stub::answering(200, r#"{"height":1}"#).await;
    let prefixed = node.url.join("/pre/").unwrap();
    let client = Gateway::new(config(&gateway.url, &prefixed, &[])).unwrap();
    assert_eq!(client.height().await.unwrap(), 1_600_000);
    assert_eq!(node.lines(), ["GET /pre/info"]);
    assert!(gateway.seen().is_empty());
}

#[tokio::test]
async fn the_gateway_gives_the_height_when_the_node_fails_in_any_way() {
    let gateway = Stub::answering(200, r#"{"height":42}"#).await;
    for fault in Fault::all() {
        let node = fault.serve().await;
        let client = Gateway::new(config(&gateway.url, &node, &[])).unwrap();
        assert_eq!(client.height().await.unwrap(), 42, "{fault:?}");
    }
}

#[tokio::test]
async fn every_fault_of_both_is_the_nodes_error_in_time() {
    for fault in Fault::all() {
        let begin = Instant::now();
        let error = one_host(&fault.serve().await).await.height().await.unwrap_err();
        assert!(begin.elapsed() < TIMEOUT * 6, "{fault:?}");
        let expected = match fault {
            Fault::Broken => matches!(error, PermawebError::Status { status: 500, .. }),
            Fault::Html => matches!(error, PermawebError::Malformed { .. }),
            Fault::Oversized | Fault::Endless => matches!(error, PermawebError::TooLong { .. }),
            _ => matches!(error, PermawebError::Unreachable { .. }),
        };
        assert!(expected, "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_height_is_a_whole_number_of_at_most_12_digits() {
    let most = format!(r#"{{"height":{HEIGHT_MAX}}}"#);
    assert_eq!(
        one_host(&Stub::answering(200, most).await.url).await.height().await.unwrap(),
        HEIGHT_MAX
    );
    let bad = [
        r#"{"height":1000000000000}"#,
        r#"{"height":18446744073709551615}"#,
        r#"{"height":18446744073709551616}"#,
        r#"{"height":1e30}"#,
        r#"{"height":1.5}"#,
        r#"{"height":-1}"#,
        r#"{"height":"1600000"}"#,
        r#"{"height":null}"#,
        r#"{"height":[1]}"#,
        "{}",
        "1600000",
        "",
    ];
    for body in bad {
        let error =
            one_host(&Stub::answering(200, body).await.url).await.height().await.unwrap_err();
        assert!(matches!(error, PermawebError::Malformed { .. }), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn confirmations_are_none_for_pending_and_unknown() {
    let cases = [
        (
            200,
            r#"{"block_height":1,"block_indep_hash":"h","number_of_confirmations":20}"#,
            Some(20),
        ),
        (200, r#"{"number_of_confirmations":0}"#, Some(0)),
        (202, "Pending", None),
        (202, r#"{"number_of_confirmations":9}"#, None),
        (200, "Pending\n", None),
        (404, "Not Found.", None),
    ];
    for (status, body, expected) in cases {
        let stub = Stub::answering(status, body).await;
        let client = listing(&[&stub.url]).await;
        assert_eq!(client.confirmations(&id()).await.unwrap(), expected, "{status} {body}");
        assert_eq!(stub.lines(), [format!("GET /tx/{}/status", id())]);
    }
}

#[tokio::test]
async fn confirmations_of_another_shape_are_errors() {
    for body in ["null", "{}", r#"{"number_of_confirmations":"20"}"#, "<html>Pending</html>"] {
        let stub = Stub::answering(200, body).await;
        let error = listing(&[&stub.url]).await.confirmations(&id()).await.unwrap_err();
        assert!(matches!(error, PermawebError::Malformed { .. }), "{body}");
    }
}

#[tokio::test]
async fn the_first_host_that_knows_the_status_answers() {
    let settled = Stub::answering(200, r#"{"number_of_confirmations":5}"#).await;
    let pending = Stub::answering(202, "Pending").await;
    let unknown = Stub::answering(404, "").await;
    let broken = Stub::answering(500, "").await;
    let confirmations = async |hosts: &[&Stub]| {
        let urls: Vec<_> = hosts.iter().map(|host| &host.url).collect();
        listing(&urls).await.confirmations(&id()).await.map_err(|error| error.to_string())
    };
    assert_eq!(confirmations(&[&unknown, &broken, &settled]).await, Ok(Some(5)));
    assert_eq!(confirmations(&[&pending, &settled]).await, Ok(None));
    assert_eq!(confirmations(&[&unknown, &unknown]).await, Ok(None));
    let failed = confirmations(&[&unknown, &broken]).await.unwrap_err();
    assert!(failed.contains("status 500"), "{failed}");
}

#[tokio::test]
async fn an_id_exists_on_the_first_yes() {
    let yes = Stub::answering(200, "x".repeat(100_000)).await;
    let no = Stub::answering(404, "").await;
    for fault in Fault::NO_ANSWER {
        let client = listing(&[&no.url, &fault.serve().await, &yes.url]).await;
        let begin = Instant::now();
        assert!(client.exists(&id()).await.unwrap(), "{fault:?}");
        assert!(begin.elapsed() < TIMEOUT, "a yes waits for nobody");
    }
    assert_eq!(yes.lines()[0], format!("HEAD /{}", id()));
}

#[tokio::test]
async fn an_id_does_not_exist_only_if_all_hosts_say_so() {
    let no = Stub::answering(404, "").await;
    let other_no = Stub::answering(404, "").await;
    assert!(!listing(&[&no.url, &other_no.url]).await.exists(&id()).await.unwrap());
    assert_eq!((no.seen().len(), other_no.seen().len()), (1, 1));
    for fault in Fault::NO_ANSWER {
        let begin = Instant::now();
        let client = listing(&[&fault.serve().await, &no.url]).await;
        assert!(client.exists(&id()).await.is_err(), "{fault:?}");
        assert!(begin.elapsed() < TIMEOUT * 4, "{fault:?}");
    }
    for status in [400, 403, 410, 429, 503] {
        let unsure = Stub::answering(status, "").await;
        let error = listing(&[&no.url, &unsure.url]).await.exists(&id()).await.unwrap_err();
        assert!(matches!(error, PermawebError::Status { status: s, .. } if s == status));
    }
}

#[tokio::test]
async fn without_a_list_the_gateway_and_the_node_are_asked_once_each() {
    let (gateway, node) = (Stub::answering(404, "").await, Stub::answering(404, "").await);
    let client = Gateway::new(config(&gateway.url, &node.url, &[])).unwrap();
    assert!(!client.exists(&id()).await.unwrap());
    assert_eq!((gateway.seen().len(), node.seen().len()), (1, 1));
    assert!(!one_host(&gateway.url).await.exists(&id()).await.unwrap());
    assert_eq!(gateway.seen().len(), 2, "one host under two names is asked once");
}

#[tokio::test]
async fn a_redirected_id_exists_where_it_was_redirected_to() {
    let yes = Stub::answering(200, "").await;
    let location = yes.url.join("/sandbox").unwrap();
    let stub = Stub::with(move |_| redirect(302, location.as_str())).await;
    assert!(listing(&[&stub.url]).await.exists(&id()).await.unwrap());
    assert_eq!(yes.lines(), ["HEAD /sandbox"]);
}

fn transaction_json() -> String {
    let (id, recipient, anchor) = (id(), b64::encode(&[9; 32]), b64::encode(b"anchor"));
    let owner = b64::encode(&[8; 32]);
    format!(
        r#"{{"data":{{"transactions":{{"edges":[{{"node":{{"id":"{id}","anchor":"{anchor}",
        "owner":{{"address":"{owner}"}},"recipient":"{recipient}","tags":[{{"name":"Type","value":"Message"}}]}}}}]}}}}}}"#
    )
}

#[tokio::test]
async fn a_transaction_is_asked_for_by_variable_at_the_gateways_graphql() {
    let stub = Stub::answering(200, transaction_json()).await;
    let prefixed = stub.url.join("/pre/").unwrap();
    let found = one_host(&prefixed).await.transaction(&id()).await.unwrap();
    let expected = GatewayTransaction {
        signer: Address::new([8; 32]),
        recipient: Some([9; 32]),
        anchor: b"anchor".to_vec(),
        tags: vec![("Type".to_owned(), "Message".to_owned())],
    };
    assert_eq!(found, Some(expected));
    let seen = stub.seen().remove(0);
    assert_eq!(
        (seen.line.as_str(), &seen.headers["content-type"]),
        ("POST /pre/graphql", &"application/json".parse().unwrap())
    );
    let question: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(question["variables"]["id"], id().to_string());
}

#[tokio::test]
async fn a_graphql_url_of_its_own_is_used_as_it_is() {
    let stub = Stub::answering(200, r#"{"data":{"transactions":{"edges":[]}}}"#).await;
    let nobody = Fault::Refused.serve().await;
    let graphql_url = Some(stub.url.join("/my/gql?key=1").unwrap());
    let client =
        Gateway::new(GatewayConfig { graphql_url, ..config(&nobody, &nobody, &[]) }).unwrap();
    assert_eq!(client.transaction(&id()).await.unwrap(), None);
    assert_eq!(stub.lines(), ["POST /my/gql?key=1"]);
}

#[tokio::test]
async fn graphql_url_without_a_path_gets_the_usual_path() {
    let stub = Stub::answering(200, r#"{"data":{"transactions":{"edges":[]}}}"#).await;
    let nobody = Fault::Refused.serve().await;
    let bare = stub.url.as_str().trim_end_matches('/');
    for url in [bare, &format!("{bare}/")] {
        let graphql_url = Some(Url::parse(url).unwrap());
        let config = GatewayConfig { graphql_url, ..config(&nobody, &nobody, &[]) };
        assert_eq!(Gateway::new(config).unwrap().transaction(&id()).await.unwrap(), None);
    }
    assert_eq!(stub.lines(), ["POST /graphql", "POST /graphql"]);
}

#[tokio::test]
async fn an_unknown_transaction_is_never_a_failed_question() {
    let errors = r#"{"data":{"transactions":{"edges":[]}},"errors":[{"message":"overloaded"}]}"#;
    let error = one_host(&Stub::answering(200, errors).await.url).await.transaction(&id()).await;
    assert!(
        matches!(error, Err(PermawebError::GraphQl { message, .. }) if message == "overloaded")
    );
    for status in [202, 400, 404, 429, 503] {
        let client = one_host(&Stub::answering(status, "").await.url).await;
        assert!(client.transaction(&id()).await.is_err(), "{status}");
    }
    for fault in Fault::all() {
        let client = one_host(&fault.serve().await).await;
        assert!(client.transaction(&id()).await.is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn raw_data_comes_from_the_gateway_first() {
    let (gateway, other) =
        (Stub::answering(200, "data").await, Stub::answering(200, "other").await);
    let client = Gateway::new(config(&gateway.url, &other.url, &[&other.url])).unwrap();
    assert_eq!(client.raw(&id(), 4).await.unwrap(), "data");
    assert_eq!(gateway.lines(), [format!("GET /raw/{}", id())]);
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn raw_data_comes_from_the_next_host_when_one_fails() {
    let last = Stub::answering(200, "data").await;
    let missing = Stub::answering(404, "").await;
    let on_its_way = Stub::answering(202, "Pending").await;
    // A page of HTML is data like any other: only what is no data at all can be told from it.
    for fault in Fault::all().filter(|fault| *fault != Fault::Html) {
        let gateway = fault.serve().await;
        let list = [&missing.url, &on_its_way.url, &last.url];
        let client = Gateway::new(config(&gateway, &last.url, &list)).unwrap();
        assert_eq!(client.raw(&id(), 100).await.unwrap(), "data", "{fault:?}");
    }
}

#[tokio::test]
async fn raw_data_is_not_found_only_if_all_hosts_say_so() {
    let missing = Stub::answering(404, "").await;
    let error = one_host(&missing.url).await.raw(&id(), 100).await.unwrap_err();
    assert!(matches!(error, PermawebError::NotFound { .. }));
    for status in [202, 206, 304, 429, 500] {
        let unsure = Stub::answering(status, "").await;
        let client = Gateway::new(config(&missing.url, &unsure.url, &[])).unwrap();
        let error = client.raw(&id(), 100).await.unwrap_err();
        assert!(matches!(error, PermawebError::Status { status: s, .. } if s == status), "{error}");
    }
}

#[tokio::test]
async fn raw_data_may_have_max_bytes_and_not_one_more() {
    let stub = Stub::answering(200, "x".repeat(100_000)).await;
    let client = one_host(&stub.url).await;
    assert_eq!(client.raw(&id(), 100_000).await.unwrap().len(), 100_000);
    for limit in [99_999, 0] {
        let error = client.raw(&id(), limit).await.unwrap_err();
        assert!(matches!(error, PermawebError::TooLong { limit: l, .. } if l == limit));
    }
    let endless = one_host(&Fault::Endless.serve().await).await;
    let error = endless.raw(&id(), 1_000_000).await.unwrap_err();
    assert!(matches!(error, PermawebError::TooLong { .. }), "{error:?}");
}

/// Redirects `/raw/…` to `/hops`, that to `/hops-1` and so on; `/0` has the data.
async fn hopping(hops: usize) -> Stub {
    Stub::with(move |seen| match seen.line.trim_start_matches("GET /").parse::<usize>() {
        Ok(0) => reply(200, "data"),
        Ok(left) => redirect(302, &format!("/{}", left - 1)),
        Err(_) => redirect(302, &format!("/{}", hops - 1)),
    })
    .await
}

#[tokio::test]
async fn five_redirects_are_followed_and_a_sixth_is_not() {
    let five = hopping(5).await;
    assert_eq!(one_host(&five.url).await.raw(&id(), 100).await.unwrap(), "data");
    let six = hopping(6).await;
    let error = one_host(&six.url).await.raw(&id(), 100).await.unwrap_err();
    assert!(matches!(error, PermawebError::Unreachable { .. }));
    assert_eq!(six.seen().len(), 6);
}

#[tokio::test]
async fn errors_name_the_host_without_credentials_or_path() {
    let mut url = Fault::Refused.serve().await;
    url.set_password(Some("secret")).unwrap();
    let error = one_host(&url).await.raw(&id(), 100).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("127.0.0.1") && !text.contains("secret"), "{text}");
    assert!(!text.contains(&id().to_string()), "{text}");
}

#[tokio::test]
async fn every_question_can_be_asked_from_a_task() {
    let stub = Stub::answering(404, "").await;
    let client = one_host(&stub.url).await;
    let task = tokio::spawn(async move {
        let (id, none) = (id(), client.height().await.is_err());
        let pending = client.confirmations(&id).await.unwrap().is_none();
        let unknown = client.transaction(&id).await.is_err() && client.raw(&id, 1).await.is_err();
        none && pending && unknown && !client.exists(&id).await.unwrap()
    });
    assert!(tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap());
}

#[test]
fn a_url_that_is_not_http_is_refused_at_the_start() {
    let good = Url::parse("https://gateway.example").unwrap();
    let bad = Url::parse("unix:/run/gateway").unwrap();
    let refused = [
        config(&bad, &good, &[]),
        config(&good, &bad, &[]),
        config(&good, &good, &[&good, &bad]),
        GatewayConfig { graphql_url: Some(bad.clone()), ..config(&good, &good, &[]) },
    ];
    for config in refused {
        assert!(matches!(Gateway::new(config), Err(PermawebError::BadUrl { .. })));
    }
    assert!(Gateway::new(config(&good, &good, &[])).is_ok(), "tls can be set up");
}
