//! The plans of the statements: they must not depend on how much there is.

use super::statement::{BEAT, BIND, MAKE, OWNER, POLICY, REBIND, RELEASE, TAKE, WRITER, WRITERS};
use rota_readmodel::{DatabaseUrl, migrate};
use rota_testkit::postgres::PostgresCluster;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row as _};

const FILL: &str = "\
    INSERT INTO directory_writers (name) SELECT 'w-' || n FROM generate_series(0, 19) n; \
    INSERT INTO directory_counts SELECT 'w-' || n, c, 0 \
    FROM generate_series(0, 19) n, generate_series(0, 7) c; \
    INSERT INTO directory_processes SELECT sha256(int4send(p)), 'w-' || p % 20 \
    FROM generate_series(1, 20000) p";

/// The plan that every execution of a statement has in this session.
async fn plan(connection: &mut PgConnection, statement: &str, arguments: usize) -> String {
    let nulls = format!("({})", vec!["NULL"; arguments].join(", ")).replace("()", "");
    let explain =
        format!("PREPARE asked AS {statement}; EXPLAIN EXECUTE asked {nulls}; DEALLOCATE asked");
    let lines = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    lines.iter().map(|line| line.get::<String, _>(0) + "\n").collect()
}

#[tokio::test]
async fn every_look_up_is_by_an_index() {
    let url = tokio::task::spawn_blocking(|| PostgresCluster::shared().fresh_database());
    let url: DatabaseUrl = url.await.unwrap().parse().unwrap();
    migrate(&url).await.unwrap();
    let mut connection = url.primary(1).acquire().await.unwrap();
    let statements = [
        (OWNER, 1),
        (BIND, 3),
        (REBIND, 4),
        (WRITERS, 0),
        (WRITER, 1),
        (MAKE, 2),
        (POLICY, 4),
        (TAKE, 5),
        (BEAT, 5),
        (RELEASE, 2),
    ];
    for filled in ["SELECT 1", FILL, "ANALYZE"] {
        connection.execute(filled).await.unwrap();
        for (statement, arguments) in statements {
            let plan = plan(&mut connection, statement, arguments).await;
            assert!(!plan.contains("Seq Scan"), "{filled}: {plan}");
            assert!(plan.contains("Index") || statement == MAKE, "{filled}: {plan}");
        }
    }
}
