//! `rota checkpoint` against a real server of S3.

use crate::command::{Ran, rota, rota_under};
use crate::schedule::{Schedule, wallet};
use crate::verify_ledger::store;
use rota_schedule::HashChain;
use rota_testkit::aws::Aws;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// An empty bucket of one's own.
struct Bucket(Vec<(&'static str, String)>);

impl Bucket {
    fn new() -> Self {
        let mut env = Aws::shared().settings();
        env.push(("ARCHIVE_BUCKET", Aws::shared().fresh_bucket()));
        env.push(("ARCHIVE_PREFIX", "some/where".to_owned()));
        Self(env)
    }

    fn rota(&self, dir: &Path, args: &[&str]) -> Ran {
        rota_under(dir, &self.0, &[&["checkpoint"], args].concat())
    }
}

#[test]
fn what_is_taken_is_listed_and_comes_back_as_a_ledger_that_verifies() {
    let (bucket, dir, schedule) = (Bucket::new(), TempDir::new().unwrap(), Schedule::new(40));
    store(&dir.path().join("rota-data"), &schedule);
    let first = bucket.rota(dir.path(), &["now", "--name", "w"]).ok();
    assert!(first.starts_with("checkpoint 0-1: "), "{first}");
    let second = bucket.rota(dir.path(), &["now", "--name", "w"]).ok();
    assert!(second.starts_with("checkpoint 0-2: "), "{second}");

    let listed = bucket.rota(dir.path(), &["list", "--name", "w", "--json"]).ok();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let shown: Vec<_> = listed.as_array().unwrap().iter().map(|row| &row["checkpoint"]).collect();
    assert_eq!(shown, ["0-2", "0-1"]);
    assert_eq!((&listed[0]["processes"], &listed[0]["damaged"]), (&1.into(), &Value::Null));
    let table = bucket.rota(dir.path(), &["list", "--name", "w"]).ok();
    assert!(table.lines().count() == 3 && table.contains("0-1"), "{table}");

    let restore = ["restore", "--name", "w", "--data-dir", "new", "--checkpoint", "0-1"];
    let restored = bucket.rota(dir.path(), &restore).ok();
    assert!(restored.contains("41 entries of 1 processes, all links verify"), "{restored}");
    let process = schedule.process.to_string();
    rota(dir.path(), &["verify", &process, "--data-dir", "new"]).ok();
    let again = bucket.rota(dir.path(), &restore).fails(1);
    assert!(again.contains("new/ledger is not empty"), "{again}");
}

#[test]
fn a_wrong_link_fails_and_its_place_is_named() {
    let (bucket, dir, key) = (Bucket::new(), TempDir::new().unwrap(), wallet());
    let link = |slot: &mut rota_schedule::Slot| {
        if slot.nonce == 3 {
            slot.hash_chain = HashChain([9; 32]);
        }
    };
    let schedule = Schedule::placed(6, link, |_| &key);
    store(&dir.path().join("rota-data"), &schedule);
    bucket.rota(dir.path(), &["now"]).ok();
    let failed = bucket.rota(dir.path(), &["restore", "--data-dir", "new"]).fails(1);
    let place = format!("process {}: wrong at nonce 3: ORD-2", schedule.process);
    assert!(failed.contains(&place) && failed.contains("is not to be used"), "{failed}");
}

#[test]
fn what_is_missing_is_told_and_not_made() {
    let (bucket, dir) = (Bucket::new(), TempDir::new().unwrap());
    let none = bucket.rota(dir.path(), &["restore", "--name", "x"]).fails(1);
    assert!(none.contains("there is no checkpoint of writer \"x\""), "{none}");
    assert!(!dir.path().join("rota-data/ledger").exists());
    let none = bucket.rota(dir.path(), &["now", "--data-dir", "nowhere"]).fails(1);
    assert!(none.contains("there is no ledger in nowhere/ledger"), "{none}");
    assert!(!dir.path().join("nowhere").exists());
    let unset = rota(dir.path(), &["checkpoint", "list"]).fails(1);
    assert!(unset.contains("ARCHIVE_BUCKET is not set"), "{unset}");
    let wrong = bucket.rota(dir.path(), &["restore", "--checkpoint", "first"]).fails(2);
    assert!(wrong.contains("as in 3-17"), "{wrong}");
}
