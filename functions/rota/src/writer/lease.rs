//! Waiting for the lease of a name, holding it, and giving it back.

use super::watch::{Verdict, Watch};
use anyhow::Context as _;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rota_ledger::Ledger;
use rota_schedule::{Directory as _, Lease, LeaseHolder, Load};
use rota_service::Stop;
use rota_writer::{DatabaseConfig, Membership, Writer, WriterMetrics, follow};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Between two looks at a lease that another holds.
const LOOK: Duration = Duration::from_millis(500);
/// How long the lease may take to be given back at a stop.
const GIVE_BACK_MAX: Duration = Duration::from_secs(2);
/// Where the id of the last run that held a lease lies in the data directory.
const LAST_RUN: &str = "last-run";

/// Somebody who waits for a name.
pub(super) struct Candidate {
    membership: Membership,
    holder: LeaseHolder,
    watch: Watch,
    last_run: PathBuf,
    url: String,
}

impl Candidate {
    /// A run of its own. The ledger in the data directory must be open: then the run before is dead.
    pub(super) fn new(
        membership: Membership,
        data_dir: &Path,
        url: String,
    ) -> anyhow::Result<Self> {
        let last_run = data_dir.join(LAST_RUN);
        let before = match fs::read(&last_run) {
            // What is no id is none of any lease.
            Ok(bytes) => bytes.try_into().ok().map(LeaseHolder),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", last_run.display()));
            }
        };
        let holder = LeaseHolder(rand::make_rng::<StdRng>().random());
        Ok(Self { membership, holder, watch: Watch::new(holder, before), last_run, url })
    }

    /// Waits until the lease is this run's, and lets the ledger follow the database meanwhile; `None` if it
    /// is to stop first. `caught_up` is called each time that the ledger lacks nothing.
    pub(super) async fn wait(
        mut self,
        database: &DatabaseConfig,
        ledger: &Ledger,
        metrics: &WriterMetrics,
        stop: &Stop,
        caught_up: impl Fn(),
    ) -> anyhow::Result<Option<Held>> {
        let enough = AtomicBool::new(false);
        let taken = async {
            let taken = tokio::select! {
                () = stop.wait() => Ok(false),
                taken = self.take() => taken.map(|()| true),
            };
            // From here on the lease needs signs of life, and the ledger has to come to rest.
            let held = taken.map(|taken| taken.then(|| Held::of(&self, metrics)));
            enough.store(true, Ordering::Relaxed);
            held
        };
        let (held, ()) = tokio::join!(taken, follow(database, ledger, metrics, &enough, caught_up));
        held
    }

    async fn take(&mut self) -> anyhow::Result<()> {
        let Membership { name, directory } = &self.membership;
        loop {
            match directory.writer(name).await {
                Ok(record) => {
                    let lease = record.and_then(|record| record.lease);
                    match self.watch.judge(lease, Instant::now()) {
                        Verdict::Held => return self.note_taken(lease),
                        Verdict::Wait => {}
                        Verdict::Take(seen) => {
                            match directory.take_lease(name, self.holder, seen).await {
                                Ok(Some(_)) => return self.note_taken(seen),
                                Ok(None) => {} // another was faster, or the holder lives
                                // It may be taken: the next look tells.
                                Err(error) => unanswered(&error),
                            }
                        }
                    }
                }
                Err(error) => unanswered(&error),
            }
            sleep(LOOK).await;
        }
    }

    /// The lease is this run's. The next run with this data directory is to know.
    fn note_taken(&self, seen: Option<Lease>) -> anyhow::Result<()> {
        tracing::info!(writer.name = %self.membership.name, ?seen, "took the lease");
        let written = fs::write(&self.last_run, self.holder.0);
        written.with_context(|| format!("cannot write {}", self.last_run.display()))
    }
}

fn unanswered(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "the directory does not answer");
}

/// A lease that is held. It is kept alive until it is given back, or another has it.
pub(super) struct Held {
    shared: Arc<Shared>,
    beats: JoinHandle<()>,
    lost: Stop,
}

struct Shared {
    membership: Membership,
    holder: LeaseHolder,
    url: String,
    metrics: WriterMetrics,
    writer: OnceLock<Writer>,
}

impl Held {
    fn of(candidate: &Candidate, metrics: &WriterMetrics) -> Self {
        let shared = Arc::new(Shared {
            membership: candidate.membership.clone(),
            holder: candidate.holder,
            url: candidate.url.clone(),
            metrics: metrics.clone(),
            writer: OnceLock::new(),
        });
        metrics.lease_confirmed(); // by being taken
        let lost = Stop::new();
        let beats = tokio::spawn(beat(shared.clone(), lost.clone()));
        Self { shared, beats, lost }
    }

    /// The writer's place among the others.
    pub(super) fn membership(&self) -> Membership {
        self.shared.membership.clone()
    }

    /// Where the directory says that the writer is.
    pub(super) fn url(&self) -> &str {
        &self.shared.url
    }

    /// From now on the load of this writer is told.
    pub(super) fn report(&self, writer: Writer) {
        let _ = self.shared.writer.set(writer); // there is only one
    }

    /// Waits until another has the lease.
    pub(super) async fn lost(&self) {
        self.lost.wait().await;
    }

    /// Lets the next one take it at once.
    pub(super) async fn give_back(self) {
        self.beats.abort();
        let _ = self.beats.await; // that it was aborted is what it says
        let Membership { name, directory } = &self.shared.membership;
        match timeout(GIVE_BACK_MAX, directory.release_lease(name, self.shared.holder)).await {
            Ok(Ok(given)) => tracing::info!(writer.name = %name, given, "gave the lease back"),
            Ok(Err(error)) => unanswered(&error),
            Err(late) => unanswered(&late),
        }
    }
}

async fn beat(shared: Arc<Shared>, lost: Stop) {
    let Membership { name, directory } = &shared.membership;
    let mut ticks = interval(BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut meter = Meter::default();
    loop {
        ticks.tick().await;
        let load = shared.writer.get().map_or_else(Load::default, |writer| meter.load(writer));
        match directory.beat(name, shared.holder, &shared.url, load).await {
            Ok(Some(_)) => shared.metrics.lease_confirmed(),
            Ok(None) => {
                tracing::error!(writer.name = %name, "another machine has taken the lease");
                return lost.trigger();
            }
            // The fence decides who writes: without the directory the writer goes on.
            Err(error) => unanswered(&error),
        }
    }
}

/// What the signing threads did since it was last asked.
#[derive(Default)]
struct Meter(Option<(Instant, Duration)>);

impl Meter {
    fn load(&mut self, writer: &Writer) -> Load {
        let (now, (signed, waiting)) = (Instant::now(), writer.load());
        let permille = self.0.map_or(0, |(then, before)| {
            let capacity = now.duration_since(then).as_secs_f64() * writer.signers() as f64;
            let share = signed.saturating_sub(before).as_secs_f64() / capacity.max(f64::EPSILON);
            (share.min(1.0) * 1_000.0) as u16
        });
        self.0 = Some((now, signed));
        Load { signing_permille: permille, waiting: u32::try_from(waiting).unwrap_or(u32::MAX) }
    }
}
