//! What of a list is taken, and how each mistake in it is named. Must not know a store.

use super::*;

fn parse(json: &str) -> Result<Vec<Listed>, String> {
    let list = StaticList::parse(json.as_bytes());
    list.map(|list| list.writers().to_vec()).map_err(|error| error.to_string())
}

fn name_for(url: &str) -> String {
    parse(&format!(r#"[{{"url": "{url}"}}]"#)).unwrap()[0].name.to_string()
}

#[test]
fn the_references_list_is_read() {
    let wallets = [Address::new([1; 32]), Address::new([2; 32])];
    let json = format!(
        r#"[{{"url": "https://su-b.example/", "process_count": 7, "no_route": null,
              "wallets_to_route": null, "wallets_only": null, "later": [1]}},
            {{"url": "http://127.0.0.1:9000", "no_route": true, "wallets_only": true,
              "wallets_to_route": " {},, {} "}}]"#,
        wallets[0], wallets[1]
    );
    let policy =
        RoutePolicy { no_route: true, wallets_to_route: wallets.to_vec(), wallets_only: true };
    let listed = |name: &str, url: &str, policy| Listed {
        name: name.parse().unwrap(),
        url: url.to_owned(),
        policy,
    };
    let expected = [
        listed("127.0.0.1-9000", "http://127.0.0.1:9000", policy),
        listed("su-b.example", "https://su-b.example", RoutePolicy::default()),
    ];
    assert_eq!(parse(&json).unwrap(), expected);
    assert_eq!(parse("[]").unwrap(), []);
}

#[test]
fn a_name_is_given_or_made_of_host_and_port() {
    assert_eq!(parse(r#"[{"url": "http://a", "name": "main"}]"#).unwrap()[0].name.as_str(), "main");
    assert_eq!(name_for("https://su.example:443/x/"), "su.example");
    assert_eq!(name_for("http://su.example:443"), "su.example-443");
    assert_eq!(name_for("http://[::1]:9000"), "---1--9000");
}

#[test]
fn what_is_wrong_is_named() {
    let url = "must be an http or https URL";
    for (json, expected) in [
        ("", "not JSON"),
        ("{}", "must be an array"),
        ("[1]", "must be an array"),
        ("[{}]", url),
        (r#"[{"url": 1}]"#, url),
        (r#"[{"url": "ftp://a"}]"#, url),
        (r#"[{"url": "http://u:p@a"}]"#, url),
        (r#"[{"url": "http://a/?q"}]"#, url),
        (r#"[{"url": "http://a/#f"}]"#, url),
        (r#"[{"url": "http://a"}, {"url": "a"}]"#, "entry 2 of the list of writers: \"url\""),
        (
            r#"[{"url": "http://a", "no_route": "yes"}]"#,
            "entry 1 of the list of writers: \"no_route\"",
        ),
        (
            r#"[{"url": "http://a", "wallets_only": 1}]"#,
            "\"wallets_only\" must be true, false or null",
        ),
        (
            r#"[{"url": "http://a", "wallets_to_route": ["x"]}]"#,
            "\"wallets_to_route\" must be addresses",
        ),
        (
            r#"[{"url": "http://a", "wallets_to_route": "x"}]"#,
            "\"wallets_to_route\" must be addresses",
        ),
        (r#"[{"url": "http://a", "name": ""}]"#, "\"name\" must be"),
        (r#"[{"url": "http://a", "name": 1}]"#, "\"name\" must be"),
        (r#"[{"url": "http://a/x"}, {"url": "https://a/y"}]"#, "are named a:"),
    ] {
        let error = parse(json).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
    let long = format!(r#"[{{"url": "http://{}.example"}}]"#, "x".repeat(60));
    assert!(parse(&long).unwrap_err().contains("\"name\""));
}

#[test]
fn a_list_has_limits() {
    let many = |count: usize, entry: fn(usize) -> String| {
        (0..count).map(entry).collect::<Vec<_>>().join(",")
    };
    let writer = |number: usize| format!(r#"{{"url": "http://w-{number}"}}"#);
    assert_eq!(
        parse(&format!("[{}]", many(LIST_WRITERS_MAX, writer))).unwrap().len(),
        LIST_WRITERS_MAX
    );
    assert!(parse(&format!("[{}]", many(LIST_WRITERS_MAX + 1, writer))).is_err());
    let wallet = |_| Address::new([1; 32]).to_string();
    let pinned = |count| {
        parse(&format!(r#"[{{"url": "http://w", "wallets_to_route": "{}"}}]"#, many(count, wallet)))
    };
    assert_eq!(
        pinned(LIST_WALLETS_MAX).unwrap()[0].policy.wallets_to_route.len(),
        LIST_WALLETS_MAX
    );
    assert!(pinned(LIST_WALLETS_MAX + 1).is_err());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.json");
    assert!(matches!(StaticList::read(&path), Err(ListError::Unreadable(_))));
    std::fs::write(&path, " ".repeat(LIST_BYTES_MAX - 2) + "[]").unwrap();
    assert_eq!(StaticList::read(&path).unwrap().writers(), []);
    std::fs::write(&path, " ".repeat(LIST_BYTES_MAX - 1) + "[]").unwrap();
    assert!(matches!(StaticList::read(&path), Err(ListError::TooLarge)));
}
