//! Which database is asked: the replica with the least to do, another if that fails, the primary for what
//! only it can say. Who fails or lags is left out and, when its time has come, looked at beside the
//! requests: as long as anybody else can answer, that costs none of them anything.

use super::facts::{AllProgress, WRITERS_MAX};
use super::failure::Failure;
use super::row::Progress;
use super::source::{Health, LeftOut, Source};
use super::statement::Statement;
use parking_lot::Mutex;
use rand::RngExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// All databases.
pub(super) struct Sources {
    pub(super) replicas: Vec<Arc<Source>>,
    pub(super) primary: Option<Arc<Source>>,
    /// Where the search for the least busy one begins, so that idle ones take turns.
    turn: AtomicUsize,
    shown: Arc<Shown>,
}

/// The newest closed timestamp of each writer that replicas have shown, and what the primary showed last,
/// which may be older after a fail-over. Compared with each other only, never with this machine's clock.
struct Shown {
    closed: Mutex<HashMap<i32, u64>>,
    /// How far behind a source may be, in milliseconds.
    lag_max: u64,
}

impl Sources {
    pub(super) fn new(
        replicas: Vec<Arc<Source>>,
        primary: Option<Arc<Source>>,
        lag_max: Duration,
    ) -> Self {
        let lag_max = u64::try_from(lag_max.as_millis()).unwrap_or(u64::MAX);
        // At random: processes that start together must not all begin with the same replica.
        let begin = rand::rng().random_range(0..replicas.len().max(1));
        let shown = Arc::new(Shown { closed: Mutex::default(), lag_max });
        Self { replicas, primary, turn: AtomicUsize::new(begin), shown }
    }

    /// Asks one replica after the other until one answers. Those that are left out are asked only as a
    /// `last_resort`.
    ///
    /// # Errors
    /// The last failure, or that one has no connection left; [`Failure::NoSource`] if there was nobody to ask.
    pub(super) async fn ask_replicas<S: Statement>(
        &self,
        statement: &S,
        last_resort: bool,
    ) -> Result<S::Answer, Failure> {
        let mut last = Failure::NoSource;
        for replica in self.order(last_resort) {
            match self.ask_replica(replica, statement).await {
                Err(Failure::Model(error)) => return Err(Failure::Model(error)),
                // Where one has no connection left, waiting helps.
                Err(_) if matches!(last, Failure::Full(_)) => {}
                Err(failure) => last = failure,
                answer => return answer,
            }
        }
        Err(last)
    }

    /// Asks the primary, unless it is known not to answer.
    ///
    /// # Errors
    /// Why it did not answer; [`Failure::NoSource`] if there is none, or it is left out.
    pub(super) async fn ask_primary<S: Statement>(
        &self,
        statement: &S,
    ) -> Result<S::Answer, Failure> {
        let Some(primary) = &self.primary else {
            return Err(Failure::NoSource);
        };
        if primary.health() != Health::Well && !primary.claim() {
            return Err(Failure::NoSource);
        }
        let answer = primary.ask(statement).await?;
        if let Some(progress) = statement.progress(&answer) {
            self.shown.set(progress);
        }
        primary.take_back();
        Ok(answer)
    }

    /// The replicas to ask, in this order: the least busy first. As a last resort those that lag, and
    /// those that failed and are due.
    fn order(&self, last_resort: bool) -> Vec<&Arc<Source>> {
        let count = self.replicas.len();
        let begin = self.turn.fetch_add(1, Relaxed);
        let turns = (0..count).filter_map(|turn| self.replicas.get((begin + turn) % count));
        let (mut well, mut rest) = (Vec::with_capacity(count), Vec::new());
        for replica in turns {
            match replica.health() {
                Health::Well => well.push(replica),
                Health::Out { why: LeftOut::Lagging, .. } if last_resort => rest.push(replica),
                Health::Out { due: true, .. } if last_resort && replica.claim() => {
                    rest.push(replica);
                }
                Health::Out { due, .. } => {
                    if due && replica.claim() {
                        self.look_at(replica);
                    }
                }
            }
        }
        well.sort_by_key(|replica| replica.load());
        well.extend(rest);
        well
    }

    async fn ask_replica<S: Statement>(
        &self,
        replica: &Source,
        statement: &S,
    ) -> Result<S::Answer, Failure> {
        let answer = replica.ask(statement).await?;
        match (statement.progress(&answer), replica.health()) {
            (Some(progress), _) => self.shown.judge(replica, &[progress]),
            (None, Health::Out { why: LeftOut::Failing, .. }) => replica.take_back(),
            (None, _) => (),
        }
        Ok(answer)
    }

    /// Looks, beside the requests, whether a replica can be taken back.
    fn look_at(&self, replica: &Arc<Source>) {
        let (replica, shown) = (Arc::clone(replica), Arc::clone(&self.shown));
        tokio::spawn(async move {
            if let Ok(progress) = replica.ask(&AllProgress).await {
                shown.judge(&replica, &progress);
            }
        });
    }
}

impl Shown {
    /// Leaves a replica out that is too far behind what others have shown, and takes it back if it is not.
    fn judge(&self, replica: &Source, progress: &[Progress]) {
        let behind = progress.iter().map(|progress| self.behind(*progress)).max().unwrap_or(0);
        replica.note_lag(behind);
        if behind > self.lag_max {
            replica.leave_out(LeftOut::Lagging, None);
        } else {
            replica.take_back();
        }
    }

    /// How far behind this is, in milliseconds; keeps it if it is the newest.
    fn behind(&self, progress: Progress) -> u64 {
        let mut closed = self.closed.lock();
        let newest = closed.get(&progress.writer).copied().unwrap_or(0).max(progress.closed);
        keep(&mut closed, Progress { closed: newest, ..progress });
        newest - progress.closed
    }

    /// Keeps what the primary shows, which is the truth.
    fn set(&self, progress: Progress) {
        keep(&mut self.closed.lock(), progress);
    }
}

/// Keeps what a writer has shown, for a bounded number of writers.
fn keep(closed: &mut HashMap<i32, u64>, progress: Progress) {
    if closed.len() < usize::from(WRITERS_MAX) || closed.contains_key(&progress.writer) {
        closed.insert(progress.writer, progress.closed);
    }
}
