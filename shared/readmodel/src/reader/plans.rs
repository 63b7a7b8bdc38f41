//! Holds every statement to the plan it must have whatever the tables hold: index probes only, and nothing
//! sorted that grows with a schedule.

use super::entry::{First, Latest, Lookup, Newest, Search};
use super::facts::{AllProgress, Raw, Scheduler};
use super::page::PageOf;
use super::statement::{Role, Statement};
use crate::{DatabaseUrl, migrate};
use rota_testkit::postgres::PostgresCluster;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row};

/// Three processes of 4,000 entries, and what belongs to them.
const ROWS: &str = "
INSERT INTO writers (name, term, holder) VALUES ('a', 1, decode(repeat('00', 16), 'hex'));
INSERT INTO writer_progress VALUES (1, 50000, 42, decode(repeat('00', 32), 'hex'));
INSERT INTO processes SELECT sha256(('p' || p)::bytea), 1 FROM generate_series(1, 3) p;
INSERT INTO entries SELECT sha256(('p' || p)::bytea), n, 1000 + n, 3, sha256(('a' || p || '.' || n)::bytea),
    sha256(('m' || p || '.' || n)::bytea), null, 'assignment', 'abc'
FROM generate_series(1, 3) p, generate_series(0, 3999) n;
INSERT INTO bodies SELECT sha256(('b' || n)::bytea), 'body' FROM generate_series(1, 100) n;
INSERT INTO bodies_by_hash SELECT * FROM bodies;
ANALYZE;";

async fn connect() -> PgConnection {
    let url: DatabaseUrl = PostgresCluster::shared().fresh_database().parse().unwrap();
    migrate(&url).await.unwrap();
    let name = url.to_string().rsplit_once('/').unwrap().1.to_owned();
    PostgresCluster::shared().sql(&name, ROWS);
    url.replica().connect().await.unwrap()
}

/// The plan of a text that takes `types`, as the reader's sessions make it.
async fn plan(connection: &mut PgConnection, sql: &str, types: &str) -> Vec<String> {
    let arguments = vec!["null"; types.split(',').count()].join(", ");
    let prepare = format!("PREPARE statement ({types}) AS {sql}");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE statement ({arguments})");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE statement").execute(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Every scan of a table that grows is a probe: an index scan with a condition.
fn assert_probes(plan: &[String]) {
    let mut probes = 0;
    for (line, next) in plan.iter().zip(plan.iter().skip(1)) {
        let grows =
            [" on entries", " on bodies", " on processes"].iter().any(|on| line.contains(on));
        if line.contains("Scan") && grows {
            assert!(line.contains("Index"), "{line}\n{}", plan.join("\n"));
            assert!(next.contains("Index Cond"), "{line}\n{}", plan.join("\n"));
            probes += 1;
        }
    }
    assert!(probes > 0, "{}", plan.join("\n"));
}

fn sorts(plan: &[String]) -> bool {
    plan.iter().any(|line| line.contains("Sort") || line.contains("Hash"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_probes_indexes_and_sorts_nothing_that_grows() {
    let mut connection = connect().await;
    let connection = &mut connection;
    let bounds = "bytea, bigint, bigint, bigint, bigint, bigint, bigint, boolean, bigint";
    for role in [Role::Replica, Role::Primary] {
        for (sql, types) in [
            (PageOf::SQL, bounds),
            (Lookup::SQL, "bytea, bytea"),
            (Latest::SQL, "bytea"),
            (Newest::SQL, "bytea"),
            (First::SQL, "bytea"),
            (Raw::SQL, "bytea"),
        ] {
            let plan = plan(connection, sql.of(role), types).await;
            assert_probes(&plan);
            assert!(!sorts(&plan), "{}", plan.join("\n"));
        }
        // These sort: the places of one item, and the few writers.
        assert_probes(&plan(connection, Search::SQL.of(role), "bytea").await);
        assert_probes(&plan(connection, Scheduler::SQL.of(role), "bytea").await);
        let probe = plan(connection, AllProgress::SQL.of(role), "bigint").await;
        assert!(!sorts(&probe), "{}", probe.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_for_the_primary_looks_once_whether_the_server_is_the_primary() {
    let mut connection = connect().await;
    let bounds = "bytea, bigint, bigint, bigint, bigint, bigint, bigint, boolean, bigint";
    for (sql, types) in [
        (PageOf::SQL, bounds),
        (Lookup::SQL, "bytea, bytea"),
        (Search::SQL, "bytea"),
        (Latest::SQL, "bytea"),
        (Newest::SQL, "bytea"),
        (First::SQL, "bytea"),
        (Raw::SQL, "bytea"),
        (Scheduler::SQL, "bytea"),
        (AllProgress::SQL, "bigint"),
    ] {
        let plan = plan(&mut connection, sql.primary, types).await.join("\n");
        assert!(plan.contains("One-Time Filter: "), "{plan}");
    }
}
