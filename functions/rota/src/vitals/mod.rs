//! How a scheduler is doing, as numbers that an operator watches: one line of the metrics log each interval
//! (`METRICS_LOG_INTERVAL`), and the same values in `/metrics`.
//!
//! A standby has vitals, too. `docs/metrics.md` lists them all; a test holds the list to this code.

mod catalogue;
mod machine;
mod sample;

use catalogue::{Kind, Scraped, VITALS, Vital};
use machine::Volume;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rota_ledger::Ledger;
use rota_permaweb::HeightCache;
use rota_schedule::Clock;
use rota_service::emf::{self, Line, Namespace, Unit};
use rota_service::histogram::Counts;
use rota_service::{HttpMetrics, Stop};
use rota_writer::{Database, Writer, WriterMetrics};
use sample::Sample;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// Between two questions for the size of the database: it looks at every file.
const DATABASE_SIZE_EVERY: Duration = Duration::from_secs(600);
/// What is told of the times of a stage.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// The vitals of this process. Clones are the same.
#[derive(Clone)]
pub(crate) struct Vitals(Arc<Parts>);

/// What is asked.
pub(crate) struct VitalsOf {
    /// The writer's name.
    pub(crate) name: String,
    /// Of the metrics log.
    pub(crate) namespace: Namespace,
    pub(crate) http: HttpMetrics,
    pub(crate) writer: WriterMetrics,
    pub(crate) ledger: Ledger,
    /// Where the ledger lies.
    pub(crate) ledger_dir: PathBuf,
    pub(crate) clock: Arc<dyn Clock>,
}

struct Parts {
    name: String,
    namespace: Namespace,
    http: HttpMetrics,
    writer: WriterMetrics,
    ledger: Ledger,
    ledger_dir: PathBuf,
    clock: Arc<dyn Clock>,
    started: Instant,
    /// Set once this machine writes.
    writing: OnceLock<Writing>,
    database_bytes: Mutex<Option<u64>>,
}

struct Writing {
    writer: Writer,
    database: Option<Database>,
    height: HeightCache,
}

impl Vitals {
    /// Of a process that stands by until [`Self::writes`].
    pub(crate) fn new(of: VitalsOf) -> Self {
        let VitalsOf { name, namespace, http, writer, ledger, ledger_dir, clock } = of;
        let (started, writing) = (Instant::now(), OnceLock::new());
        let database_bytes = Mutex::default();
        Self(Arc::new(Parts {
            name,
            namespace,
            http,
            writer,
            ledger,
            ledger_dir,
            clock,
            started,
            writing,
            database_bytes,
        }))
    }

    /// From now on this machine writes.
    pub(crate) fn writes(&self, writer: Writer, database: Option<Database>, height: HeightCache) {
        let _ = self.0.writing.set(Writing { writer, database, height }); // it does so once
    }

    /// Writes a line every `every` until the stop, and a last one then; if that is `None`, none.
    pub(crate) fn log(&self, every: Option<Duration>, stop: &Stop) -> Option<JoinHandle<()>> {
        let (vitals, stop, every) = (self.clone(), stop.clone(), every?);
        Some(tokio::spawn(async move {
            let mut ticks = interval(every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await; // the first one comes at once
            let mut before = Sample::of(&vitals);
            while !stop.is_triggered() {
                tokio::select! {
                    _ = ticks.tick() => {}
                    () = stop.wait() => {}
                }
                before = vitals.write(&before);
            }
        }))
    }

    /// Asks for the size of the database now and then, until the stop.
    pub(crate) async fn measure_database(self, database: Database, stop: Stop) {
        let asking = async {
            let mut ticks = interval(DATABASE_SIZE_EVERY);
            loop {
                ticks.tick().await;
                match database.bytes().await {
                    Ok(bytes) => *self.0.database_bytes.lock() = Some(bytes),
                    Err(error) => tracing::debug!(%error, "the size of the database is not known"),
                }
            }
        };
        tokio::select! {
            () = asking => {}
            () = stop.wait() => {}
        }
    }

    /// Writes a line of what has happened since a sample, and gives the next one.
    fn write(&self, before: &Sample) -> Sample {
        let now = Sample::of(self);
        let line = Line::of(&self.0.namespace, "writer", &self.0.name);
        emf::stdout(&filled(line, before, &now).text(self.0.clock.now().0));
        now
    }
}

/// The line with all that an interval says.
fn filled(mut line: Line, before: &Sample, now: &Sample) -> Line {
    for vital in VITALS {
        let Some(value) = (vital.read)(now) else { continue };
        let value = match vital.kind {
            Kind::Now => value,
            // What is there for the first time was nothing before.
            Kind::Added => (value - (vital.read)(before).unwrap_or(0.0)).max(0.0),
        };
        line.metric(vital.name, vital.unit, value);
    }
    for ((stage, now), (_, before)) in now.writer.stages.iter().zip(&before.writer.stages) {
        quantiles(&mut line, stage, &now.since(before));
    }
    quantiles(&mut line, "post", &now.http.posts.since(&before.http.posts));
    line
}

fn quantiles(line: &mut Line, of: &str, times: &Counts) {
    for (name, share) in QUANTILES {
        if let Some(ms) = times.quantile_ms(share) {
            line.metric(format!("{of}_{name}_ms"), Unit::Milliseconds, ms);
        }
    }
}

/// Bytes that may still be written beside a file; `None` if the system does not tell.
pub(crate) fn free_bytes(beside: &Path) -> Option<u64> {
    Volume::of(beside).map(|volume| volume.free_bytes)
}

/// Shows to a scraper what no other part shows.
impl Collector for Vitals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sample = Sample::of(self);
        for Vital { kind, scraped, meaning, read, .. } in VITALS {
            let (Scraped::Here(name), Some(value)) = (scraped, read(&sample)) else { continue };
            let name = name.trim_end_matches("_total"); // the encoder's to add
            match kind {
                Kind::Now => {
                    let metric = MetricType::Gauge;
                    let metric = encoder.encode_descriptor(name, meaning, None, metric)?;
                    ConstGauge::new(value).encode(metric)?;
                }
                Kind::Added => {
                    let metric = MetricType::Counter;
                    let metric = encoder.encode_descriptor(name, meaning, None, metric)?;
                    ConstCounter::new(value).encode(metric)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals").field("name", &self.0.name).finish_non_exhaustive()
    }
}
