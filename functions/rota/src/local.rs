//! `rota local`: a complete scheduler in one process, on the embedded ledger.

use crate::first_start::{self, FoundWallet};
use crate::output;
use crate::read_metrics::ReadCollector;
use crate::server::{self, Watch};
use crate::settings::{Settings, UploadSettings, environment};
use anyhow::Context as _;
use axum::Router;
use clap::Args;
use prometheus_client::registry::Registry;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rota_ans104::{Address, Signer, Wallet};
use rota_ledger::{Ledger, LedgerOptions};
use rota_permaweb::{
    Bundler, BundlerConfig, Gateway, HEIGHT_POLL_INTERVAL_DEFAULT, HeightCache, run_height_poller,
};
use rota_read::ReadState;
use rota_readmodel::{ReadModel, ReadModelConfig};
use rota_schedule::{Clock, SystemClock};
use rota_service::{HttpMetrics, Server, ServerLimits, Stop, logs};
use rota_writer::{Database, Uploader, UploaderParts, Writer, WriterMetrics, WriterParts};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a stop waits for requests in flight; with what follows it stays under 5 s.
const DRAIN: Duration = Duration::from_secs(3);
/// Async threads at the least: a point read may wait for the disk on one of them, and health checks
/// must be answered meanwhile.
const ASYNC_THREADS_MIN: usize = 4;

/// Flags of `rota local` and `rota config`.
#[derive(Args, Default)]
pub(crate) struct LocalArgs {
    /// Address to listen on [env: HOST] [default: 127.0.0.1]
    #[arg(long)]
    pub(crate) host: Option<IpAddr>,
    /// Port to listen on [env: PORT] [default: 9000]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Where the ledger and the wallet lie [env: SU_DATA_DIR] [default: rota-data]
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Runs until a signal.
pub(crate) fn run(args: &LocalArgs) -> anyhow::Result<ExitCode> {
    #[cfg(all(feature = "failpoints", debug_assertions))]
    let _failpoints = fail::FailScenario::setup();
    let settings = Settings::read(&mut environment(args)?)?;
    logs::init(settings.log_format, &settings.log_filter)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.writer.cpus.max(ASYNC_THREADS_MIN))
        .enable_all()
        .build()?;
    runtime.block_on(serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    first_start::data_dir(&settings.data_dir)?;
    let found = first_start::wallet(&settings.wallet_path, first_start::SCHEDULER_WALLET)?;
    let limits = ServerLimits { drain: DRAIN, ..ServerLimits::default() };
    let server = Server::bind(settings.address, limits)
        .with_context(|| format!("cannot listen on {}", settings.address))?;
    let stop = Stop::on_signals()?;
    let announcement = Announcement::of(&settings, &found, server.local_addr());
    let (scheduler, app) = Scheduler::start(settings, found.wallet, &stop).await?;
    announcement.print(&scheduler.ledger)?;
    server.run(app, stop.wait()).await?;
    scheduler.finish().await
}

/// Everything that runs besides the HTTP server.
struct Scheduler {
    ledger: Ledger,
    writer: Writer,
    tasks: Vec<JoinHandle<()>>,
}

impl Scheduler {
    /// Opens the ledger and starts all that works on it; the routes are the second part.
    async fn start(
        settings: Settings,
        wallet: Wallet,
        stop: &Stop,
    ) -> anyhow::Result<(Self, Router)> {
        let mut registry = Registry::default();
        let http = HttpMetrics::register(&mut registry);
        let writer_metrics = WriterMetrics::register(&mut registry);
        let ledger = open_ledger(&settings, &writer_metrics)?;
        note_scheduler(&ledger, &wallet)?;
        let database = database(&settings, &ledger, wallet.address(), &writer_metrics).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let signer: Arc<dyn Signer> = Arc::new(wallet);
        let gateway = Gateway::new(settings.gateway)?;
        let height = HeightCache::starting_at(ledger.block_height());
        let read = read_routes(settings.read, &ledger, &clock, &mut registry);
        let writer = Writer::start(
            settings.writer,
            WriterParts {
                ledger: ledger.clone(),
                database,
                signer: signer.clone(),
                clock: clock.clone(),
                gateway: gateway.clone(),
                height: height.clone(),
                metrics: writer_metrics.clone(),
                anchor_seed: seed(),
                retry_seed: seed(),
            },
        )?;
        let poll = poll_height(gateway.clone(), height, ledger.clone(), stop.clone());
        let mut tasks = vec![tokio::spawn(poll)];
        if let Some(upload) = settings.upload {
            let uploader = uploader(upload, gateway.clone(), &ledger, &signer, &writer_metrics)?;
            tasks.push(tokio::spawn(uploader.run(stop.clone())));
        }
        let watch = Watch {
            registry,
            writer_metrics,
            writer: writer.clone(),
            ledger: ledger.clone(),
            clock,
            show_metrics: settings.metrics,
        };
        Ok((Self { ledger, writer, tasks }, server::router(read, watch, &http)))
    }

    /// Commits what is in flight, lets the tasks record what they did, and closes the ledger.
    async fn finish(self) -> anyhow::Result<()> {
        let Self { ledger, writer, tasks } = self;
        for task in tasks {
            task.await?;
        }
        writer.finish().await?;
        tokio::task::spawn_blocking(move || ledger.close()).await??;
        tracing::info!("stopped");
        Ok(())
    }
}

fn open_ledger(settings: &Settings, metrics: &WriterMetrics) -> anyhow::Result<Ledger> {
    let dir = settings.ledger_dir();
    let metrics = metrics.clone();
    let observe = Arc::new(move |commit| metrics.observe_commit(&commit));
    let options = LedgerOptions { observe: Some(observe), ..LedgerOptions::default() };
    Ledger::open(&dir, options).with_context(|| format!("cannot open the ledger {}", dir.display()))
}

/// Makes ledger and database agree, if there is a database.
async fn database(
    settings: &Settings,
    ledger: &Ledger,
    address: Address,
    metrics: &WriterMetrics,
) -> anyhow::Result<Option<Database>> {
    let Some(config) = settings.database.clone() else {
        let waiting = ledger.provisional_after(None, 1)?;
        anyhow::ensure!(
            waiting.is_empty(),
            "the ledger holds entries that a database has not committed: set DATABASE_URL to it"
        );
        return Ok(None);
    };
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
    let clock = clock.clone();
    match database {
        None => rota_read::router(Arc::new(ReadState { reader: ledger.clone(), clock })),
        Some(config) => {
            let reader = ReadModel::new(config, clock.clone());
            registry.register_collector(Box::new(ReadCollector(reader.clone())));
            rota_read::router(Arc::new(ReadState { reader, clock }))
        }
    }
}

fn seed() -> [u8; 32] {
    rand::make_rng::<StdRng>().random()
}

/// Writes down whose ledger this is, and warns if it was another wallet's.
fn note_scheduler(ledger: &Ledger, wallet: &Wallet) -> anyhow::Result<()> {
    let address = wallet.address();
    if let Some(before) = ledger.set_scheduler(address)?.filter(|before| *before != address) {
        tracing::warn!(%before, now = %address, "this ledger was signed by another wallet so far");
    }
    Ok(())
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

async fn poll_height(gateway: Gateway, height: HeightCache, ledger: Ledger, stop: Stop) {
    let keep = move |height| ledger.set_block_height(height);
    run_height_poller(gateway, height, HEIGHT_POLL_INTERVAL_DEFAULT, keep, stop.wait()).await;
}

/// What a person is told when the scheduler is ready.
struct Announcement {
    url: String,
    wallet: String,
    data_dir: String,
    uploads: Option<String>,
}

impl Announcement {
    fn of(settings: &Settings, found: &FoundWallet, address: SocketAddr) -> Self {
        let made = if found.created { "created" } else { "loaded" };
        let (kind, path) = (found.wallet.kind(), settings.wallet_path.display());
        Self {
            url: format!("http://{address}"),
            wallet: format!("{} ({kind}, {made} {path})", found.wallet.address()),
            data_dir: settings.data_dir.display().to_string(),
            uploads: settings
                .upload
                .as_ref()
                .map(|upload| format!("{} ({})", upload.url, upload.mode)),
        }
    }

    fn print(&self, ledger: &Ledger) -> anyhow::Result<()> {
        // Before anything is promised: a damaged ledger may show it only now.
        let is_new = ledger.processes()?.next().transpose()?.is_none();
        let waiting = ledger.outbox_stats().depth;
        let uploads = self.uploads.clone().unwrap_or_else(|| {
            tracing::warn!(waiting, "UPLOAD_NODE_URL is not set: the outbox keeps everything");
            format!("off, UPLOAD_NODE_URL is not set ({waiting} items wait in the outbox)")
        });
        output::line(&format!("rota is ready at {}", self.url));
        output::line(&format!("  wallet   {}", self.wallet));
        output::line(&format!("  data     {}", self.data_dir));
        output::line(&format!("  uploads  {uploads}"));
        if is_new {
            output::line("Next, in another terminal, spawn a process:");
            output::line(&format!("  {} item spawn --url {}", output::me(), self.url));
        }
        Ok(())
    }
}
