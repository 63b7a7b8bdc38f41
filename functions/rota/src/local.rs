//! `rota local`: a complete scheduler in one process, on the embedded ledger.

use crate::first_start::{self, SchedulerWallet};
use crate::output;
use crate::scheduler::{self, Base, Scheduler};
use crate::settings::{Settings, environment};
use clap::Args;
use rota_ledger::Ledger;
use rota_service::Stop;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

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
    let settings = Settings::read(&mut environment(args)?)?;
    scheduler::run(settings, serve)
}

async fn serve(mut settings: Settings) -> anyhow::Result<()> {
    first_start::data_dir(&settings.data_dir)?;
    let wallet = first_start::scheduler_wallet(&settings.wallet)?;
    let server = scheduler::bind(&settings)?;
    let stop = Stop::on_signals()?;
    let announcement = Announcement::of(&settings, &wallet, server.local_addr());
    let mut base = Base::open(&mut settings).await?;
    base.log(&settings, &stop);
    let (scheduler, app) = Scheduler::start(settings, wallet.wallet, base, None, &stop).await?;
    announcement.print(&scheduler.ledger)?;
    server.run(app, stop.wait()).await?;
    scheduler.finish().await
}

/// What a person is told when the scheduler is ready.
struct Announcement {
    url: String,
    wallet: String,
    data_dir: String,
    uploads: Option<String>,
}

impl Announcement {
    fn of(settings: &Settings, found: &SchedulerWallet, address: SocketAddr) -> Self {
        let kind = found.wallet.kind();
        Self {
            url: format!("http://{address}"),
            wallet: format!("{} ({kind}, {})", found.wallet.address(), found.origin),
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
