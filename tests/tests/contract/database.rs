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
