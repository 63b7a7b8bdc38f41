//! Migrations by everybody at once, again, over a newer schema, and under load.

use super::*;
use rota_readmodel::ModelError;
use std::time::Duration;
use tokio::time::timeout;

fn empty_database() -> DatabaseUrl {
    PostgresCluster::shared().fresh_database().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_starters_at_once_make_one_schema() {
    let url = empty_database();
    let starters = (0..8).map(|_| {
        let url = url.clone();
        tokio::spawn(async move { migrate(&url).await })
    });
    for starter in starters.collect::<Vec<_>>() {
        starter.await.unwrap().unwrap();
    }
    migrate(&url).await.unwrap();
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let migrations = names.filter(|name| name.ends_with(".sql")).count();
    let applied = sql(&url, "SELECT count(*) FROM _sqlx_migrations WHERE success");
    assert_eq!(applied, migrations.to_string());
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database \
                 WHERE locktype = 'advisory' AND datname = current_database()";
    assert_eq!(sql(&url, locks), "0");
}

#[tokio::test]
async fn an_older_version_runs_on_a_newer_schema() {
    let (url, id) = (database().await, process(1));
    sql(&url, "ALTER TABLE entries ADD COLUMN later integer");
    sql(&url, "INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '', 1)");
    migrate(&url).await.unwrap();
    let projection = writer_of(&url, &[id]).await;
    projection.project(&rows_of(id, 0..3)).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows_of(id, 0..3));
}

#[tokio::test]
async fn a_migration_that_was_changed_later_is_refused() {
    let url = database().await;
    sql(&url, "UPDATE _sqlx_migrations SET checksum = ''");
    assert!(matches!(migrate(&url).await, Err(ModelError::Migrate(_))));
}

#[tokio::test]
async fn starting_again_waits_for_no_batch() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    projection.project(&rows_of(id, 0..9)).await.unwrap();
    let mut batch = url.primary(1).begin().await.unwrap();
    for held in [
        "SELECT fence(1, 1)",
        "LOCK TABLE entries, bodies, bodies_by_hash, processes, writers, writer_progress IN SHARE ROW EXCLUSIVE MODE",
    ] {
        sqlx::query(held).execute(&mut *batch).await.unwrap();
    }
    timeout(Duration::from_secs(2), migrate(&url)).await.unwrap().unwrap();
    batch.rollback().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_is_unavailable() {
    let url: DatabaseUrl = "postgres://postgres@127.0.0.1:9/rota".parse().unwrap();
    assert!(matches!(migrate(&url).await, Err(ModelError::Unavailable(_))));
}
