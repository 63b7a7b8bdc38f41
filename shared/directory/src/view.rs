//! What a router knows of the writers between two looks at the directory.

use crate::place;
use rand::Rng;
use rota_ans104::Address;
use rota_schedule::{Lease, WriterName, WriterRecord};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How old a view may become before a router refreshes it.
pub const REFRESH_EVERY: Duration = Duration::from_secs(2);
/// How long a lease may stay unchanged before its writer gets no new processes. Several beats.
pub const SILENCE_MAX: Duration = Duration::from_secs(6);

/// The writers as of the last refresh, with the spawns that this router has placed since counted in: without
/// them all spawns between two refreshes would go to the writer that had the fewest.
///
/// Whether a writer lives is judged by what this router saw, on its own clock: a lease that did not change
/// between looks [`SILENCE_MAX`] apart. One look alone says nothing against a writer, so a router that has
/// just started, or was stopped for a while, takes all leases for good that are not released.
#[derive(Debug, Default)]
pub struct View {
    writers: Vec<WriterRecord>,
    /// Leases, and when each was first seen as it is.
    leases: HashMap<WriterName, (Lease, Instant)>,
    /// Writers that could not be reached: their leases at that moment, and when it was.
    suspects: HashMap<WriterName, (Option<Lease>, Instant)>,
    refreshed: Option<Instant>,
}

impl View {
    /// Takes in what the directory answered to a question asked at `now`.
    pub fn refresh(&mut self, writers: Vec<WriterRecord>, now: Instant) {
        let known = |writer: &WriterRecord| {
            let lease = writer.lease?;
            let before = self.leases.get(&writer.name).filter(|(before, _)| *before == lease);
            let since = before.map_or(now, |(_, since)| *since);
            Some((writer.name.clone(), (lease, since)))
        };
        self.leases = writers.iter().filter_map(known).collect();
        self.suspects.retain(|name, (lease, since)| {
            let unchanged = writers.iter().any(|w| w.name == *name && w.lease == *lease);
            unchanged && (lease.is_some() || now.saturating_duration_since(*since) < SILENCE_MAX)
        });
        self.writers = writers;
        self.refreshed = Some(now);
    }

    /// The writer for a new process of the wallet `owner`, by [`place`]; it counts as placed from now on.
    pub fn place(&mut self, owner: Address, random: &mut impl Rng) -> Option<WriterName> {
        let name =
            place(&self.writers, |writer| self.is_alive(writer), owner, random)?.name.clone();
        let placed = self.writers.iter_mut().find(|writer| writer.name == name);
        if let Some(placed) = placed {
            placed.processes = placed.processes.saturating_add(1);
        }
        Some(name)
    }

    /// Takes note that a writer could not be reached: it counts as gone until its lease changes, or for
    /// [`SILENCE_MAX`] if it takes no part in leases.
    pub fn suspect(&mut self, name: &WriterName, now: Instant) {
        if let Some(writer) = self.writers.iter().find(|writer| writer.name == *name) {
            self.suspects.insert(name.clone(), (writer.lease, now));
        }
    }

    /// All writers, as of the last refresh.
    #[must_use]
    pub fn writers(&self) -> &[WriterRecord] {
        &self.writers
    }

    /// A writer, as of the last refresh.
    #[must_use]
    pub fn writer(&self, name: &WriterName) -> Option<&WriterRecord> {
        self.writers.iter().find(|writer| writer.name == *name)
    }

    /// Whether somebody seems to run under a writer's name. One that takes no part in leases does unless it
    /// is suspected.
    #[must_use]
    pub fn is_alive(&self, writer: &WriterRecord) -> bool {
        if self.suspects.contains_key(&writer.name) {
            return false;
        }
        match (self.leases.get(&writer.name), self.refreshed) {
            (Some((lease, since)), Some(looked)) => {
                !lease.released && looked.saturating_duration_since(*since) <= SILENCE_MAX
            }
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
