//! What the uploader's tasks come to: rows that are delivered, and when the others are tried again.

use super::load::{Load, LoadError, Loaded};
use super::parcel::Parcel;
use super::{Event, RECORD_WAIT, Uploader};
use rota_ans104::ItemId;
use rota_ledger::{LedgerError, OutboxRow};
use rota_permaweb::{Backoff, DeliveryError};
use std::error::Error;
use std::time::Duration;
use tokio::task::JoinError;
use tokio::time::Instant;

/// Failures after which many rows are tried in halves: one of them may be the reason.
const SPLIT_FAILURES: u32 = 4;
/// Failures from which on another one says nothing about the bundler: it is the item that is not taken.
const SUSPECT_FAILURES: u32 = 2;
/// How long an item waits that the bundler did not take: up to an hour, without a last attempt.
const ITEM_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3_600));
/// Whose fault a failure is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The item's: it is not wanted.
    Item,
    /// Unclear: the bundler answered, but gave no receipt.
    Answer,
    /// The bundler's, or the way to it: any other item would fail as well.
    Destination(Option<Duration>),
}

impl Fault {
    fn of(error: &DeliveryError) -> Self {
        match error {
            error if error.is_rejection() => Self::Item,
            DeliveryError::WrongAnswer { .. } => Self::Answer,
            DeliveryError::Refused { retry_after, .. } => Self::Destination(*retry_after),
            DeliveryError::Unreachable(_) => Self::Destination(None),
        }
    }
}

impl Uploader {
    pub(super) fn take_all(&mut self, first: Result<Event, JoinError>) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Ok(event) => self.take(event, Instant::now()),
                Err(error) => self.start_over(&error),
            }
            next = self.tasks.try_join_next();
        }
    }

    fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::Read(window) => self.take_window(window, now),
            Event::Loaded(loaded) => self.take_loaded(loaded, now),
            Event::Sent(load, sent, outcome) => {
                self.busy.deliveries -= 1;
                self.busy.bytes -= load.bytes.len();
                match outcome {
                    Ok(()) => self.delivered(&load.parcel, sent, now),
                    Err(error) => self.not_delivered(*load, sent, &error, now),
                }
            }
        }
    }

    fn take_window(&mut self, window: Result<Vec<OutboxRow>, LedgerError>, now: Instant) {
        self.busy.reading = false;
        match window {
            Ok(window) => {
                self.read_failures = 0;
                self.line.fill(window, now);
            }
            Err(error) => {
                self.read_at = now + Backoff::default().delay(self.read_failures, &mut self.rng);
                self.read_failures += 1;
                if self.read_failures.is_power_of_two() {
                    let error = &error as &dyn Error;
                    tracing::error!(
                        error,
                        attempt = self.read_failures,
                        "the outbox cannot be read"
                    );
                }
            }
        }
    }

    fn take_loaded(&mut self, loaded: Loaded, now: Instant) {
        self.busy.loading = false;
        self.staged.extend(loaded.loads);
        for parcel in loaded.unread.into_iter().rev() {
            self.line.put_back(parcel);
        }
        for (parcel, error) in loaded.failed {
            self.not_loaded(parcel, &error, now);
        }
    }

    fn delivered(&mut self, parcel: &Parcel, sent: Instant, now: Instant) {
        fail::fail_point!("uploader::delivered");
        if self.delivered.is_empty() {
            self.record_at = now + RECORD_WAIT;
        }
        self.delivered.extend(parcel.seqs());
        self.metrics.uploads.inc_by(parcel.rows().len() as u64);
        self.line.release(parcel);
        if self.pace.succeeded(sent) {
            let depth = self.depth();
            tracing::info!(outbox.depth = depth, "uploads go on");
        }
    }

    fn not_delivered(&mut self, load: Load, sent: Instant, error: &DeliveryError, now: Instant) {
        self.metrics.upload_failures.inc();
        let fault = Fault::of(error);
        let suspect = load.parcel.failures >= SUSPECT_FAILURES;
        let pauses = match fault {
            Fault::Item | Fault::Answer if suspect && self.pace.is_well() => false,
            Fault::Item | Fault::Answer => self.pace.missed(now, sent, &mut self.rng),
            Fault::Destination(asked) => self.pace.failed(now, sent, asked, &mut self.rng),
        };
        if pauses {
            self.log_pause(error);
        }
        self.try_later(load.parcel, Some(load.item), fault, error, now);
    }

    fn not_loaded(&mut self, parcel: Parcel, error: &LoadError, now: Instant) {
        self.metrics.upload_failures.inc();
        let fault = if error.is_of_item() { Fault::Item } else { Fault::Destination(None) };
        if fault != Fault::Item && self.pace.failed(now, now, None, &mut self.rng) {
            self.log_pause(error);
        }
        self.try_later(parcel, None, fault, error, now);
    }

    /// Decides when rows that were not delivered are tried again.
    fn try_later(
        &mut self,
        mut parcel: Parcel,
        item: Option<ItemId>,
        fault: Fault,
        error: &(dyn Error + 'static),
        now: Instant,
    ) {
        parcel.failures += 1;
        let failed_before = parcel.failures - 1;
        if parcel.rows().len() > 1 && (fault == Fault::Item || parcel.failures >= SPLIT_FAILURES) {
            let (first, second) = parcel.halves();
            for half in std::iter::once(first).chain(second) {
                self.line.put_back(half);
            }
            return;
        }
        let backoff = match fault {
            Fault::Destination(_) if failed_before == 0 => return self.line.put_back(parcel),
            Fault::Destination(_) => Backoff::default(),
            Fault::Item | Fault::Answer => {
                log_unwanted(&parcel, item, error);
                ITEM_BACKOFF
            }
        };
        let due = now + backoff.delay(failed_before, &mut self.rng);
        self.line.wait(parcel, due, now);
    }

    fn log_pause(&self, error: &(dyn Error + 'static)) {
        let depth = self.depth();
        tracing::warn!(outbox.depth = depth, error, "uploads pause");
    }
}

/// Logs an item that is not taken, ever more seldom.
fn log_unwanted(parcel: &Parcel, item: Option<ItemId>, error: &(dyn Error + 'static)) {
    let (attempt, rows) = (parcel.failures, parcel.rows().len());
    if let Some(row) = parcel.rows().first()
        && attempt.is_power_of_two()
    {
        let item = item.map(tracing::field::display);
        tracing::warn!(item, process.id = %row.process, row.nonce, rows, attempt, error, "not taken");
    }
}
