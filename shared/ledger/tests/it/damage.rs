//! Torn logs lose only what nobody was told of; damage is an error, never a shorter schedule.

use crate::support::{Chain, body, check, commit, copy_dir, files, open, try_open};
use rota_ledger::LedgerError;
use std::{fs, path::Path};
use tempfile::TempDir;

/// Commits entries one by one and notes how long the log was after each.
fn logged(dir: &Path, sizes: impl IntoIterator<Item = usize>) -> (u64, Vec<u64>) {
    let ledger = open(dir);
    let log = files(dir, "log").pop().expect("a log");
    let empty = fs::metadata(&log).unwrap().len();
    let mut chain = Chain::new(1);
    let lengths = (1..).zip(sizes).map(|(time, size)| {
        commit(&ledger, chain.next(time, Some(body(time, size)))).unwrap();
        fs::metadata(&log).unwrap().len()
    });
    (empty, lengths.collect())
}

/// What becomes of a copy of `dir` once its newest log was changed.
fn with_log(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<u64, LedgerError> {
    let copy = TempDir::new().unwrap();
    copy_dir(dir, copy.path());
    let log = files(copy.path(), "log").pop().expect("a log");
    let mut bytes = fs::read(&log).unwrap();
    change(&mut bytes);
    fs::write(&log, bytes).unwrap();
    try_open(copy.path()).map(|ledger| check(&ledger))
}

#[test]
fn a_torn_tail_loses_only_what_it_held() {
    let dir = TempDir::new().unwrap();
    let (empty, lengths) = logged(dir.path(), [100, 40_000, 10, 700]);
    let end = *lengths.last().unwrap();
    let cuts = lengths
        .iter()
        .flat_map(|at| [at - 1, *at, at + 1, at + 9])
        .chain((empty..end).step_by(1_999));
    for cut in cuts.filter(|cut| (empty..=end).contains(cut)) {
        let told = lengths.iter().filter(|length| **length <= cut).count() as u64;
        let found = with_log(dir.path(), |log| log.truncate(usize::try_from(cut).unwrap()));
        assert_eq!(found.unwrap(), told, "cut at {cut} of {lengths:?}");
    }
}

/// Where records of the log start whose headers deserve a closer look: every entry's first, and the
/// first of every block, which continues one.
fn starts(empty: u64, lengths: &[u64]) -> impl Iterator<Item = u64> {
    let end = lengths.last().copied().unwrap_or(empty);
    let entries = std::iter::once(empty).chain(lengths.iter().copied());
    entries.chain((0..end).step_by(32 << 10)).filter(move |start| *start < end)
}

#[test]
fn a_flipped_bit_in_the_log_is_damage() {
    let dir = TempDir::new().unwrap();
    let (empty, lengths) = logged(dir.path(), [100, 40_000, 10, 700]);
    let headers: Vec<u64> = starts(empty, &lengths).flat_map(|start| start..start + 7).collect();
    let bodies = (empty..*lengths.last().unwrap()).step_by(1_777);
    for (at, flip) in
        headers.iter().flat_map(|at| [(*at, 0x01), (*at, 0x80)]).chain(bodies.map(|at| (at, 0x10)))
    {
        let found = with_log(dir.path(), |log| log[usize::try_from(at).unwrap()] ^= flip);
        assert!(
            matches!(found, Err(LedgerError::Damaged { .. })),
            "{flip:#x} at {at} of {lengths:?}: {found:?}"
        );
    }
}

#[test]
fn zeros_in_the_middle_of_the_log_are_damage() {
    let dir = TempDir::new().unwrap();
    logged(dir.path(), [100, 40_000, 10, 700]);
    for (at, count) in [(0, 16), (0, 4096), (100, 512), (5_000, 512), (33_000, 4096)] {
        let found = with_log(dir.path(), |log| log[at..at + count].fill(0));
        assert!(matches!(found, Err(LedgerError::Damaged { .. })), "{count} at {at}: {found:?}");
    }
}

#[test]
fn zeros_at_the_end_of_the_log_are_a_torn_tail() {
    let dir = TempDir::new().unwrap();
    logged(dir.path(), [100, 4_000, 10]);
    let found = with_log(dir.path(), |log| log.extend([0; 5_000]));
    assert_eq!(found.unwrap(), 3);
}

/// Reads all there is, as `rota verify` does; the error of the first thing that cannot be read.
fn read_all(dir: &Path) -> Result<usize, LedgerError> {
    let ledger = try_open(dir)?;
    let mut entries = 0;
    for found in ledger.processes()? {
        for entry in ledger.entries(&found?.0, 0)? {
            entry?;
            entries += 1;
        }
    }
    Ok(entries)
}

#[test]
fn a_flipped_or_missing_byte_in_a_table_is_damage() {
    let dir = TempDir::new().unwrap();
    logged(dir.path(), [100, 100_000, 10, 700]);
    open(dir.path()).close().unwrap();
    assert_eq!(read_all(dir.path()).unwrap(), 4);
    let mut damaged = 0;
    for extension in ["sst", "blob"] {
        for (index, _) in files(dir.path(), extension).iter().enumerate() {
            for place in [0, 2] {
                let copy = TempDir::new().unwrap();
                copy_dir(dir.path(), copy.path());
                let file = files(copy.path(), extension).swap_remove(index);
                let mut bytes = fs::read(&file).unwrap();
                let at = bytes.len() * place / 4 + 40;
                bytes[at] ^= 0x10;
                fs::write(&file, bytes).unwrap();
                match read_all(copy.path()) {
                    Ok(found) => assert_eq!(found, 4, "a table that no schedule is read from"),
                    Err(LedgerError::Damaged { .. }) => damaged += 1,
                    Err(other) => panic!("{other:?} for {at} in {}", file.display()),
                }
                fs::remove_file(&file).unwrap();
                let missing = read_all(copy.path());
                assert!(
                    matches!(missing, Err(LedgerError::Damaged { .. })),
                    "{missing:?} without {}",
                    file.display()
                );
            }
        }
    }
    assert!(damaged >= 3, "entries, heads and bodies were hit");
}
