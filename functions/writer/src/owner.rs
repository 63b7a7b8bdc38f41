//! Whose a process is: bound once at its spawn (RTE-1), asked of the database once a run, and again when it
//! is to go to another writer.

use crate::admission::store;
use crate::lanes::NotHeld;
use crate::peers::Peer;
use crate::writer::Writer;
use rota_schedule::{Directory as _, ProcessId, Refusal, WriterName};
use rota_wire::ApiError;
use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long an item waits for a process that is on its way to another writer, or from one.
const HOLD_MAX: Duration = Duration::from_secs(10);

/// Where a process is that was another writer's a moment ago.
pub(crate) enum Whereabouts {
    /// It came here meanwhile.
    Here,
    /// Another writer of the directory has it.
    At(Peer),
    /// No writer of the directory has it.
    Nowhere,
}

impl Writer {
    /// Whether a process is here, or on its way here. It is this writer's then.
    pub(crate) async fn has(&self, process: ProcessId) -> Result<bool, ApiError> {
        let Some(database) = self.database() else { return self.knows(&process) };
        if self.lanes().is_held(&process) {
            return self.knows(&process);
        }
        // A writer among others asks whose a process is that it does not know: its client is sent on.
        let others = self.membership().is_some() || database.incoming.load(Ordering::Relaxed);
        if !self.knows(&process)? && !others {
            return Ok(false);
        }
        match self.hold(process).await {
            Ok(()) => self.knows(&process),
            Err(ApiError::Refused(Refusal::ProcessUnknown(_))) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Binds a new process to this writer, unless it is another's already: first where everybody looks
    /// writers up, then where it counts.
    pub(crate) async fn bind(&self, process: ProcessId) -> Result<bool, ApiError> {
        if let Some(membership) = self.membership()
            && !membership
                .bind(process)
                .await
                .map_err(|error| unanswered(&error, "the directory"))?
        {
            return Ok(false);
        }
        let Some(moves) = self.moves() else { return Ok(true) };
        let bound = moves.bind(process).await;
        bound.map_err(|error| unanswered(&error, "the database"))
    }

    /// Makes sure that a process is this writer's; waits while it leaves or comes.
    ///
    /// # Errors
    /// It is another's, or nobody's; it is not decided in time.
    pub(crate) async fn hold(&self, process: ProcessId) -> Result<(), ApiError> {
        let deadline = Instant::now() + HOLD_MAX;
        let held = async {
            while let Err(reason) = self.lanes().check(&process) {
                match reason {
                    NotHeld::Leaving(mut decided) => drop(decided.changed().await),
                    NotHeld::Unknown => self.take(process).await?,
                }
            }
            Ok(())
        };
        timeout_at(deadline, held).await.unwrap_or(Err(ApiError::Moving))
    }

    /// Takes a process that belongs to this writer, whatever it takes.
    async fn take(&self, process: ProcessId) -> Result<(), ApiError> {
        let Some(moves) = self.moves() else { return Ok(()) };
        let Ok(_turn) = self.claims().acquire().await else {
            return Err(ApiError::NotAccepting("the scheduler is stopping"));
        };
        let owner = moves.owner(&process).await;
        let owner = owner.map_err(|error| unanswered(&error, "the database"))?;
        match owner {
            None => Err(Refusal::ProcessUnknown(process).into()),
            Some(owner) if !owner.mine => Err(Refusal::BoundElsewhere(process).into()),
            Some(owner) => {
                let taken = moves.take(process, &owner).await;
                taken.map_err(|error| unanswered(&error, "the database"))
            }
        }
    }

    /// The writer of a process that was not this one's a moment ago.
    ///
    /// # Errors
    /// Database or directory do not answer.
    pub(crate) async fn whereabouts(&self, process: &ProcessId) -> Result<Whereabouts, ApiError> {
        let (Some(moves), Some(membership)) = (self.moves(), self.membership()) else {
            return Ok(Whereabouts::Nowhere);
        };
        fail::fail_point!("writer::whereabouts");
        let owner = moves.owner(process).await;
        let owner = owner.map_err(|error| unanswered(&error, "the database"))?;
        let name = match owner {
            Some(owner) => owner.writer.parse::<WriterName>().ok(),
            // Bound, and not spawned yet.
            None => {
                let owner = membership.directory.owner(*process).await;
                owner.map_err(|error| unanswered(&error, "the directory"))?
            }
        };
        let Some(name) = name else { return Ok(Whereabouts::Nowhere) };
        if name == membership.name {
            return Ok(Whereabouts::Here);
        }
        let url = membership.url_of(&name).await;
        let url = url.map_err(|error| unanswered(&error, "the directory"))?;
        Ok(url.map_or(Whereabouts::Nowhere, |url| Whereabouts::At(Peer { name, url })))
    }

    fn knows(&self, process: &ProcessId) -> Result<bool, ApiError> {
        Ok(self.lanes().has_head(process)
            || self.ledger().head(process).map_err(|error| store(&error))?.is_some())
    }
}

fn unanswered(error: &(dyn Error + 'static), what: &'static str) -> ApiError {
    tracing::error!(error, "whose a process is could not be found out");
    ApiError::Upstream(what)
}
