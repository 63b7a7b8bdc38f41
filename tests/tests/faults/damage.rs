//! A byte of the ledger is not what was written.

use crate::{Site, binary};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rota_testkit::RotaProcess;
use rota_tests::{Book, Schedule, follow_http, http, rounds};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const FLIPS: u64 = 10;

/// The files that hold data, or say which files do.
fn data_files(ledger: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(ledger).unwrap().map(|file| file.unwrap().path());
    let holds_data = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let kinds = [".sst", ".log", ".blob"];
        (name.starts_with("MANIFEST") || kinds.iter().any(|kind| name.ends_with(kind)))
            && fs::metadata(path).unwrap().len() > 0
    };
    let mut files: Vec<PathBuf> = files.filter(holds_data).collect();
    files.sort();
    files
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("ledger")).unwrap();
    fs::copy(from.join("wallet.json"), to.path().join("wallet.json")).unwrap();
    for file in fs::read_dir(from.join("ledger")).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.path().join("ledger").join(file.file_name())).unwrap();
    }
    to
}

/// Either the start fails with a reason, or what is served is whole, or a read says that it cannot.
async fn never_silently_short(damaged: &Path, whole: &[Schedule], what: &str) -> &'static str {
    let rota = match RotaProcess::try_start(&binary(), damaged, &[]) {
        Ok(rota) => rota,
        Err(why) => {
            let told = why.contains("damaged") || why.contains("not a ledger");
            assert!(told && !why.contains("panicked"), "{what}: {why}");
            return "refused to start";
        }
    };
    let mut outcome = "served all";
    for schedule in whole {
        let book = Book::default();
        match follow_http(&http(), &rota.url, schedule.process, &book).await {
            Ok(read) => assert_eq!(read.places, schedule.places, "{what}: not the whole schedule"),
            Err(why) => {
                assert!(why.starts_with('5'), "{what}: {why}: {}", rota.logged());
                outcome = "refused reads";
            }
        }
    }
    outcome
}

async fn flip(site: &Site, whole: &[Schedule], seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..rounds(FLIPS) {
        let damaged = copy(&site.home);
        let files = data_files(&damaged.path().join("ledger"));
        let file = &files[rng.random_range(0..files.len())];
        let mut bytes = fs::read(file).unwrap();
        // The last bytes of a log cannot be told from a write that the crash cut short.
        let log = file.extension().is_some_and(|kind| kind == "log");
        let at = rng.random_range(0..if log { bytes.len() * 3 / 4 } else { bytes.len() });
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(file, bytes).unwrap();
        let name = file.file_name().unwrap().to_string_lossy();
        let what = format!("seed {seed}, round {round}: {name} at {at}");
        let outcome = never_silently_short(damaged.path(), whole, &what).await;
        println!("{what}: {outcome}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_log_never_shortens_a_schedule_silently() {
    let mut site = Site::new();
    let rota = site.start(&[]);
    site.fill(&rota, 2, 40).await;
    let whole = site.check(&rota).await;
    rota.kill_9();
    flip(&site, &whole, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_table_never_shortens_a_schedule_silently() {
    let mut site = Site::new();
    let rota = site.start(&[]);
    site.fill(&rota, 2, 40).await;
    let whole = site.check(&rota).await;
    assert!(rota.stop_gently().success());
    flip(&site, &whole, 2).await;
}
