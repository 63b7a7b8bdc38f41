//! Wallet files: written once, durably, readable by their owner alone; read with a bound on size.

use super::JWK_BYTES_MAX;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Reads at most [`JWK_BYTES_MAX`] bytes of UTF-8, into one buffer that is wiped.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    if len > JWK_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too large for a wallet"));
    }
    // One byte to spare, so that the end is seen without growing (growing would leave a copy behind).
    let mut text = Zeroizing::new(String::with_capacity(len as usize + 1));
    file.take(len).read_to_string(&mut text)?;
    Ok(text)
}

/// Creates the file with mode 0600, and syncs it and the directory that names it.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Err(error) = fill(file, bytes).and_then(|()| sync_directory(path)) {
        // Half a key is of no use and would block the next attempt; the first error is the one to tell.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(())
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether group and others have no permission on the file.
pub(super) fn is_private(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}
