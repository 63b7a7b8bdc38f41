//! The one signal that everything in a process stops on.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a process that a second signal ends at once (128 + SIGINT, as shells count).
const EXIT_INTERRUPTED: i32 = 130;

/// A stop that is triggered once and seen by every clone.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// A stop that only [`Stop::trigger`] triggers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stop that SIGINT or SIGTERM triggers. A second signal ends the process at once, with exit code
    /// 130: whoever sends it does not want to wait for the orderly end.
    ///
    /// # Errors
    /// The signal handlers could not be installed. Must be called within a tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = Self::new();
        let triggered = stop.clone();
        tokio::spawn(async move {
            let name = either(&mut interrupt, &mut terminate).await;
            tracing::info!(signal = name, "stopping");
            triggered.trigger();
            let name = either(&mut interrupt, &mut terminate).await;
            tracing::warn!(signal = name, "stopping at once");
            std::process::exit(EXIT_INTERRUPTED);
        });
        Ok(stop)
    }

    /// A stop that this one triggers, and that triggers nothing but itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Triggers it; doing so again changes nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether it was triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is triggered. The future borrows nothing, so a task can own it.
    pub fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.clone().cancelled_owned()
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}
