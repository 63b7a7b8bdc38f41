//! The tables: what a static list does to them, and what somebody else may have put there.

use crate::stores::database;
use crate::{holder, load, name, process};
use rota_directory::{DirectorySettings, OpenError, PostgresDirectory, StaticList};
use rota_readmodel::{DatabaseUrl, migrate};
use rota_schedule::{Directory, DirectoryError, Removal, RoutePolicy};
use rota_service::Env;
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use rota_testkit::proxy::FaultProxy;
use tokio::task::{JoinSet, block_in_place};

/// Runs statements by hand and gives what they print.
fn sql(url: &DatabaseUrl, statements: &str) -> String {
    PostgresCluster::shared().sql(url.to_string().rsplit_once('/').unwrap().1, statements)
}

fn list(json: &str) -> StaticList {
    StaticList::parse(json.as_bytes()).unwrap()
}

fn closed() -> RoutePolicy {
    RoutePolicy { no_route: true, ..RoutePolicy::default() }
}

#[tokio::test]
async fn a_list_makes_writers_and_the_next_one_changes_them() {
    let directory = PostgresDirectory::new(&database().await);
    directory
        .load(&list(r#"[{"url": "http://a"}, {"url": "http://b", "no_route": true}]"#))
        .await
        .unwrap();
    let [a, b] = &directory.writers().await.unwrap()[..] else { panic!("two") };
    assert_eq!((a.url.as_deref(), &a.policy), (Some("http://a"), &RoutePolicy::default()));
    assert_eq!((b.url.as_deref(), &b.policy), (Some("http://b"), &closed()));
    directory.bind(process(1), &name("a")).await.unwrap();
    directory
        .load(&list(r#"[{"name": "b", "url": "http://b:2"}, {"url": "http://c"}]"#))
        .await
        .unwrap();
    let [a, b, c] = &directory.writers().await.unwrap()[..] else { panic!("three") };
    assert_eq!((a.url.as_deref(), &a.policy, a.processes), (Some("http://a"), &closed(), 1));
    assert_eq!((b.url.as_deref(), &b.policy), (Some("http://b:2"), &RoutePolicy::default()));
    assert_eq!(c.lease, None);
    assert_eq!(directory.owner(process(1)).await.unwrap(), Some(name("a")), "it stays its own");
    directory.load(&list(r#"[{"url": "http://a"}]"#)).await.unwrap();
    assert_eq!(directory.writer(&name("a")).await.unwrap().unwrap().policy, RoutePolicy::default());
}

#[tokio::test]
async fn a_list_that_is_loaded_again_undoes_no_decision_made_since() {
    let directory = PostgresDirectory::new(&database().await);
    let writers = list(r#"[{"url": "http://a"}, {"url": "http://b"}]"#);
    directory.load(&writers).await.unwrap();
    directory.set_policy(&name("a"), &closed()).await.unwrap();
    directory.set_policy(&name("own"), &closed()).await.unwrap();
    let before = directory.writers().await.unwrap();
    directory.load(&writers).await.unwrap();
    assert_eq!(directory.writers().await.unwrap(), before);
}

#[tokio::test]
async fn the_url_of_a_list_counts_while_nobody_holds_the_lease() {
    let directory = PostgresDirectory::new(&database().await);
    let (a, writers) = (name("a"), list(r#"[{"url": "http://a"}]"#));
    let url = async || directory.writer(&a).await.unwrap().unwrap().url.unwrap();
    directory.take_lease(&a, holder(1), None).await.unwrap().unwrap();
    directory.beat(&a, holder(1), "http://machine:1", load(0, 0)).await.unwrap().unwrap();
    let held = directory.writer(&a).await.unwrap();
    directory.load(&writers).await.unwrap();
    assert_eq!(directory.writer(&a).await.unwrap(), held);
    directory.release_lease(&a, holder(1)).await.unwrap();
    directory.load(&writers).await.unwrap();
    assert_eq!(url().await, "http://a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_lists_that_are_loaded_at_once_one_is_the_last() {
    let directory = PostgresDirectory::new(&database().await);
    for round in 0..20 {
        let mut loading = JoinSet::new();
        for which in ["a", "b"] {
            let urls = [1, 2].map(|n| format!(r#"{{"url": "http://{which}-{round}-{n}"}}"#));
            let (directory, list) = (directory.clone(), list(&format!("[{}]", urls.join(","))));
            loading.spawn(async move { directory.load(&list).await.unwrap() });
        }
        loading.join_all().await;
        let writers = directory.writers().await.unwrap();
        let open = writers.iter().filter(|writer| !writer.policy.no_route).count();
        assert_eq!(open, 2, "round {round}: {writers:?}");
    }
}

#[tokio::test]
async fn a_list_without_writers_closes_all_that_were_in_it() {
    let directory = PostgresDirectory::new(&database().await);
    directory.load(&list(r#"[{"url": "http://a"}]"#)).await.unwrap();
    directory.set_policy(&name("own"), &RoutePolicy::default()).await.unwrap();
    directory.load(&list("[]")).await.unwrap();
    let closed: Vec<bool> =
        directory.writers().await.unwrap().iter().map(|writer| writer.policy.no_route).collect();
    assert_eq!(closed, [true, false], "one that was never in a list is none of its business");
}

#[tokio::test]
async fn rows_that_nobody_wrote_are_damage_with_a_name() {
    for (column, change) in [
        ("name", "INSERT INTO directory_writers (name) VALUES ('a b')"),
        ("wallets_to_route", "UPDATE directory_writers SET wallets_to_route = ARRAY['x'::bytea]"),
    ] {
        let url = database().await;
        let directory = PostgresDirectory::new(&url);
        directory.take_lease(&name("w"), holder(1), None).await.unwrap();
        sql(&url, change);
        let error = directory.writers().await.unwrap_err();
        assert!(matches!(error, DirectoryError::Damaged(named) if named == column), "{error:?}");
    }
}

#[tokio::test]
async fn settings_lead_to_a_directory_with_its_list() {
    let cluster = PostgresCluster::shared();
    let (database, dir) = (cluster.fresh_database(), tempfile::tempdir().unwrap());
    let path = dir.path().join("list.json");
    let settings = [("SCHEDULER_LIST_PATH", path.to_str().unwrap()), ("DATABASE_URL", &database)];
    let settings = DirectorySettings::read(&mut Env::from_pairs(settings)).unwrap().unwrap();
    assert!(matches!(settings.open().await, Err(OpenError::List { .. })), "there is no file");
    std::fs::write(&path, r#"[{"url": "http://a"}]"#).unwrap();
    let directory = settings.open().await.unwrap();
    let found = directory.writer(&name("a")).await.unwrap().unwrap();
    assert_eq!(found.url.as_deref(), Some("http://a"));
}

#[tokio::test]
async fn writer_of_the_list_is_not_removed_until_the_list_has_let_it_go() {
    let directory = PostgresDirectory::new(&database().await);
    directory.load(&list(r#"[{"url": "http://a"}, {"url": "http://b"}]"#)).await.unwrap();
    assert_eq!(directory.remove_writer(&name("a"), None).await.unwrap(), Removal::Listed);
    directory.load(&list(r#"[{"url": "http://b"}]"#)).await.unwrap();
    assert_eq!(directory.remove_writer(&name("a"), None).await.unwrap(), Removal::Done);
    let names: Vec<_> =
        directory.writers().await.unwrap().into_iter().map(|writer| writer.name).collect();
    assert_eq!(names, [name("b")]);
}

/// After a fail-over the name of the primary may lead to a standby for a while.
#[tokio::test(flavor = "multi_thread")]
async fn standby_is_not_believed_and_the_next_connection_is_asked() {
    let cluster = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
    let direct = cluster.create_database("rota");
    migrate(&direct.parse().unwrap()).await.unwrap();
    let replica = block_in_place(|| cluster.replica());
    let proxy = FaultProxy::start(cluster.port());
    let directory = PostgresDirectory::new(&proxy.url(&direct).parse().unwrap());
    replica.caught_up();
    replica.pause();
    directory.take_lease(&name("w"), holder(1), None).await.unwrap().unwrap();
    directory.bind(process(1), &name("w")).await.unwrap();
    proxy.lead_to(replica.port());
    let (owner, writers, bound) = tokio::join!(
        directory.owner(process(1)),
        directory.writers(),
        directory.bind(process(2), &name("w")),
    );
    assert!(matches!(owner, Err(DirectoryError::Unavailable(_))), "{owner:?}");
    assert!(matches!(writers, Err(DirectoryError::Unavailable(_))), "{writers:?}");
    assert!(matches!(bound, Err(DirectoryError::Unavailable(_))), "{bound:?}");
    proxy.lead_to(cluster.port());
    assert_eq!(directory.owner(process(1)).await.unwrap(), Some(name("w")));
    assert_eq!(directory.bind(process(2), &name("w")).await.unwrap(), name("w"));
}
