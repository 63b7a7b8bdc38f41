//! A power cut for a real process: after a kill the page cache still holds what was never synced, so
//! this takes it away again.
//!
//! A small library that is preloaded into the process writes down how long each file was when it was
//! last synced. After the kill every file is cut off at a place between there and its end. Names of
//! files are taken to be durable, as they are on a journalling file system.

use rand::RngExt as _;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/synced.c");
/// RocksDB's own notes, which it never syncs and never reads.
const NOTES: &str = "LOG";

/// Knows what of a directory would survive a power cut.
pub struct PowerCut {
    work: TempDir,
    dir: PathBuf,
    /// By inode, how many bytes were on the disk when the process started.
    at_start: HashMap<u64, u64>,
}

impl PowerCut {
    /// For the files of `dir`, which may not exist yet.
    ///
    /// # Errors
    /// There is no C compiler here.
    pub fn new(dir: &Path) -> Result<Self, String> {
        let work = TempDir::new().unwrap();
        let library = work.path().join("synced.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([library.as_os_str(), SOURCE.as_ref(), "-ldl".as_ref()])
            .output();
        match compiled {
            Ok(output) if output.status.success() => {}
            Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => return Err(format!("cc: {error}")),
        }
        Ok(Self { work, dir: dir.to_owned(), at_start: HashMap::new() })
    }

    /// To be called before each start; gives what the process needs in its environment.
    pub fn watch(&mut self) -> [(&'static str, String); 2] {
        let _ = fs::remove_file(self.log());
        self.at_start = self.files().map(|(path, inode)| (inode, length(&path))).collect();
        let library = self.work.path().join("synced.so");
        [
            ("LD_PRELOAD", library.display().to_string()),
            ("ROTA_SYNC_LOG", self.log().display().to_string()),
        ]
    }

    /// To be called once the process is dead: takes away what was not synced, or only the end of it.
    /// Gives the number of bytes that are gone.
    pub fn cut(&self, rng: &mut StdRng) -> u64 {
        let mut durable = self.at_start.clone();
        for line in fs::read_to_string(self.log()).unwrap_or_default().lines() {
            let (inode, length) = line.split_once(' ').unwrap();
            durable.insert(inode.parse().unwrap(), length.parse().unwrap());
        }
        let mut gone = 0;
        for (path, inode) in self.files() {
            let end = length(&path);
            let safe = durable.get(&inode).copied().unwrap_or(0).min(end);
            let kept = if rng.random_bool(0.5) { safe } else { rng.random_range(safe..=end) };
            if kept < end {
                OpenOptions::new().write(true).open(&path).unwrap().set_len(kept).unwrap();
                gone += end - kept;
            }
        }
        gone
    }

    /// Whether the last process that was started wrote anything down.
    #[must_use]
    pub fn was_watched(&self) -> bool {
        length(&self.log()) > 0
    }

    fn log(&self) -> PathBuf {
        self.work.path().join("synced.log")
    }

    fn files(&self) -> impl Iterator<Item = (PathBuf, u64)> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().map(Result::unwrap);
        let kept = files.filter(|file| {
            let name = file.file_name();
            !name.to_string_lossy().starts_with(NOTES) && file.metadata().unwrap().is_file()
        });
        kept.map(|file| (file.path(), file.metadata().unwrap().ino()))
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}
