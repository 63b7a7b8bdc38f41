//! Tells a torn log from a damaged one where RocksDB cannot, before it reads the log.
//!
//! - A record whose length points past the end of its log is what a crash leaves behind, so RocksDB
//!   drops it without a word. A flipped bit in a length looks the same, and would take committed
//!   entries with it. But then the record's checksum still matches its true length, which a torn record's
//!   cannot: the bytes that it covers were never written.
//! - A record of a type that is never written here is damage, but makes RocksDB 11.8 read in circles
//!   (`Reader::ReadPhysicalRecord`) when it falls on one with a longer header.
//!
//! The layout is RocksDB's (`db/log_format.h`): blocks of 32 KiB; in them records of checksum (CRC-32C,
//! masked, u32 LE), length (u16 LE), type (u8), then the payload; the checksum covers type and payload.
//! Whether checksums match is RocksDB's to check: this follows the headers only.

use crate::LedgerError;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// A block of a log, in bytes. RocksDB is only lenient in the last one, if it is not whole.
const BLOCK_BYTES: usize = 32 << 10;
/// Checksum and length: what comes before the bytes that the checksum covers.
const UNCOVERED_BYTES: usize = 6;
/// What RocksDB adds to a checksum before it stores it (`util/crc32c.h`).
const MASK_DELTA: u32 = 0xa282_ead8;
/// The polynomial of CRC-32C, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// Checks every log in `dir`.
///
/// # Errors
/// [`LedgerError::Damaged`] if a record shows a length or a type that it cannot have.
pub(crate) fn check(dir: &Path) -> Result<(), LedgerError> {
    let io = |source| LedgerError::Io { dir: dir.to_owned(), source };
    for file in fs::read_dir(dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "log")
            && let Some(wrong) = first_wrong(&path).map_err(io)?
        {
            return Err(LedgerError::damaged(format!(
                "{wrong} of a record in {} is wrong",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The first field in a log that cannot be as it is.
fn first_wrong(log: &Path) -> io::Result<Option<&'static str>> {
    let mut file = File::open(log)?;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    loop {
        block.clear();
        file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        let wrong = wrong_in_block(&block);
        if wrong.is_some() || block.len() < BLOCK_BYTES {
            return Ok(wrong);
        }
    }
}

/// The first field in a block that cannot be as it is. A block that is not whole is the log's last.
fn wrong_in_block(block: &[u8]) -> Option<&'static str> {
    let is_whole = block.len() == BLOCK_BYTES;
    let mut rest = block;
    while let Some((stored, covered)) = header(rest) {
        let length = usize::from(u16::from_le_bytes([stored[4], stored[5]]));
        match covered.first() {
            Some(1..=4) => {} // whole, first, middle, last
            // A file system may leave zeros where a write was cut off: then they go on to the end.
            Some(0) if rest.iter().all(|byte| *byte == 0) => return None,
            _ => return Some("the type"),
        }
        match covered.split_at_checked(1 + length) {
            Some((_, next)) => rest = next,
            None if is_whole || matches_some_length(checksum(stored), covered) => {
                return Some("the length");
            }
            None => return None,
        }
    }
    None
}

/// Splits what the checksum does not cover off a record.
fn header(block: &[u8]) -> Option<(&[u8; UNCOVERED_BYTES], &[u8])> {
    block.split_first_chunk().filter(|(_, covered)| !covered.is_empty())
}

/// The checksum that a record shows, unmasked.
fn checksum(stored: &[u8; UNCOVERED_BYTES]) -> u32 {
    let [a, b, c, d, ..] = *stored;
    u32::from_le_bytes([a, b, c, d]).wrapping_sub(MASK_DELTA).rotate_left(15)
}

/// Whether `checksum` is that of some beginning of `covered`.
fn matches_some_length(checksum: u32, covered: &[u8]) -> bool {
    let mut crc = u32::MAX;
    covered.iter().any(|byte| {
        crc = (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        });
        !crc == checksum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of `length` bytes as RocksDB writes it.
    fn record(length: u8) -> Vec<u8> {
        let covered: Vec<u8> = [1].into_iter().chain(0..length).collect();
        let mut crc = u32::MAX;
        for byte in &covered {
            crc = (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
            });
        }
        let masked = (!crc).rotate_right(15).wrapping_add(MASK_DELTA);
        [&masked.to_le_bytes(), [length, 0].as_slice(), &covered].concat()
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        assert!(matches_some_length(0xe306_9283, b"123456789"), "the check value of CRC-32C");
        assert!(!matches_some_length(0xcbf4_3926, b"123456789"), "the check value of CRC-32");
    }

    #[test]
    fn whole_and_torn_records_pass() {
        let whole = [record(20), record(0), record(70)].concat();
        for end in 0..=whole.len() {
            assert_eq!(wrong_in_block(&whole[..end]), None, "torn at {end}");
        }
        assert_eq!(
            wrong_in_block(&[whole.as_slice(), &[0; 100]].concat()),
            None,
            "zeros to the end"
        );
    }

    #[test]
    fn a_type_that_is_never_written_is_found() {
        for kind in [0, 5, 9, 130, 131] {
            let mut block = [record(9), record(50)].concat();
            block[record(9).len() + UNCOVERED_BYTES] = kind;
            assert_eq!(wrong_in_block(&block), Some("the type"), "type {kind}");
        }
    }

    #[test]
    fn a_record_that_is_whole_but_for_its_length_is_found() {
        for (before, after) in [(0, 0), (1, 0), (0, 3), (2, 2)] {
            let mut block = record(9).repeat(before);
            let length = block.len() + 4;
            block.extend(record(50));
            block.extend(record(30).repeat(after));
            block[length + 1] ^= 0x80;
            assert_eq!(
                wrong_in_block(&block),
                Some("the length"),
                "{before} before, {after} after"
            );
        }
    }
}
