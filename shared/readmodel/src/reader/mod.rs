//! Reading for the world: replicas of the read model as a [`ScheduleReader`].
//!
//! Keeps RD-1 over replicas that lag. What a replica shows is a prefix of every schedule (PRJ-1) and
//! entries never change, so what it *has* is right; what it *lacks* it may only lack yet. Hence:
//!
//! - An entry, an item's bytes, a page that something later closes: the replica's answer is final.
//! - A page that reaches the replica's newest entry and is open: the primary is asked for its newest nonce.
//!   If that is the same, the page stands, else the primary answers.
//! - Something not found, and the newest entry: the primary answers. With `staleness_max` above 0 a replica
//!   whose writer's closed timestamp is at most that old answers for the newest entry and open pages.
//! - An assignment's place is final. Anybody may have an assignment assigned, so its id may be an item's, too:
//!   the assignment comes first.
//! - An item that is looked up without a process is found at its earliest place of all: the replica's
//!   answer is final if it shows all writers' entries up to that time and the item's bytes are there.
//!   An item that was only assigned may be an assignment or a process of which the replica knows nothing yet.
//!   With a process named, its earliest place there is final, because a process is replayed in order: an
//!   assignment of that process is there before anybody can have it assigned.
//! - Where the primary would have to be asked and cannot be: [`ReadError::Unavailable`], never a guess.
//!
//! It must not know HTTP, and it never writes: its sessions are read-only.

mod connections;
mod entry;
mod facts;
mod failure;
mod page;
mod patience;
#[cfg(test)]
mod plans;
mod row;
mod source;
mod sources;
mod statement;
mod stats;

pub use source::LeftOut;
pub use stats::{Fallbacks, ReadStats, SourceStats};

use crate::DatabaseUrl;
use crate::bodies::Stored;
use bytes::Bytes;
use connections::Connections;
use entry::{First, Latest, Lookup, Newest, Search, Sense};
use facts::{Raw, Scheduler};
use failure::Failure;
use page::{PageOf, Sheet};
use patience::patiently;
use rota_archive::Archive;
use rota_aws::DatabaseLogin;
use rota_schedule::{
    Clock, Entry, Found, PageQuery, ProcessId, ReadError, ScheduleReader, SchedulerInfo,
};
use source::Source;
use sources::Sources;
use statement::{Role, Standing, Statement};
use stats::{FallbackCounters, Reason};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a replica may take to answer, connecting included: there is somebody else to ask.
const REPLICA_ANSWER_MAX: Duration = Duration::from_millis(2_500);
/// How long the primary may take. Its sessions end a statement after as long.
const PRIMARY_ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a request may take, whoever is asked.
const REQUEST_MAX: Duration = Duration::from_secs(8);

/// How many connections to each database, if nothing is configured.
const CONNECTIONS_DEFAULT: u32 = 8;
/// How far behind a replica may be before it is left out, if nothing is configured.
const LAG_MAX_DEFAULT: Duration = Duration::from_secs(10);

/// Which databases are read, and how.
#[derive(Clone, Debug)]
pub struct ReadModelConfig {
    /// The replicas. With none, the primary answers everything.
    pub replicas: Vec<DatabaseUrl>,
    /// The primary. Without one, what only it can answer is not answered.
    pub primary: Option<DatabaseUrl>,
    /// Where the bodies lie that are too large for the database, if the writers have an archive.
    pub archive: Option<Archive>,
    /// The most connections to each database.
    pub connections: u32,
    /// How old a replica's snapshot may be to answer by itself for the newest entry and for open pages;
    /// 0: never (strict). Then an answer may be older than one that another replica gave before.
    pub staleness_max: Duration,
    /// How to log in, if not with what the URLs say: a token for each server, signed for Amazon's servers.
    pub login: Option<DatabaseLogin>,
    /// How far a replica's closed timestamp may lie behind the newest one seen before it is left out.
    pub lag_max: Duration,
}

impl Default for ReadModelConfig {
    fn default() -> Self {
        Self {
            replicas: Vec::new(),
            primary: None,
            archive: None,
            login: None,
            connections: CONNECTIONS_DEFAULT,
            staleness_max: Duration::ZERO,
            lag_max: LAG_MAX_DEFAULT,
        }
    }
}

/// Reads schedules from Postgres. Cheap to clone: clones share connections and what they know of the
/// databases.
#[derive(Clone)]
pub struct ReadModel(Arc<Inner>);

struct Inner {
    sources: Sources,
    archive: Option<Archive>,
    staleness_max: Duration,
    clock: Arc<dyn Clock>,
    fallbacks: FallbackCounters,
}

impl ReadModel {
    /// Connects nothing: the first read does. `clock` tells how old a snapshot is, if that matters.
    #[must_use]
    pub fn new(config: ReadModelConfig, clock: Arc<dyn Clock>) -> Self {
        let ReadModelConfig { replicas, primary, archive, connections, staleness_max, .. } = config;
        let (login, lag_max) = (config.login, config.lag_max);
        let replica = |url: DatabaseUrl| {
            let connections =
                Connections::new(url.replica(), Role::Replica, login.clone(), connections);
            Arc::new(Source::new(url.to_string(), connections, REPLICA_ANSWER_MAX))
        };
        let primary = primary.map(|url| {
            let connections =
                Connections::new(url.primary_read(), Role::Primary, login.clone(), connections);
            Arc::new(Source::new(url.to_string(), connections, PRIMARY_ANSWER_MAX))
        });
        let sources = Sources::new(replicas.into_iter().map(replica).collect(), primary, lag_max);
        let fallbacks = FallbackCounters::default();
        Self(Arc::new(Inner { sources, archive, staleness_max, clock, fallbacks }))
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        let sources = &self.0.sources;
        ReadStats {
            replicas: sources.replicas.iter().map(|replica| replica.stats()).collect(),
            primary: sources.primary.as_ref().map(|primary| primary.stats()),
            fallbacks: self.0.fallbacks.get(),
        }
    }
}

/// An answer, and whose it is.
enum Answer<T> {
    /// A replica's, which stands.
    Replica(T),
    /// The primary's.
    Primary(T),
}

impl<T> Answer<T> {
    fn into_inner(self) -> T {
        match self {
            Self::Replica(answer) | Self::Primary(answer) => answer,
        }
    }
}

impl Inner {
    /// Asks a replica, and the primary where the replica's answer may be short (RD-1).
    async fn ask<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        Ok(self.ask_for_whose(statement).await?.into_inner())
    }

    /// As [`Self::ask`], for whom it matters who answered.
    async fn ask_for_whose<S: Statement>(
        &self,
        statement: &S,
    ) -> Result<Answer<S::Answer>, Failure> {
        patiently(|| self.ask_once(statement)).await
    }

    /// Asks the primary, whatever replicas say.
    async fn ask_primary<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        patiently(|| self.sources.ask_primary(statement)).await
    }

    async fn ask_once<S: Statement>(&self, statement: &S) -> Result<Answer<S::Answer>, Failure> {
        if self.sources.replicas.is_empty() {
            return self.sources.ask_primary(statement).await.map(Answer::Primary);
        }
        let reason = match self.sources.ask_replicas(statement, false).await {
            Ok(answer) => match self.settle(statement, &answer).await? {
                None => return Ok(Answer::Replica(answer)),
                Some(reason) => reason,
            },
            Err(Failure::Model(error)) => return Err(Failure::Model(error)),
            Err(_) => Reason::NoReplica,
        };
        self.fallbacks.add(reason);
        match self.sources.ask_primary(statement).await {
            Err(failure) if reason == Reason::NoReplica => {
                self.ask_whoever_is_left(statement, failure).await.map(Answer::Replica)
            }
            answer => answer.map(Answer::Primary),
        }
    }

    /// The primary does not answer, and no replica that is well did: one that lags, or that failed some
    /// time ago, may have what can no longer change.
    async fn ask_whoever_is_left<S: Statement>(
        &self,
        statement: &S,
        failure: Failure,
    ) -> Result<S::Answer, Failure> {
        let answer = self.sources.ask_replicas(statement, true).await?;
        match statement.standing(&answer, &|progress| self.is_fresh(progress.closed)) {
            Standing::Final => Ok(answer),
            Standing::IfHead(..) | Standing::Unknown => Err(failure),
        }
    }

    /// Whether a replica's answer stands; else why the primary has to be asked.
    async fn settle<S: Statement>(
        &self,
        statement: &S,
        answer: &S::Answer,
    ) -> Result<Option<Reason>, Failure> {
        match statement.standing(answer, &|progress| self.is_fresh(progress.closed)) {
            Standing::Final => Ok(None),
            Standing::Unknown => Ok(Some(Reason::NotFound)),
            Standing::IfHead(process, head) => {
                self.fallbacks.add(Reason::OpenPage);
                let newest = self.sources.ask_primary(&Newest(process)).await?;
                let same = newest.is_some_and(|(nonce, _)| nonce == head);
                Ok((!same).then_some(Reason::Behind))
            }
        }
    }

    /// Asks for what only the newest state tells: the primary at once, unless replicas may be somewhat old.
    async fn ask_for_newest<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        let replicas = !self.sources.replicas.is_empty();
        if replicas && self.is_strict() && self.sources.primary.is_some() {
            self.fallbacks.add(Reason::Newest);
            return self.ask_primary(statement).await;
        }
        self.ask(statement).await
    }

    const fn is_strict(&self) -> bool {
        self.staleness_max.is_zero()
    }

    /// Whether a snapshot that is complete up to `closed` is new enough to answer by itself.
    fn is_fresh(&self, closed: u64) -> bool {
        let allowed = u64::try_from(self.staleness_max.as_millis()).unwrap_or(u64::MAX);
        !self.is_strict() && closed >= self.clock.now().0.saturating_sub(allowed)
    }

    async fn page(&self, process: ProcessId, query: PageQuery) -> Result<Option<Found>, Failure> {
        let page = PageOf { process, query, settle_absence: true };
        match self.ask(&page).await? {
            Some(sheet) => self.found_page(sheet).await,
            None => Ok(None),
        }
    }

    async fn found_page(&self, sheet: Sheet) -> Result<Option<Found>, Failure> {
        Ok(Some(Found::Page(sheet.complete(self.archive.as_ref()).await?)))
    }

    async fn found_entry(&self, stored: Option<Stored>) -> Result<Option<Found>, Failure> {
        Ok(self.complete(stored).await?.map(Found::Entry))
    }

    /// An entry with everything it has.
    async fn complete(&self, stored: Option<Stored>) -> Result<Option<Entry>, Failure> {
        match stored {
            Some(stored) => Ok(Some(stored.complete(self.archive.as_ref()).await?)),
            None => Ok(None),
        }
    }

    /// Finds what an id stands for that may be anything.
    async fn find_any(&self, id: [u8; 32], query: PageQuery) -> Result<Option<Found>, Failure> {
        let mut page = PageOf { process: ProcessId::new(id), query, settle_absence: false };
        let no_process = match self.ask_for_whose(&page).await? {
            Answer::Replica(Some(sheet)) | Answer::Primary(Some(sheet)) => {
                return self.found_page(sheet).await;
            }
            Answer::Replica(None) => false,
            Answer::Primary(None) => true,
        };
        let found = self.ask_for_whose(&Search { id }).await?;
        if !no_process && matches!(found, Answer::Primary(_)) {
            // The replica lacked something: it may lack the process too.
            page.settle_absence = true;
            if let Some(sheet) = self.ask_primary(&page).await? {
                return self.found_page(sheet).await;
            }
        }
        self.found_entry(found.into_inner().map(|found| found.entry)).await
    }

    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, Failure> {
        let as_process = ProcessId::new(id);
        match process {
            None => self.find_any(id, query).await,
            Some(process) if process == as_process => self.page(process, query).await,
            Some(process) => match self.ask(&Lookup { id, process }).await? {
                Some(Sense::Entry(entry)) => self.found_entry(Some(entry)).await,
                Some(Sense::Process) => self.page(as_process, query).await,
                None => Ok(None),
            },
        }
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, Failure> {
        let newest = self.ask_for_newest(&Latest(process)).await?;
        self.complete(newest.map(|(stored, _)| stored)).await
    }

    async fn first(&self, process: ProcessId) -> Result<Option<Entry>, Failure> {
        self.complete(self.ask(&First(process)).await?).await
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, Failure> {
        match self.ask(&Raw(id)).await? {
            None => Ok(None),
            Some(located) => Ok(Some(located.fetch(self.archive.as_ref()).await?)),
        }
    }

    async fn scheduler(&self, process: Option<ProcessId>) -> Result<SchedulerInfo, Failure> {
        if process.is_some()
            && let Some(info) = self.ask(&Scheduler(process)).await?
        {
            return Ok(info);
        }
        self.ask(&Scheduler(None)).await?.ok_or(Failure::NoWriter)
    }
}

impl ScheduleReader for ReadModel {
    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, ReadError> {
        in_time(self.0.find(id, process, query)).await
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        in_time(self.0.latest(process)).await
    }

    async fn head(&self, process: ProcessId) -> Result<Option<u64>, ReadError> {
        let newest = in_time(self.0.ask_for_newest(&Newest(process))).await?;
        Ok(newest.map(|(nonce, _)| nonce))
    }

    async fn process(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        // An imported process has no assignment of its own: its first entry is a message.
        let first = in_time(self.0.first(process)).await?;
        Ok(first.filter(|entry| entry.message_id == process.into()))
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, ReadError> {
        in_time(self.0.raw(id)).await
    }

    async fn scheduler(&self, process: Option<ProcessId>) -> Result<SchedulerInfo, ReadError> {
        in_time(self.0.scheduler(process)).await
    }
}

/// Gives up on a request that takes too long.
async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, ReadError> {
    let answer = timeout(REQUEST_MAX, answer).await;
    Ok(answer.unwrap_or(Err(Failure::Overdue))?)
}
