//! What operators want to know of the reader. Counters only rise, from when it was made.

use super::source::LeftOut;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the reader has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadStats {
    /// The replicas, in the order they were given.
    pub replicas: Vec<SourceStats>,
    /// The primary.
    pub primary: Option<SourceStats>,
    /// How often the primary was asked although there are replicas, and why.
    pub fallbacks: Fallbacks,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStats {
    /// Where it is, without secrets.
    pub name: String,
    /// Statements it was asked.
    pub queries: u64,
    /// Statements it did not answer.
    pub failures: u64,
    /// How often it was left out.
    pub times_left_out: u64,
    /// How far it was behind the newest that any database had shown, when that last showed, in milliseconds.
    pub lag_ms: u64,
    /// Why it is left out now, if it is.
    pub left_out: Option<LeftOut>,
}

/// How often the primary was asked although there are replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fallbacks {
    /// Only the newest entry was asked for.
    pub newest: u64,
    /// An open page: whether it reaches the newest entry.
    pub open_page: u64,
    /// It did not: the page itself.
    pub behind: u64,
    /// Something was not found, or might lie elsewhere too.
    pub not_found: u64,
    /// No replica answered.
    pub no_replica: u64,
}

/// Why the primary is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Newest,
    OpenPage,
    Behind,
    NotFound,
    NoReplica,
}

/// Counts [`Fallbacks`].
#[derive(Default)]
pub(super) struct FallbackCounters([AtomicU64; 5]);

impl FallbackCounters {
    pub(super) fn add(&self, reason: Reason) {
        let [newest, open_page, behind, not_found, no_replica] = &self.0;
        let counter = match reason {
            Reason::Newest => newest,
            Reason::OpenPage => open_page,
            Reason::Behind => behind,
            Reason::NotFound => not_found,
            Reason::NoReplica => no_replica,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(super) fn get(&self) -> Fallbacks {
        let [newest, open_page, behind, not_found, no_replica] =
            self.0.each_ref().map(|counter| counter.load(Relaxed));
        Fallbacks { newest, open_page, behind, not_found, no_replica }
    }
}
