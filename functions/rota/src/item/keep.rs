//! Keeps the bytes of an item whose outcome is open, so that the same ones can be posted again.

use anyhow::{Context as _, anyhow};
use rota_ans104::Item;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Only whoever made the item: it is not public before it is scheduled.
const MODE: u32 = 0o600;
/// Names that are tried in one directory.
const NAMES_MAX: u32 = 9;

/// Writes the item to a new file, here or else where temporary files go, and gives its path.
pub(super) fn keep(item: &Item) -> anyhow::Result<PathBuf> {
    keep_in(Path::new("."), item).or_else(|_| {
        let dir = std::env::temp_dir();
        keep_in(&dir, item)
            .with_context(|| format!("cannot keep the item: neither here nor in {}", dir.display()))
    })
}

fn keep_in(dir: &Path, item: &Item) -> anyhow::Result<PathBuf> {
    for number in 1..=NAMES_MAX {
        let name = match number {
            1 => format!("item-{}.bin", item.id()),
            _ => format!("item-{}-{number}.bin", item.id()),
        };
        let path = std::path::absolute(dir.join(name))?;
        match create(&path, item.bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(anyhow!(error).context(format!("cannot write {}", path.display())));
            }
            Ok(()) => return Ok(path),
        }
    }
    Err(anyhow!("{} is full of copies of the item", dir.display()))
}

/// Never overwrites anything, and leaves no part of a file behind.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // The error of the write is the one to tell.
        let _ = fs::remove_file(path);
    }
    written
}
