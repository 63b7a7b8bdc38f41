//! Where a writer puts bodies that are too large for their rows: into the archive, and while that does not
//! answer into the database. Readers look in both places, so nobody waits for the archive.

use super::batch::Placed;
use crate::bodies;
use parking_lot::Mutex;
use rota_archive::{Archive, Body};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long the bodies of one batch may take.
const STORE_MAX: Duration = Duration::from_secs(4);
/// For how long the archive is left alone after it did not answer.
const REST: Duration = Duration::from_secs(10);

/// Where the large bodies of a batch lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Large {
    /// In a table of their own.
    Table,
    /// In the archive, where they are already.
    Archive,
}

/// An archive as a writer uses it; clones share what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    pub(super) archive: Archive,
    /// It is not asked before.
    rests_until: Arc<Mutex<Option<Instant>>>,
    /// Bodies that it did not take.
    fallbacks: Arc<AtomicU64>,
}

impl Shelf {
    pub(super) fn new(archive: Archive) -> Self {
        Self { archive, rests_until: Arc::default(), fallbacks: Arc::default() }
    }

    /// How many bodies went into the database instead.
    pub(super) fn fallbacks(&self) -> u64 {
        self.fallbacks.load(Ordering::Relaxed)
    }

    /// Stores the large bodies of a batch, if the archive answers in time, and says where they are to be.
    pub(super) async fn store(&self, rows: &[Placed<'_>]) -> Large {
        let bodies: Vec<Body> = rows.iter().filter_map(|placed| placed.body.clone()).collect();
        let count = bodies.len() as u64;
        let place = self.place(bodies).await;
        if place == Large::Table {
            self.fallbacks.fetch_add(count, Ordering::Relaxed);
        }
        place
    }

    async fn place(&self, bodies: Vec<Body>) -> Large {
        if bodies.is_empty() {
            return Large::Archive;
        }
        if self.rests_until.lock().is_some_and(|until| Instant::now() < until) {
            return Large::Table;
        }
        let stored = timeout(STORE_MAX, bodies::store(&self.archive, bodies)).await;
        let error: &(dyn std::error::Error + 'static) = match &stored {
            Ok(Ok(())) => return Large::Archive,
            Ok(Err(error)) => error,
            Err(late) => late,
        };
        tracing::warn!(error, "the archive took no bodies: they go into the database for now");
        *self.rests_until.lock() = Some(Instant::now() + REST);
        Large::Table
    }
}
