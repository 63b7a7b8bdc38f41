//! The whole contract once more, with the commit in Postgres and reads from a replica: this binary runs
//! itself with [`MARK`] set.

use rota_testkit::postgres::{PostgresCluster, Replica};
use std::process::Command;
use std::sync::OnceLock;

/// Set where schedulers are to have a database.
const MARK: &str = "ROTA_TEST_DATABASE";

fn is_marked() -> bool {
    std::env::var_os(MARK).is_some()
}

/// What tells a scheduler of its database: one of its own on the shared servers.
pub(crate) fn settings() -> Vec<(&'static str, String)> {
    static REPLICA: OnceLock<Replica> = OnceLock::new();
    if !is_marked() {
        return Vec::new();
    }
    let primary = PostgresCluster::shared();
    let replica = REPLICA.get_or_init(|| primary.replica());
    let url = primary.fresh_database();
    let name = url.rsplit('/').next().unwrap().split('?').next().unwrap();
    vec![("DATABASE_READ_URL", replica.url(name)), ("DATABASE_URL", url)]
}

#[tokio::test]
async fn metrics_tell_which_databases_are_read_and_why() {
    if !is_marked() {
        return;
    }
    let site = crate::site_with(&[]).await;
    let (process, _) = site.process_of(2).await;
    site.client.get(&format!("/{process}/latest")).await.ok();
    let text = site.client.get("/metrics").await.text();
    for name in ["rota_read_queries_total{database=\"postgres://", "rota_read_left_out{database="] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(site.client.metric("rota_read_fallbacks_total{reason=\"newest\"}").await >= 1.0);
    assert!(site.client.metric("rota_entries_projected_total").await >= 3.0);
    assert!(site.client.metric("rota_writer_term ").await >= 1.0);
    assert!(!text.contains("password"), "{text}");
}

#[test]
fn the_contract_holds_over_a_database_too() {
    if is_marked() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let again = Command::new(this).env(MARK, "1").output().unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success(), "{said}");
    let all = said.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(all > 40, "only {all} tests ran");
}
