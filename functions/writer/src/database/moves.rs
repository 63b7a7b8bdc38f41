//! Moving processes between writers of one database: carries out this writer's part of the orders there.
//!
//! | order | the target | the source |
//! |---|---|---|
//! | asked | copies the schedule, and says so | |
//! | copied | copies what has come since, again and again | lets nothing new into the lane, waits for what is in it, gives the process away |
//! | switched | copies the rest, raises its own promise above the source's, takes items | answers that it is elsewhere |
//!
//! Each step is asked for again after a crash of either. Between `copied` and `switched` items wait at the
//! source; whoever waited is then sent to the target, which takes the process over when the first item
//! comes if it has not by then. Keeps ORD-1 (one writer places at a time), RD-1 and RTE-1.

use super::copy::{Copier, UNSTOPPED, patiently};
use super::{Database, RecoveryError};
use crate::lanes::Lanes;
use crate::membership::Membership;
use crate::metrics::{self, WriterMetrics};
use rota_ledger::Ledger;
use rota_readmodel::{ModelError, MoveOrder, MoveState, Ownership};
use rota_schedule::{Directory as _, ProcessId, Timestamp, WriterName};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How often orders are looked for.
const LOOK: Duration = Duration::from_millis(250);
/// The same while there are some: the other writer may have done its part.
const BUSY: Duration = Duration::from_millis(20);
/// The same after something went wrong.
const TROUBLE: Duration = Duration::from_secs(2);
/// Moves that take a step at the same time; each may hold a batch of entries in memory.
const STEPS_AT_ONCE: usize = 8;
/// How long items of a process may be kept waiting for its lane to become empty; then the move is tried
/// again later.
const EMPTY_MAX: Duration = Duration::from_secs(5);
/// How often the lane is looked at.
const EMPTY_POLL: Duration = Duration::from_millis(2);

/// Since when each open move is known to this run.
type Seen = HashMap<ProcessId, Instant>;

/// Takes in the orders that there are, and forgets those that are over.
fn note(seen: &mut Seen, orders: &[MoveOrder]) -> metrics::Moves {
    let now = Instant::now();
    let known =
        |order: &MoveOrder| (order.process, seen.get(&order.process).copied().unwrap_or(now));
    *seen = orders.iter().map(known).collect();
    metrics::Moves { open: seen.len(), since: seen.values().min().copied() }
}

/// What carries out orders, and takes processes over.
#[derive(Clone)]
pub(crate) struct Moves {
    pub(crate) database: Database,
    pub(crate) ledger: Ledger,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) membership: Option<Membership>,
    pub(crate) metrics: WriterMetrics,
}

impl Moves {
    /// Works until it is dropped or the writer has failed.
    pub(crate) async fn carry_out(self) {
        let mut seen = HashMap::new();
        while self.database.projector.failure().is_none() {
            let pause = match self.round(&mut seen).await {
                Ok(0) => LOOK,
                Ok(_) => BUSY,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "moves of processes wait");
                    TROUBLE
                }
            };
            sleep(pause).await;
        }
    }

    /// One step of every move that there is; gives how many there are.
    async fn round(&self, seen: &mut Seen) -> Result<usize, RecoveryError> {
        let orders = self.database.projection.orders().await?;
        self.metrics.moves(note(seen, &orders));
        self.database.incoming.store(orders.iter().any(|order| order.incoming), Ordering::Relaxed);
        let count = orders.len();
        let mut orders = orders.into_iter();
        let mut outcome = Ok(count);
        loop {
            let mut steps = JoinSet::new();
            for order in orders.by_ref().take(STEPS_AT_ONCE) {
                let moves = self.clone();
                steps.spawn(async move { moves.step(order).await });
            }
            if steps.is_empty() {
                return outcome;
            }
            while let Some(step) = steps.join_next().await {
                if let Err(error) = step? {
                    outcome = Err(error);
                }
            }
        }
    }

    /// One step of one move.
    async fn step(&self, order: MoveOrder) -> Result<(), RecoveryError> {
        let MoveOrder { process, incoming, state, uploaded, other } = order;
        match (incoming, state) {
            (true, MoveState::Asked | MoveState::Copied { .. }) => {
                self.copy(process, uploaded).await?;
                Ok(self.database.projection.note_copied(&process).await?)
            }
            (false, MoveState::Copied { fresh: true }) => self.give(process, &other).await,
            (true, MoveState::Switched) => self.finish(process, &other).await,
            (false, _) => Ok(()),
        }
    }

    /// Copies what the database has of a process by now.
    async fn copy(&self, process: ProcessId, uploaded: Timestamp) -> Result<(), RecoveryError> {
        let _alone = self.database.taking.lock(&process).await;
        let owner = self.database.projection.owner(&process).await?;
        let Some(head) = owner.filter(|owner| !owner.mine).and_then(|owner| owner.head) else {
            return Ok(());
        };
        self.copier(uploaded).up_to(process, head).await
    }

    fn copier(&self, uploaded: Timestamp) -> Copier<'_, impl FnMut(usize)> {
        let projection = &self.database.projection;
        Copier { ledger: &self.ledger, projection, uploaded, stop: &UNSTOPPED, progress: |_| {} }
    }

    /// Gives a process away once nothing of it is in flight.
    async fn give(&self, process: ProcessId, target: &str) -> Result<(), RecoveryError> {
        let since = Instant::now();
        self.lanes.leave(process);
        while !self.lanes.is_empty(&process) {
            if since.elapsed() > EMPTY_MAX {
                tracing::warn!(process.id = %process, "its lane does not become empty: it stays for now");
                self.lanes.forget(&process);
                return Ok(());
            }
            sleep(EMPTY_POLL).await;
        }
        self.database.joining.leaves();
        fail::fail_point!("moves::before_switch");
        let given = patiently(|| self.database.projection.hand_over(&process)).await;
        fail::fail_point!("moves::switched");
        // Whatever has come of it: the next item asks the database.
        self.lanes.forget(&process);
        given?;
        let waited_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(process.id = %process, target, waited_ms, "gave a process away");
        Ok(())
    }

    /// Takes everything of a process that has come, tells the directory, and ends the move.
    async fn finish(&self, process: ProcessId, source: &str) -> Result<(), RecoveryError> {
        if let Some(owner) = self.database.projection.owner(&process).await? {
            self.take(process, &owner).await?;
        }
        if let Some(Membership { directory, name }) = &self.membership {
            match source.parse::<WriterName>() {
                Ok(source) => {
                    if directory.rebind(process, &source, name).await?.is_none() {
                        directory.bind(process, name).await?; // the directory is younger than it
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, source, "the directory cannot know this writer");
                }
            }
        }
        self.database.projection.finish_move(&process).await?;
        tracing::info!(process.id = %process, source, "took a process over");
        Ok(())
    }

    /// Makes a process that belongs to this writer ready for items: all of it is in the ledger, and the
    /// promise to readers is above what its former writer promised.
    pub(crate) async fn take(
        &self,
        process: ProcessId,
        owner: &Ownership,
    ) -> Result<(), RecoveryError> {
        let _alone = self.database.taking.lock(&process).await;
        if self.lanes.is_held(&process) {
            return Ok(());
        }
        if let Some(head) = owner.head {
            self.copier(owner.uploaded).up_to(process, head).await?;
        }
        self.lanes.aim(owner.floor);
        self.database.pulse.reaches(owner.floor).await.ok_or(RecoveryError::Floor)?;
        self.lanes.hold(process);
        Ok(())
    }

    /// To whom a process belongs.
    pub(crate) async fn owner(&self, process: &ProcessId) -> Result<Option<Ownership>, ModelError> {
        self.database.projection.owner(process).await
    }
}
