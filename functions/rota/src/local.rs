//! `rota local`: a complete scheduler in one process, on the embedded ledger.

use crate::first_start::{self, SchedulerWallet};
use crate::height;
use crate::identity::{self, IdentityArgs};
use crate::notices::{self, Server};
use crate::output;
use crate::scheduler::{self, Base, Scheduler};
use crate::settings::{Settings, environment};
use clap::Args;
use rota_ledger::Ledger;
use rota_service::Stop;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of all that looks at a scheduler's settings.
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

/// Flags of `rota local`.
#[derive(Args, Default)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// Runs until a signal.
pub(crate) fn run(args: &StartArgs) -> anyhow::Result<ExitCode> {
    let mut env = environment(&args.local)?;
    let settings = Settings::read(&mut env)?;
    let notices = notices::of(&env, Server::Local)?;
    scheduler::run(settings, &notices, |settings| serve(settings, &args.identity))
}

async fn serve(mut settings: Settings, said: &IdentityArgs) -> anyhow::Result<()> {
    first_start::data_dir(&settings.data_dir)?;
    let found = first_start::scheduler_wallet(&settings.wallet)?;
    let server = scheduler::bind(&settings)?;
    let stop = Stop::on_signals()?;
    let database = settings.database.as_ref().map(|config| config.url.clone());
    let known = match &database {
        Some(url) => identity::of_database(url, found.shared()?.address(), said).await?,
        None => None,
    };
    let mut base = Base::open(&mut settings, known).await?;
    let wallet = identity::wallet_for(&base.ledger, found)?;
    identity::of_ledger(&base.ledger, wallet.address(), database.as_ref(), known, said).await?;
    let announcement = Announcement::of(&settings, &wallet, server.local_addr());
    let without = settings.writer.without_height;
    base.log(&settings, &stop);
    let (scheduler, app) = Scheduler::start(settings, wallet.wallet, base, None, &stop).await?;
    announcement.print(&scheduler.ledger, &height::shown(scheduler.height.get(), without))?;
    server.run(app, stop.wait()).await?;
    scheduler.finish().await
}

/// What a person is told when the scheduler is ready.
struct Announcement {
    url: String,
    wallet: String,
    database: String,
    data_dir: String,
    uploads: Option<String>,
}

impl Announcement {
    fn of(settings: &Settings, found: &SchedulerWallet, address: SocketAddr) -> Self {
        let kind = found.wallet.kind();
        Self {
            url: format!("http://{address}"),
            wallet: format!("{} ({kind}, {})", found.address(), found.origin),
            database: settings.database.as_ref().map_or_else(
                || "none, DATABASE_URL is not set (the ledger is all there is)".to_owned(),
                |database| database.url.to_string(),
            ),
            data_dir: settings.data_dir.display().to_string(),
            uploads: settings
                .upload
                .as_ref()
                .map(|upload| format!("{} ({})", upload.url, upload.mode)),
        }
    }

    fn print(&self, ledger: &Ledger, height: &str) -> anyhow::Result<()> {
        // Before anything is promised: a damaged ledger may show it only now.
        let is_new = ledger.processes()?.next().transpose()?.is_none();
        let waiting = ledger.outbox_stats().depth;
        let uploads = self.uploads.clone().unwrap_or_else(|| {
            tracing::warn!(waiting, "UPLOAD_NODE_URL is not set: the outbox keeps everything");
            format!("off, UPLOAD_NODE_URL is not set ({waiting} items wait in the outbox)")
        });
        output::line(&format!("rota is ready at {}", self.url));
        output::line(&format!("  wallet   {}", self.wallet));
        output::line(&format!("  database {}", self.database));
        output::line(&format!("  data     {}", self.data_dir));
        output::line(&format!("  height   {height}"));
        output::line(&format!("  uploads  {uploads}"));
        if is_new {
            output::line("Next, in another terminal, spawn a process:");
            output::line(&format!("  {} item spawn --url {}", output::me(), self.url));
        }
        Ok(())
    }
}
