//! Everything of a scheduler but its HTTP server: what `rota local` and `rota writer` run.

use crate::checkpoint;
use crate::height::{self, Kept};
use crate::notices;
use crate::read_metrics::ReadCollector;
use crate::server::{self, Watch};
use crate::settings::{Settings, UploadSettings};
use crate::vitals::{Vitals, VitalsOf};
use anyhow::Context as _;
use axum::Router;
use prometheus_client::registry::Registry;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rota_ans104::{Address, Signer, Wallet};
use rota_ledger::{Ledger, LedgerOptions, OPEN_TABLES_MAX};
use rota_permaweb::{Bundler, BundlerConfig, Cache, Gateway, HeightCache};
use rota_read::ReadState;
use rota_readmodel::{ReadModel, ReadModelConfig};
use rota_schedule::{Clock, DatabaseId, PAGE_BYTES_MAX, SystemClock};
use rota_service::{HttpMetrics, OpenFiles, Server, ServerLimits, Stop, logs, trace};
use rota_writer::{
    Archiver, CacheQueue, Cacher, Database, Membership, Uploader, UploaderParts, Writer,
    WriterMetrics, WriterParts,
};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a stop waits for requests in flight; with what follows it stays under 5 s.
const DRAIN: Duration = Duration::from_secs(3);
/// How long a stop waits for the spans of the last requests to be exported.
pub(crate) const FLUSH_MAX: Duration = Duration::from_millis(500);
/// Async threads at the least: a point read may wait for the disk on one of them, and health checks
/// must be answered meanwhile.
const ASYNC_THREADS_MIN: usize = 4;

/// Runs a server with its logs and threads until it ends.
pub(crate) fn run<F: Future<Output = anyhow::Result<()>>>(
    settings: Settings,
    notices: &[String],
    serve: impl FnOnce(Settings) -> F,
) -> anyhow::Result<ExitCode> {
    #[cfg(all(feature = "failpoints", debug_assertions))]
    let _failpoints = fail::FailScenario::setup();
    logs::init(settings.log_format, &settings.log_filter)?;
    notices::log(notices);
    OpenFiles::raise()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.writer.cpus.max(ASYNC_THREADS_MIN))
        .enable_all()
        .build()?;
    let traces = settings.traces.clone();
    runtime.block_on(async {
        trace::init(&traces)?;
        let outcome = serve(settings).await;
        trace::flush(FLUSH_MAX).await;
        outcome
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Listens where the settings say.
pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Server> {
    let files = OpenFiles::limit();
    tracing::info!(open_files = files.max, shares = ?files.shares(), "files that may be open");
    let connections_max = files.shares().connections;
    let limits = ServerLimits { drain: DRAIN, connections_max, ..ServerLimits::default() };
    Server::bind(settings.address, limits)
        .with_context(|| format!("cannot listen on {}", settings.address))
}

/// What is there before anything runs.
pub(crate) struct Base {
    pub(crate) registry: Registry,
    pub(crate) http: HttpMetrics,
    pub(crate) writer_metrics: WriterMetrics,
    pub(crate) ledger: Ledger,
    pub(crate) vitals: Vitals,
    /// Writes the metrics log.
    log: Option<JoinHandle<()>>,
}

impl Base {
    /// Opens the ledger; from then on nobody else does. Where there is none it is made from the newest
    /// checkpoint, if there is one, and if it is of this database.
    pub(crate) async fn open(
        settings: &mut Settings,
        database: Option<DatabaseId>,
    ) -> anyhow::Result<Self> {
        settings.open_archive().await;
        if let Some(archive) = &settings.archive {
            let checkpoints = archive.checkpoints(&settings.writer_name).await;
            checkpoint::restore_if_absent(&checkpoints, &settings.ledger_dir(), database).await?;
        }
        let mut registry = Registry::default();
        let http = HttpMetrics::register(&mut registry);
        let writer_metrics = WriterMetrics::register(&mut registry);
        let dir = settings.ledger_dir();
        let metrics = writer_metrics.clone();
        let observe = Arc::new(move |commit| metrics.observe_commit(&commit));
        let tables = u32::try_from(OpenFiles::limit().shares().tables).unwrap_or(u32::MAX);
        let open_tables = tables.min(OPEN_TABLES_MAX);
        let options =
            LedgerOptions { observe: Some(observe), open_tables, ..LedgerOptions::default() };
        let ledger = Ledger::open(&dir, options)
            .with_context(|| format!("cannot open the ledger {}", dir.display()))?;
        let vitals = Vitals::new(VitalsOf {
            name: settings.writer_name.clone(),
            namespace: settings.metrics_namespace.clone(),
            http: http.clone(),
            writer: writer_metrics.clone(),
            ledger: ledger.clone(),
            ledger_dir: dir,
            clock: Arc::new(SystemClock),
        });
        registry.register_collector(Box::new(vitals.clone()));
        Ok(Self { registry, http, writer_metrics, ledger, vitals, log: None })
    }

    /// Begins the metrics log, if there is to be one.
    pub(crate) fn log(&mut self, settings: &Settings, stop: &Stop) {
        self.log = self.vitals.log(settings.metrics_log_interval, stop);
    }
}

/// Everything that runs besides the HTTP server.
pub(crate) struct Scheduler {
    pub(crate) ledger: Ledger,
    pub(crate) writer: Writer,
    pub(crate) height: HeightCache,
    tasks: Vec<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts all that works on a ledger, whose wallet and database were compared ([`crate::identity`]); the routes are
    /// the second part.
    pub(crate) async fn start(
        settings: Settings,
        wallet: Arc<Wallet>,
        base: Base,
        membership: Option<Membership>,
        stop: &Stop,
    ) -> anyhow::Result<(Self, Router)> {
        let Base { mut registry, http, writer_metrics, ledger, vitals, log } = base;
        let archiver = archiver(&settings, &ledger).await;
        let database = database(&settings, &ledger, wallet.address(), &writer_metrics).await?;
        let (cacher, cache) = cacher(&settings, &ledger, &writer_metrics)?.unzip();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let signer: Arc<dyn Signer> = wallet;
        let gateway = Gateway::new(settings.gateway)?;
        let kept = Kept::of(&ledger, database.as_ref(), clock.now());
        let height = kept.cache.clone();
        let read = read_routes(settings.read, &ledger, &clock, &mut registry);
        let writer = Writer::start(
            settings.writer,
            WriterParts {
                ledger: ledger.clone(),
                database: database.clone(),
                cache,
                membership,
                signer: signer.clone(),
                clock: clock.clone(),
                gateway: gateway.clone(),
                height: height.clone(),
                metrics: writer_metrics.clone(),
                anchor_seed: seed(),
                retry_seed: seed(),
            },
        )?;
        vitals.writes(writer.clone(), database.clone(), height.clone());
        let poll = kept.poll(gateway.clone(), ledger.clone(), clock.clone(), stop.clone());
        let mut tasks = vec![tokio::spawn(poll)];
        tasks.extend(log);
        if let Some(database) = database.clone() {
            tasks.push(tokio::spawn(vitals.measure_database(database, stop.clone())));
        }
        if let Some(upload) = settings.upload {
            let uploader = uploader(upload, gateway.clone(), &ledger, &signer, &writer_metrics)?;
            tasks.push(tokio::spawn(uploader.run(stop.clone())));
        }
        tasks.extend(cacher.map(|cacher| tokio::spawn(cacher.run(stop.clone()))));
        if let Some(archiver) = archiver {
            let (interval, metrics) = (settings.checkpoint_interval, writer_metrics.clone());
            tasks.push(tokio::spawn(archiver.run(database, interval, metrics, stop.clone())));
        }
        height::first_poll(&height).await;
        let watch = Watch {
            registry,
            writer_metrics,
            writer: writer.clone(),
            ledger: ledger.clone(),
            clock,
            show_metrics: settings.metrics,
        };
        Ok((Self { ledger, writer, height, tasks }, server::router(read, watch, &http)))
    }

    /// Commits what is in flight, lets the tasks record what they did, and closes the ledger.
    pub(crate) async fn finish(self) -> anyhow::Result<()> {
        let Self { ledger, writer, tasks, .. } = self;
        for task in tasks {
            task.await?;
        }
        writer.finish().await?;
        tokio::task::spawn_blocking(move || ledger.close()).await??;
        tracing::info!("stopped");
        Ok(())
    }

    /// The same of a scheduler whose ledger has failed, so that the ledger can be opened again.
    pub(crate) async fn give_up(self) {
        if let Err(error) = self.finish().await {
            let reason = format!("{error:#}");
            tracing::info!(reason, "a scheduler whose ledger had failed has ended");
        }
    }
}

/// What takes checkpoints, if there is a bucket for them.
async fn archiver(settings: &Settings, ledger: &Ledger) -> Option<Archiver> {
    let archive = settings.archive.as_ref()?;
    let checkpoints = archive.checkpoints(&settings.writer_name).await;
    let dir = settings.ledger_dir();
    Some(Archiver::new(ledger.clone(), checkpoints, &dir, Arc::new(SystemClock)))
}

/// Makes ledger and database agree, if there is a database.
async fn database(
    settings: &Settings,
    ledger: &Ledger,
    address: Address,
    metrics: &WriterMetrics,
) -> anyhow::Result<Option<Database>> {
    let Some(config) = settings.database.clone() else { return Ok(None) };
    let url = config.url.clone();
    let opened = Database::open(config, ledger, address, metrics).await;
    Ok(Some(opened.with_context(|| format!("cannot start on the database {url}"))?))
}

/// The routes that read: from the database if there is one, since it has the last word.
fn read_routes(
    database: Option<ReadModelConfig>,
    ledger: &Ledger,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Router {
    let (clock, page_bytes_max) = (clock.clone(), PAGE_BYTES_MAX);
    match database {
        None => {
            let reader = ledger.clone();
            rota_read::router(Arc::new(ReadState { reader, clock, page_bytes_max }))
        }
        Some(config) => {
            let reader = ReadModel::new(config, clock.clone());
            registry.register_collector(Box::new(ReadCollector(reader.clone())));
            rota_read::router(Arc::new(ReadState { reader, clock, page_bytes_max }))
        }
    }
}

fn seed() -> [u8; 32] {
    rand::make_rng::<StdRng>().random()
}

fn uploader(
    settings: UploadSettings,
    gateway: Gateway,
    ledger: &Ledger,
    signer: &Arc<dyn Signer>,
    metrics: &WriterMetrics,
) -> anyhow::Result<Uploader> {
    let bundler = Bundler::new(BundlerConfig { url: settings.url, timeout: settings.timeout })?;
    Ok(Uploader::new(UploaderParts {
        ledger: ledger.clone(),
        bundler,
        gateway,
        mode: settings.mode,
        signer: signer.clone(),
        metrics: metrics.clone(),
        seed: rand::make_rng::<StdRng>().random(),
    }))
}

/// What shows a cache node everything that is committed, if uploads are on.
fn cacher(
    settings: &Settings,
    ledger: &Ledger,
    metrics: &WriterMetrics,
) -> anyhow::Result<Option<(Cacher, CacheQueue)>> {
    let config = settings.upload.as_ref().and_then(|upload| upload.cache.clone());
    let Some(config) = config else { return Ok(None) };
    Ok(Some(Cacher::new(Cache::new(config)?, ledger.clone(), metrics.clone())))
}
