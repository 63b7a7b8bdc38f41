//! What a scheduler is like at one moment, gathered from all its parts.

use super::Vitals;
use super::machine::{Volume, resident_bytes};
use rota_service::{HttpTotals, OpenFiles, open_files};
use rota_writer::WriterReadings;
use std::time::{Duration, Instant};

/// All numbers of one moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) holds: bool,
    pub(super) standby: bool,
    pub(super) ails: bool,
    pub(super) http: HttpTotals,
    pub(super) writer: WriterReadings,
    pub(super) outbox_depth: u64,
    pub(super) outbox_age: Duration,
    pub(super) projection_age: Duration,
    pub(super) height_age: Option<Duration>,
    pub(super) lease_age: Duration,
    pub(super) moves_open: u64,
    pub(super) move_age: Duration,
    pub(super) checkpoint_age: Option<Duration>,
    pub(super) archive_fallbacks: u64,
    pub(super) volume: Option<Volume>,
    pub(super) ledger_bytes: u64,
    pub(super) database_bytes: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) open_files_max: u64,
    pub(super) standby_lag: Option<Duration>,
    pub(super) spans_dropped: u64,
}

impl Sample {
    /// Asks everything. A few system calls; nothing waits for the network.
    pub(super) fn of(vitals: &Vitals) -> Self {
        let parts = &*vitals.0;
        let (writer, writing) = (parts.writer.readings(), parts.writing.get());
        let outbox = parts.ledger.outbox_stats();
        let now = parts.clock.now();
        let outbox_age = outbox.oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0));
        let store = parts.ledger.metrics();
        let standby = writing.is_none();
        let database = writing.and_then(|writing| writing.database.as_ref());
        Self {
            holds: !standby,
            standby,
            ails: writing.is_some_and(|writing| writing.writer.ails().is_some()),
            http: parts.http.totals(),
            outbox_depth: outbox.depth,
            outbox_age: Duration::from_millis(outbox_age),
            projection_age: writing.map_or(Duration::ZERO, |it| it.writer.projection_age()),
            height_age: writing.map(|writing| writing.height.age()),
            lease_age: since(writer.lease_confirmed).unwrap_or_default(),
            moves_open: writer.moves.open as u64,
            move_age: since(writer.moves.since).unwrap_or_default(),
            checkpoint_age: since(writer.checkpoints.map(|checkpoints| checkpoints.last)),
            archive_fallbacks: database.map_or(0, rota_writer::Database::archive_fallbacks),
            volume: Volume::of(&parts.ledger_dir),
            ledger_bytes: store.sst_bytes + store.blob_bytes,
            database_bytes: *parts.database_bytes.lock(),
            resident_bytes: resident_bytes(),
            open_files: open_files::open_now(),
            open_files_max: OpenFiles::limit().max,
            standby_lag: since(writer.followed.or(Some(parts.started))).filter(|_| standby),
            spans_dropped: rota_service::trace::dropped(),
            writer,
        }
    }
}

fn since(then: Option<Instant>) -> Option<Duration> {
    then.map(|then| then.elapsed())
}
