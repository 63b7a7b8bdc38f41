//! The table: making it, missing it, and what somebody else may have put there.

use crate::stores::{dynamo_at, endpoint, table};
use crate::{holder, load, name, process};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rota_schedule::{Directory, DirectoryError};
use std::error::Error as _;

/// What an error that says "no answer" gives as its cause.
#[track_caller]
pub(crate) fn cause(error: &DirectoryError) -> String {
    assert!(matches!(error, DirectoryError::Unavailable(_)), "{error}");
    error.source().unwrap().to_string()
}

#[tokio::test]
async fn a_table_that_is_missing_is_named_as_the_cause() {
    let directory = dynamo_at(&endpoint().await, "missing").await;
    let (w, seen) = (name("w"), None);
    let errors = [
        directory.owner(process(1)).await.unwrap_err(),
        directory.bind(process(1), &w).await.unwrap_err(),
        directory.rebind(process(1), &w, &name("v")).await.unwrap_err(),
        directory.writers().await.unwrap_err(),
        directory.writer(&w).await.unwrap_err(),
        directory.set_policy(&w, &Default::default()).await.unwrap_err(),
        directory.take_lease(&w, holder(1), seen).await.unwrap_err(),
        directory.beat(&w, holder(1), "http://w", load(0, 0)).await.unwrap_err(),
        directory.release_lease(&w, holder(1)).await.unwrap_err(),
    ];
    for error in errors {
        assert!(cause(&error).contains("ResourceNotFoundException"), "{error:?}");
    }
}

#[tokio::test]
async fn making_a_table_again_changes_nothing() {
    let (directory, _) = table().await;
    directory.take_lease(&name("w"), holder(1), None).await.unwrap().unwrap();
    directory.bind(process(1), &name("w")).await.unwrap();
    directory.create_table().await.unwrap();
    assert_eq!(directory.owner(process(1)).await.unwrap(), Some(name("w")));
}

/// Sets one attribute of an item by hand; makes the item if there is none.
async fn put(table: &str, key: [&str; 2], attribute: &str, value: AttributeValue) {
    let client = Client::new(&rota_aws::stand_in(&endpoint().await).await);
    let request = client.update_item().table_name(table);
    let request = request
        .key("pk", AttributeValue::S(key[0].to_owned()))
        .key("sk", AttributeValue::S(key[1].to_owned()))
        .update_expression("SET #attribute = :value")
        .expression_attribute_names("#attribute", attribute)
        .expression_attribute_values(":value", value);
    request.send().await.unwrap();
}

#[tokio::test]
async fn attributes_of_any_other_type_are_damage_with_a_name() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |number: &str| AttributeValue::N(number.to_owned());
    let binary = |bytes: &[u8]| AttributeValue::B(bytes.to_vec().into());
    let cases = [
        ("base_url", number("1")),
        ("holder", binary(&[1; 15])),
        ("holder", text("1")),
        ("beat", text("1")),
        ("beat", number("-1")),
        ("beat", number("1.5")),
        ("released", number("0")),
        ("signing_permille", number("65536")),
        ("waiting", text("")),
        ("no_route", text("true")),
        ("wallets_to_route", text("a,b")),
        ("wallets_to_route", AttributeValue::L(vec![text("too short")])),
        ("wallets_only", AttributeValue::Null(true)),
    ];
    for (attribute, value) in cases {
        let (directory, table) = table().await;
        let taken = directory.take_lease(&name("w"), holder(1), None).await.unwrap().unwrap();
        directory.beat(&name("w"), taken.holder, "http://w", load(1, 1)).await.unwrap();
        put(&table, ["writers", "w#record"], attribute, value).await;
        let error = directory.writers().await.unwrap_err();
        assert!(
            matches!(error, DirectoryError::Damaged(named) if named == attribute),
            "{attribute}: {error:?}"
        );
    }
}

#[tokio::test]
async fn keys_counts_and_bindings_that_nobody_wrote_are_damage() {
    let stray = AttributeValue::S("stray".to_owned());
    for key in ["w", "a b#record", "#record"] {
        let (directory, table) = table().await;
        put(&table, ["writers", key], "base_url", stray.clone()).await;
        assert!(matches!(directory.writers().await, Err(DirectoryError::Damaged("sk"))), "{key}");
    }
    let (directory, table) = table().await;
    directory.take_lease(&name("w"), holder(1), None).await.unwrap();
    put(&table, ["writers", "w#count#1"], "processes", stray).await;
    let damaged = directory.bind(process(1), &name("w")).await.unwrap_err();
    assert!(matches!(damaged, DirectoryError::Damaged(_)), "{damaged:?}");
    assert_eq!(directory.owner(process(1)).await.unwrap(), None, "all or nothing");
    let id = format!("process#{}", process(2));
    put(&table, [&id, "-"], "writer", AttributeValue::S("a b".to_owned())).await;
    for asked in [
        directory.owner(process(2)).await.map(|_| ()),
        directory.bind(process(2), &name("w")).await.map(|_| ()),
        directory.rebind(process(2), &name("w"), &name("v")).await.map(|_| ()),
    ] {
        assert!(matches!(asked, Err(DirectoryError::Damaged("writer"))), "{asked:?}");
    }
}

#[tokio::test]
async fn a_writer_that_was_made_half_way_is_not_listed() {
    let (directory, table) = table().await;
    put(&table, ["writers", "half#count#0"], "processes", AttributeValue::N("0".to_owned())).await;
    assert_eq!(directory.writers().await.unwrap(), []);
    assert_eq!(directory.writer(&name("half")).await.unwrap(), None);
}
