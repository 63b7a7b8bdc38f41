//! One database that can be asked, and whether it should be.

use super::connections::Connections;
use super::failure::Failure;
use super::statement::Statement;
use super::stats::SourceStats;
use parking_lot::Mutex;
use rota_service::trace;
use std::error::Error;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a source is left out at first; twice as long each time that it is no better.
const LEFT_OUT_MIN: Duration = Duration::from_millis(250);
/// For how long at most.
const LEFT_OUT_MAX: Duration = Duration::from_secs(8);
/// How long whoever looks whether it is better has for that, before another does.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// Why a source is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// It does not answer.
    Failing,
    /// It answers, but is too far behind.
    Lagging,
}

/// Whether a source should be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// It is left out; `due` says that it is time to look again.
    Out {
        why: LeftOut,
        due: bool,
    },
}

/// A replica or the primary.
pub(super) struct Source {
    name: String,
    connections: Connections,
    /// How long it may take to answer.
    answer_max: Duration,
    state: Mutex<State>,
    in_flight: AtomicU32,
    queries: AtomicU64,
    failures: AtomicU64,
    times_left_out: AtomicU64,
    /// How far behind it was when that last showed, in milliseconds.
    lag_ms: AtomicU64,
}

#[derive(Default)]
struct State {
    out: Option<(LeftOut, Instant)>,
    /// How often somebody has looked since it was left out.
    streak: u32,
}

impl Source {
    pub(super) fn new(name: String, connections: Connections, answer_max: Duration) -> Self {
        Self {
            name,
            connections,
            answer_max,
            state: Mutex::default(),
            in_flight: AtomicU32::new(0),
            queries: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            times_left_out: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
        }
    }

    /// Asks it, and leaves it out if it is to blame for a failure. [`Failure::Full`] passes soon: ask again.
    pub(super) async fn ask<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        self.queries.fetch_add(1, Relaxed);
        let _flight = Flight::of(&self.in_flight);
        let call = trace::outgoing("database");
        let answer = self.connections.run(statement, self.answer_max).await;
        if let Some(call) = call {
            call.end(answer.is_err(), || vec![("server.address", self.name.clone().into())]);
        }
        if let Err(failure @ Failure::Full(_)) = &answer {
            // No fault of the source: the request waits and asks again.
            if self.connections.are_scarce() {
                tracing::warn!(source = %self.name, error = %failure, "waiting for a connection");
            }
        } else if let Err(failure) = &answer {
            self.failures.fetch_add(1, Relaxed);
            tracing::debug!(source = %self.name, error = %failure, "no answer");
            if failure.is_of_the_source() {
                self.leave_out(LeftOut::Failing, Some(failure));
                self.connections.clear();
            }
        }
        answer
    }

    /// Takes in how far behind it is, in milliseconds.
    pub(super) fn note_lag(&self, lag_ms: u64) {
        self.lag_ms.store(lag_ms, Relaxed);
    }

    /// How many statements it is at.
    pub(super) fn load(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn health(&self) -> Health {
        match self.state.lock().out {
            None => Health::Well,
            Some((why, until)) => Health::Out { why, due: Instant::now() >= until },
        }
    }

    /// Whether it is due, and the caller the one who looks: until that is settled nobody else does.
    pub(super) fn claim(&self) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        match &mut state.out {
            Some((_, until)) if now >= *until => {
                *until = now + LOOK_MAX;
                state.streak += 1;
                true
            }
            _ => false,
        }
    }

    /// Leaves it out from now on, the longer the more often somebody has looked in vain.
    pub(super) fn leave_out(&self, why: LeftOut, failure: Option<&Failure>) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let rest = LEFT_OUT_MIN.saturating_mul(1 << state.streak.min(8)).min(LEFT_OUT_MAX);
        if state.out.replace((why, now + rest)).is_none() {
            self.times_left_out.fetch_add(1, Relaxed);
            let error = failure.map(|failure| failure as &(dyn Error + 'static));
            tracing::warn!(source = %self.name, ?why, error, "left out");
        }
    }

    /// Takes it back.
    pub(super) fn take_back(&self) {
        let mut state = self.state.lock();
        if state.out.take().is_some() {
            tracing::info!(source = %self.name, "taken back");
        }
        state.streak = 0;
    }

    pub(super) fn stats(&self) -> SourceStats {
        SourceStats {
            name: self.name.clone(),
            queries: self.queries.load(Relaxed),
            failures: self.failures.load(Relaxed),
            times_left_out: self.times_left_out.load(Relaxed),
            lag_ms: self.lag_ms.load(Relaxed),
            left_out: self.state.lock().out.map(|(why, _)| why),
        }
    }
}

/// Counts a statement for as long as somebody waits for it.
struct Flight<'a>(&'a AtomicU32);

impl<'a> Flight<'a> {
    fn of(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
