//! The catalogue of what is always true. Docs, tests and metrics quote these ids.

use std::fmt;

/// One thing that no crash, clock, client or upstream may break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invariant {
    /// Nonces of a process are unique and have no gap.
    Ord1,
    /// The hash chain recomputes from the entries.
    Ord2,
    /// Timestamps of a process strictly increase.
    Ord3,
    /// Nothing leaves the writer before the commit.
    Dur1,
    /// Every committed entry is uploaded in the end, across crashes.
    Dur2,
    /// An assignment is signed once; recovery replays its bytes.
    Dur3,
    /// One entry per posted item; the same item again gets the first answer.
    Dup1,
    /// One entry per content and signer of a pushed message.
    Dup2,
    /// The read model is a prefix of the ledger per process; projecting again changes nothing.
    Prj1,
    /// A read never answers short.
    Rd1,
    /// A process has one writer, bound by a conditional put at its spawn.
    Rte1,
    /// A writer with a stale term cannot commit.
    Lse1,
}

impl Invariant {
    /// Every invariant, in the order of the catalogue.
    pub const ALL: [Self; 12] = [
        Self::Ord1,
        Self::Ord2,
        Self::Ord3,
        Self::Dur1,
        Self::Dur2,
        Self::Dur3,
        Self::Dup1,
        Self::Dup2,
        Self::Prj1,
        Self::Rd1,
        Self::Rte1,
        Self::Lse1,
    ];

    /// The id that docs, tests and metrics quote.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Ord1 => "ORD-1",
            Self::Ord2 => "ORD-2",
            Self::Ord3 => "ORD-3",
            Self::Dur1 => "DUR-1",
            Self::Dur2 => "DUR-2",
            Self::Dur3 => "DUR-3",
            Self::Dup1 => "DUP-1",
            Self::Dup2 => "DUP-2",
            Self::Prj1 => "PRJ-1",
            Self::Rd1 => "RD-1",
            Self::Rte1 => "RTE-1",
            Self::Lse1 => "LSE-1",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_every_one_is_explained_in_the_architecture_page() {
        let page = include_str!("../../../ARCHITECTURE.md");
        for (index, invariant) in Invariant::ALL.iter().enumerate() {
            assert!(Invariant::ALL[..index].iter().all(|earlier| earlier.id() != invariant.id()));
            assert!(
                page.contains(&format!("| {invariant} |")),
                "{invariant} is not in ARCHITECTURE.md"
            );
        }
    }
}
