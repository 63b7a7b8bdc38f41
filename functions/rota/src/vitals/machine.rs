//! What the machine has left: disk and memory.

use rustix::fs::statvfs;
use std::fs;
use std::path::Path;

/// Where Linux tells a process about itself.
const STATUS: &str = "/proc/self/status";
/// The line with the memory that is in use, in kibibytes.
const RESIDENT: &str = "VmRSS:";

/// The volume that something lies on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Volume {
    /// Bytes that an ordinary process may still write.
    pub(super) free_bytes: u64,
    /// The same in hundredths of the volume.
    pub(super) free_percent: f64,
}

impl Volume {
    /// The volume of a file or directory; `None` if it cannot be asked.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let volume = statvfs(path).ok().filter(|volume| volume.f_blocks > 0)?;
        let share = volume.f_bavail as f64 / volume.f_blocks as f64;
        let free_bytes = volume.f_bavail.saturating_mul(volume.f_frsize);
        Some(Self { free_bytes, free_percent: share * 100.0 })
    }
}

/// The memory that this process has in use, in bytes; `None` if the system does not tell.
pub(super) fn resident_bytes() -> Option<u64> {
    resident_in(&fs::read_to_string(STATUS).ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(RESIDENT))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_in_use_is_read_from_the_system() {
        assert_eq!(resident_in("Name:\trota\nVmRSS:\t   31744 kB\nThreads: 3"), Some(32_505_856));
        for text in ["", "VmRSS:", "VmRSS: much kB", "VmRSS: 99999999999999999 kB"] {
            assert_eq!(resident_in(text), None, "{text}");
        }
        assert!(resident_bytes().unwrap() > 1 << 20);
    }

    #[test]
    fn a_volume_has_room_and_what_is_not_there_has_none() {
        let volume = Volume::of(Path::new("/")).unwrap();
        assert!(volume.free_percent > 0.0 && volume.free_percent < 100.0, "{volume:?}");
        assert_eq!(Volume::of(Path::new("/no/such/place")), None);
    }
}
