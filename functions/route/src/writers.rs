//! The writers as this router sees them: a list that is asked for again every few seconds, and used a
//! while longer when the directory is away.

use crate::{Origin, RouteMetrics};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rota_ans104::Address;
use rota_directory::{REFRESH_EVERY, View};
use rota_schedule::{Directory, WriterName, WriterRecord};
use rota_wire::ApiError;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How old the list may be while the directory does not answer. Who is alive is judged as of its age, so a
/// list says nothing of who died since.
pub(crate) const LIST_AGE_MAX: Duration = Duration::from_secs(60);
/// How long a directory that did not answer is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a request waits for a newer list while it has one that it could use.
const REFRESH_WAIT_MAX: Duration = Duration::from_secs(1);

/// A server that a request goes to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The writer, unless it is the read function.
    pub(crate) writer: Option<WriterName>,
    /// Where it listens.
    pub(crate) origin: Origin,
}

impl Target {
    /// As errors call it.
    pub(crate) fn title(&self) -> String {
        let writer = self.writer.as_ref();
        writer.map_or_else(|| "the read function".to_owned(), |name| format!("writer {name}"))
    }
}

/// The list.
pub(crate) struct Writers {
    seen: Mutex<Seen>,
    /// Whoever has it asks the directory; others use what there is, or wait.
    turn: tokio::sync::Mutex<()>,
}

struct Seen {
    view: View,
    random: StdRng,
    tried: Option<Instant>,
    refreshed: Option<Instant>,
}

impl Default for Writers {
    fn default() -> Self {
        let seen =
            Seen { view: View::default(), random: rand::make_rng(), tried: None, refreshed: None };
        Self { seen: Mutex::new(seen), turn: tokio::sync::Mutex::default() }
    }
}

impl Writers {
    /// How old the list is; `None` if there is none yet.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.seen.lock().refreshed.map(|at| at.elapsed())
    }

    /// Makes sure that there is a list that may be used.
    ///
    /// # Errors
    /// There is none, and the directory does not answer.
    pub(crate) async fn ready<D: Directory>(
        &self,
        directory: &D,
        metrics: &RouteMetrics,
    ) -> Result<(), ApiError> {
        let age = self.age();
        if age.is_some_and(|age| age < REFRESH_EVERY) {
            return Ok(());
        }
        if age.is_some_and(|age| age < LIST_AGE_MAX) {
            if let Ok(_turn) = self.turn.try_lock() {
                // What comes of it is logged; the list that is there does, too.
                let _ = timeout(REFRESH_WAIT_MAX, self.ask(directory, metrics)).await;
            }
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        self.ask(directory, metrics).await;
        let usable = self.age().is_some_and(|age| age < LIST_AGE_MAX);
        if usable { Ok(()) } else { Err(ApiError::Upstream("the directory")) }
    }

    /// Asks the directory now, unless somebody else does.
    pub(crate) async fn refresh<D: Directory>(&self, directory: &D, metrics: &RouteMetrics) {
        if let Ok(_turn) = self.turn.try_lock() {
            self.ask(directory, metrics).await;
        }
    }

    /// To be called by whoever has the turn.
    async fn ask<D: Directory>(&self, directory: &D, metrics: &RouteMetrics) {
        let now = Instant::now();
        if !self.seen.lock().try_at(now) {
            return;
        }
        match directory.writers().await {
            Ok(writers) => {
                let mut seen = self.seen.lock();
                seen.view.refresh(writers, now);
                seen.refreshed = Some(now);
            }
            Err(error) => {
                metrics.directory_failed();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the list of writers could not be refreshed"
                );
            }
        }
    }

    /// The writer for a new process of a wallet; it counts as placed.
    pub(crate) fn place(&self, wallet: Address) -> Option<WriterName> {
        let Seen { view, random, .. } = &mut *self.seen.lock();
        view.place(wallet, random)
    }

    /// The writer of this name, if it shows signs of life.
    pub(crate) fn target(&self, name: &WriterName) -> Option<Target> {
        let seen = self.seen.lock();
        seen.view.writer(name).and_then(|writer| living(&seen.view, writer))
    }

    /// The writer that a `Location` leads to, if it shows signs of life.
    pub(crate) fn led_to(&self, location: &str) -> Option<Target> {
        let seen = self.seen.lock();
        let living = |writer| living(&seen.view, writer);
        let mut targets = seen.view.writers().iter().filter_map(living);
        targets.find(|target| target.origin.leads(location))
    }

    /// A writer that shows signs of life, the same for the same id as long as the same ones do.
    pub(crate) fn any(&self, id: &[u8; 32]) -> Option<Target> {
        let seen = self.seen.lock();
        let rank = |target: &Target| {
            let mut hasher = DefaultHasher::new();
            (id, &target.writer).hash(&mut hasher);
            hasher.finish()
        };
        let living = |writer| living(&seen.view, writer);
        seen.view.writers().iter().filter_map(living).max_by_key(rank)
    }

    /// Takes note that a writer could not be reached.
    pub(crate) fn suspect(&self, name: &WriterName) {
        self.seen.lock().view.suspect(name, Instant::now());
    }
}

impl Seen {
    /// Whether the directory may be asked at `now`, which it is then.
    fn try_at(&mut self, now: Instant) -> bool {
        let waits =
            |at: &Instant| self.refreshed != Some(*at) && now.duration_since(*at) < RETRY_AFTER;
        let free = !self.tried.as_ref().is_some_and(waits);
        if free {
            self.tried = Some(now);
        }
        free
    }
}

fn living(view: &View, writer: &WriterRecord) -> Option<Target> {
    let url = writer.url.as_deref().filter(|_| view.is_alive(writer))?;
    let origin = url.parse().inspect_err(|_| {
        tracing::warn!(writer.name = %writer.name, url, "a writer's URL is none");
    });
    Some(Target { writer: Some(writer.name.clone()), origin: origin.ok()? })
}
