//! What may be opened, and what is left alone.

use crate::support::{Chain, check, commit, open, try_open};
use rocksdb::{DB, Options};
use rota_ledger::LedgerError;
use std::{fs, path::Path};
use tempfile::TempDir;

const FAMILIES: [&str; 9] =
    ["default", "entries", "ids", "times", "heads", "contents", "outbox", "meta", "provisional"];

/// The names and sizes of all files.
fn listing(dir: &Path) -> Vec<(String, u64)> {
    let file = |file: fs::DirEntry| {
        (file.file_name().into_string().unwrap(), file.metadata().unwrap().len())
    };
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|found| file(found.unwrap())).collect();
    files.sort();
    files
}

fn rocksdb(dir: &Path, families: &[&str], act: impl FnOnce(&DB)) {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    act(&DB::open_cf(&options, dir, families).unwrap());
}

#[test]
fn an_open_ledger_is_locked() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let Err(LedgerError::Locked { dir: named }) = try_open(dir.path()) else {
        panic!("it opened twice");
    };
    assert_eq!(named, dir.path());
    drop(ledger);
    open(dir.path());
}

#[test]
fn a_ledger_of_a_newer_format_is_refused() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).close().unwrap();
    let newer = [1, 0, 0, 0, 0, 0, 0, 0, 3];
    let put = |db: &DB| db.put_cf(db.cf_handle("meta").unwrap(), b"format", newer).unwrap();
    rocksdb(dir.path(), &FAMILIES, put);
    assert!(matches!(try_open(dir.path()), Err(LedgerError::TooNew { found: 3, supported: 2 })));
    let more = [FAMILIES.as_slice(), &["newer"]].concat();
    rocksdb(dir.path(), &more, put);
    let before = listing(dir.path());
    assert!(matches!(try_open(dir.path()), Err(LedgerError::TooNew { found: 3, supported: 2 })));
    assert_eq!(listing(dir.path()), before, "nothing was written");
}

#[test]
fn a_ledger_of_format_1_becomes_one_of_format_2() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = (open(dir.path()), Chain::new(1));
    commit(&ledger, chain.next(5, None)).unwrap();
    ledger.close().unwrap();
    let mut options = Options::default();
    options.create_missing_column_families(true);
    {
        let mut db = DB::open_cf(&options, dir.path(), FAMILIES).unwrap();
        db.drop_cf("provisional").unwrap();
        let meta = db.cf_handle("meta").unwrap();
        db.put_cf(meta, b"format", [1, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        db.delete_cf(meta, b"id").unwrap();
    }
    let ledger = open(dir.path());
    let id = ledger.id();
    commit(&ledger, chain.next(6, None)).unwrap();
    assert_eq!(check(&ledger), 2);
    ledger.close().unwrap();
    assert_eq!(open(dir.path()).id(), id, "it is made up once");
    let format = |db: &DB| db.get_cf(db.cf_handle("meta").unwrap(), b"format").unwrap();
    rocksdb(dir.path(), &FAMILIES, |db| assert_eq!(format(db).unwrap()[8], 2));
}

#[test]
fn a_directory_with_something_else_is_left_alone() {
    let files = TempDir::new().unwrap();
    fs::write(files.path().join("holiday.jpg"), "not a ledger").unwrap();
    let database = TempDir::new().unwrap();
    rocksdb(database.path(), &["default"], |db| db.put("key", "value").unwrap());
    let families = TempDir::new().unwrap();
    rocksdb(families.path(), &["default", "message", "bundle"], |_| ());
    let headless = TempDir::new().unwrap();
    commit(&open(headless.path()), Chain::new(1).next(5, None)).unwrap();
    fs::remove_file(headless.path().join("CURRENT")).unwrap();
    for dir in [files, database, families, headless] {
        let before = listing(dir.path());
        let Err(LedgerError::NotALedger { dir: named }) = try_open(dir.path()) else {
            panic!("it was opened");
        };
        assert_eq!(named, dir.path());
        assert_eq!(listing(dir.path()), before, "nothing was written");
    }
}

#[test]
fn a_creation_that_was_cut_off_is_taken_up() {
    let dir = TempDir::new().unwrap();
    rocksdb(dir.path(), &FAMILIES[..4], |_| ());
    let ledger = open(dir.path());
    commit(&ledger, Chain::new(1).next(5, None)).unwrap();
    assert_eq!(check(&ledger), 1);

    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join("LOG"), "").unwrap();
    fs::write(dir.path().join("LOCK"), "").unwrap();
    open(dir.path());
}

#[test]
fn a_directory_is_made_and_one_that_cannot_be_is_named() {
    let dir = TempDir::new().unwrap();
    open(&dir.path().join("a/b/c"));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let Err(LedgerError::Io { dir: named, .. }) = try_open(&file) else {
        panic!("a file was opened");
    };
    assert_eq!(named, file);
}

#[test]
fn messages_say_what_to_do() {
    let dir = TempDir::new().unwrap();
    let _ledger = open(dir.path());
    let text = try_open(dir.path()).err().unwrap().to_string();
    assert!(
        text.contains("open elsewhere") && text.contains(dir.path().to_str().unwrap()),
        "{text}"
    );
}
