//! Opening: whether a directory is, or may become, a ledger, and of which format.
//!
//! A directory that holds something else is left exactly as it was.

use crate::{
    LedgerError, LedgerOptions,
    key::{Family, META_FORMAT, META_ID},
    options, record,
    store::{self, Store},
    wal,
};
use rocksdb::{Cache, DB, DEFAULT_COLUMN_FAMILY_NAME, IteratorMode, Options};
use std::{fs, io, path::Path};

/// The newest layout of the whole store that this version knows. Format 1 had no provisional entries; it
/// becomes format 2 when it is opened.
const FORMAT: u8 = 2;
/// Points at the current state of a RocksDB; there is none without it.
const CURRENT: &str = "CURRENT";
/// What RocksDB leaves behind when it dies before there is a `CURRENT`, and what file systems put into
/// their roots. Never a log or a table: a store that lost its `CURRENT` is not to be started anew.
const HARMLESS: [&str; 6] =
    ["LOCK", "IDENTITY", "MANIFEST-000001", "000000.dbtmp", "000001.dbtmp", "lost+found"];
/// How RocksDB's own notes begin, which are harmless too.
const NOTES: &str = "LOG";

/// Opens the ledger in `dir`, or starts one there if there is nothing.
pub(crate) fn open(dir: &Path, limits: &LedgerOptions) -> Result<Store, LedgerError> {
    prepare(dir)?;
    wal::check(dir)?;
    let cache = Cache::new_lru_cache(limits.block_cache_bytes);
    let db = DB::open_cf_descriptors(&options::store(limits), dir, options::families(&cache))
        .map_err(|error| on_open(dir, error))?;
    let store = Store { db, cache };
    check_format(&store)?;
    Ok(store)
}

/// Makes the directory, or makes sure that a ledger may be opened in it.
fn prepare(dir: &Path) -> Result<(), LedgerError> {
    let io = |source| LedgerError::Io { dir: dir.to_owned(), source };
    fs::create_dir_all(dir).map_err(io)?;
    if !is_store(dir)? {
        let harmless = only_harmless(dir).map_err(io)?;
        return if harmless {
            Ok(())
        } else {
            Err(LedgerError::NotALedger { dir: dir.to_owned() })
        };
    }
    let found = DB::list_cf(&Options::default(), dir).map_err(|error| on_open(dir, error))?;
    let ours = |name: &String| {
        name == DEFAULT_COLUMN_FAMILY_NAME || Family::ALL.iter().any(|family| family.name() == name)
    };
    let has = |family: &Family| found.iter().any(|name| name == family.name());
    let missing = Family::ALL.iter().filter(|family| !has(family)).collect::<Vec<_>>();
    if found.iter().all(ours) && matches!(missing[..], [] | [Family::Provisional]) {
        return Ok(());
    }
    look_into(dir, &found, found.iter().all(ours))
}

/// Whether there is a RocksDB in `dir`.
pub(crate) fn is_store(dir: &Path) -> Result<bool, LedgerError> {
    let there = dir.join(CURRENT).try_exists();
    there.map_err(|source| LedgerError::Io { dir: dir.to_owned(), source })
}

/// Whether nothing is lost if a ledger is started here.
fn only_harmless(dir: &Path) -> io::Result<bool> {
    for file in fs::read_dir(dir)? {
        let name = file?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(NOTES) && !HARMLESS.contains(&&*name) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks, without writing, into a RocksDB whose families are not exactly a ledger's: a newer ledger, one
/// whose creation was cut off (then it is empty), or something else.
fn look_into(dir: &Path, found: &[String], only_ours: bool) -> Result<(), LedgerError> {
    let db = DB::open_cf_for_read_only(&Options::default(), dir, found, false)
        .map_err(|error| on_open(dir, error))?;
    let other = || LedgerError::NotALedger { dir: dir.to_owned() };
    if only_ours {
        let mut families = found.iter().filter_map(|name| db.cf_handle(name));
        let empty =
            families.all(|family| db.iterator_cf(family, IteratorMode::Start).next().is_none());
        return if empty { Ok(()) } else { Err(other()) };
    }
    let meta = db.cf_handle(Family::Meta.name()).ok_or_else(other)?;
    let bytes = db.get_pinned_cf(meta, META_FORMAT)?.ok_or_else(other)?;
    newer_than_known(record::read_number("format", &bytes)?)?;
    Err(other())
}

/// Checks the format of a store, and gives an empty one ours.
fn check_format(store: &Store) -> Result<(), LedgerError> {
    if let Some(bytes) = store.get(Family::Meta, META_FORMAT)? {
        let found = record::read_number("format", &bytes)?;
        newer_than_known(found)?;
        if found == u64::from(FORMAT) {
            return Ok(());
        }
    } else {
        let heads = store.family(Family::Heads)?;
        if store.db.iterator_cf(heads, IteratorMode::Start).next().is_some() {
            return Err(LedgerError::damaged("its format is not recorded"));
        }
    }
    store.db.put_cf_opt(
        store.family(Family::Meta)?,
        META_FORMAT,
        record::write_number(FORMAT.into()),
        &store::synced(),
    )?;
    Ok(())
}

/// The ledger's own id; one is made up for a ledger that has none.
pub(crate) fn id(store: &Store) -> Result<[u8; 16], LedgerError> {
    if let Some(bytes) = store.get(Family::Meta, META_ID)? {
        return record::read_id(&bytes);
    }
    let id = rand::random();
    let meta = store.family(Family::Meta)?;
    store.db.put_cf_opt(meta, META_ID, record::write_id(id), &store::synced())?;
    Ok(id)
}

fn newer_than_known(found: u64) -> Result<(), LedgerError> {
    if found <= FORMAT.into() {
        return Ok(());
    }
    Err(LedgerError::TooNew { found: u8::try_from(found).unwrap_or(u8::MAX), supported: FORMAT })
}

/// What a failure to open means. RocksDB tells it by text only.
fn on_open(dir: &Path, error: rocksdb::Error) -> LedgerError {
    let text = error.as_ref();
    if text.contains("While lock file") || text.contains("lock hold by current process") {
        return LedgerError::Locked { dir: dir.to_owned() };
    }
    error.into()
}
