//! Wallet files: written once, durably, readable by their owner alone; read with a bound on size.

use super::JWK_BYTES_MAX;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
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

/// Creates the file with mode 0600, and syncs it and the directory that names it. It gets its name only
/// once it is whole: a crash half-way leaves no key that cannot be read and is in the way of the next.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = draft_beside(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    // A link, because unlike a renaming it never replaces a file that is there.
    let written = fill(file, bytes).and_then(|()| fs::hard_link(&draft, path));
    // It is of no use any more, and the first error is the one to tell.
    let _ = fs::remove_file(&draft);
    written.and_then(|()| sync_directory(path))
}

/// A name in the same directory that no other process takes.
fn draft_beside(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let unique = getrandom::u64().map_err(io::Error::other)?;
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".{unique:016x}.draft"));
    Ok(path.with_file_name(draft))
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
