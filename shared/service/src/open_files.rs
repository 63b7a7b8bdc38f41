//! How many files this process may have open, and for whom they are.
//!
//! Sockets are files, too. Without shares, clients that only connect take the last of them, and then the
//! ledger cannot open its next file: every write fails. So the limit is raised as far as it goes, and what
//! clients may take is what is left when everybody else has a share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// What a server cannot do with less.
pub const OPEN_FILES_MIN: u64 = 256;
/// Assumed where the system sets no limit.
const UNLIMITED: u64 = 1 << 20;
/// Logs, listeners, the runtime, one connection that waits for its slot, and what an operator attaches.
const OWN: u64 = 32;
/// Sockets to databases, bundlers, gateways, archives and other servers.
const OUTGOING_MAX: u64 = 256;
/// Files of the ledger besides its tables: logs, lists of files, what a compaction reads and writes.
const LEDGER_BESIDES_TABLES: u64 = 64;
/// Tables that the ledger holds open, at least and at most.
const TABLES_MIN: u64 = 32;
const TABLES_MAX: u64 = 512;
/// Connections of clients, at most.
const CONNECTIONS_MAX: u64 = 4_096;
/// Where Linux lists the files that a process has open.
const LIST: &str = "/proc/self/fd";

/// The limit is too low for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may have {0} files open, and a server needs {OPEN_FILES_MIN}: raise the limit \
     (`ulimit -n`, or LimitNOFILE of systemd)"
)]
pub struct TooFewFiles(u64);

/// How many files may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// All together.
    pub max: u64,
}

/// For whom the files of a scheduler are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileShares {
    /// Tables of the ledger.
    pub tables: u64,
    /// Connections of clients.
    pub connections: usize,
}

impl OpenFiles {
    /// Raises the limit of this process as far as it may, and gives it.
    ///
    /// # Errors
    /// It is too low for a server all the same.
    pub fn raise() -> Result<Self, TooFewFiles> {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
        let files = Self::limit();
        if files.max < OPEN_FILES_MIN { Err(TooFewFiles(files.max)) } else { Ok(files) }
    }

    /// The limit of this process as it is.
    #[must_use]
    pub fn limit() -> Self {
        Self { max: getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED).min(UNLIMITED) }
    }

    /// The shares of a scheduler.
    #[must_use]
    pub fn shares(self) -> FileShares {
        let (quarter, outgoing) = (self.max / 4, self.outgoing());
        let tables = quarter.saturating_sub(LEDGER_BESIDES_TABLES).clamp(TABLES_MIN, TABLES_MAX);
        let others = OWN + outgoing + LEDGER_BESIDES_TABLES + tables;
        FileShares { tables, connections: connections(self.max.saturating_sub(others)) }
    }

    /// How many connections a router may serve: each may need another one to a writer.
    #[must_use]
    pub fn routed(self) -> usize {
        connections(self.max.saturating_sub(OWN + self.outgoing()) / 2)
    }

    fn outgoing(self) -> u64 {
        (self.max / 4).min(OUTGOING_MAX)
    }
}

/// How many files this process has open; `None` if the system does not tell.
#[must_use]
pub fn open_now() -> Option<u64> {
    Some(fs::read_dir(LIST).ok()?.count() as u64)
}

fn connections(files: u64) -> usize {
    usize::try_from(files.clamp(1, CONNECTIONS_MAX)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_limit_gives_everybody_all_that_is_of_use() {
        for max in [16_384, 524_288, UNLIMITED] {
            let shares = OpenFiles { max }.shares();
            assert_eq!(shares, FileShares { tables: 512, connections: 4_096 }, "{max}");
            assert_eq!(OpenFiles { max }.routed(), 4_096, "{max}");
        }
    }

    #[test]
    fn whatever_the_limit_clients_leave_the_others_their_share() {
        for max in OPEN_FILES_MIN..20_000 {
            let files = OpenFiles { max };
            let shares = files.shares();
            let others = OWN + files.outgoing() + LEDGER_BESIDES_TABLES + shares.tables;
            assert!(others + shares.connections as u64 <= max, "{max}: {shares:?}");
            assert!(shares.connections >= 64 && shares.tables >= TABLES_MIN, "{max}: {shares:?}");
        }
        let small = OpenFiles { max: 1_024 }.shares();
        assert_eq!(small, FileShares { tables: 192, connections: 480 });
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let files = OpenFiles::raise().unwrap();
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(UNLIMITED).min(UNLIMITED);
        assert_eq!((files.max, OpenFiles::limit().max), (hard, hard));
        assert!(open_now().unwrap() > 2);
    }
}
