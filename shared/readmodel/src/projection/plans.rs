//! The plans of the projector's statements: they must not depend on how much there is.

use super::commit::{DIAGNOSE, INSERT, PRESENT};
use super::history::{ENTRIES, HEADS};
use super::moves::{ORDERS, OWNER};
use crate::{DatabaseUrl, migrate};
use rota_testkit::postgres::PostgresCluster;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row as _};

/// Schedules of 20 processes, a thousand entries each.
const FILL: &str = "\
    INSERT INTO writers (name, term) VALUES ('w', 1); \
    INSERT INTO processes SELECT sha256(int4send(p)), 1 FROM generate_series(1, 20) p; \
    INSERT INTO entries SELECT sha256(int4send(p)), n, n, 0, sha256(int8send(p * 10000 + n)), \
        sha256(int8send(p * 10000 + n)), NULL, '', '' \
    FROM generate_series(1, 20) p, generate_series(0, 999) n";

/// The plan that every execution of a statement has in this session.
async fn plan(connection: &mut PgConnection, statement: &str, arguments: usize) -> String {
    let nulls = vec!["NULL"; arguments].join(", ");
    connection.execute(AssertSqlSafe(format!("PREPARE asked AS {statement}"))).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE asked ({nulls})"));
    let lines = sqlx::raw_sql(explain).fetch_all(&mut *connection).await.unwrap();
    connection.execute("DEALLOCATE asked").await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn every_look_up_is_by_an_index() {
    let url = tokio::task::spawn_blocking(|| PostgresCluster::shared().fresh_database());
    let url: DatabaseUrl = url.await.unwrap().parse().unwrap();
    migrate(&url).await.unwrap();
    let mut connection = url.primary(1).acquire().await.unwrap();
    let statements = [
        (INSERT, 17),
        (DIAGNOSE, 5),
        (PRESENT, 3),
        (HEADS, 3),
        (ENTRIES, 4),
        (ORDERS, 2),
        (OWNER, 2),
    ];
    for filled in ["SELECT 1", FILL, "ANALYZE"] {
        connection.execute(filled).await.unwrap();
        for (statement, arguments) in statements {
            let plan = plan(&mut connection, statement, arguments).await;
            assert!(!plan.contains("Seq Scan"), "{filled}: {plan}");
            assert!(plan.contains("Index") || !plan.contains("entries"), "{filled}: {plan}");
            let reads_in_order = statement == HEADS || statement == ENTRIES;
            assert!(!(reads_in_order && plan.contains("Sort")), "{filled}: {plan}");
        }
    }
}
