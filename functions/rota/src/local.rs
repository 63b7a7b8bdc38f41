//! `rota local`: a complete scheduler in one process, on the embedded ledger.

use crate::first_start::{self, SchedulerWallet};
use crate::height;
use crate::identity::{self, IdentityArgs};
use crate::notices::{self, Server};
use crate::output;
use crate::scheduler::{self, Base, Scheduler};
use crate::settings::{Settings, environment};
use crate::shortage;
use axum::Router;
use clap::Args;
use rota_ledger::Ledger;
use rota_schedule::DatabaseId;
use rota_service::Stop;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is tried to open the ledger again before the process ends with the reason.
const REOPENINGS_MAX: u32 = 10;
/// So much longer is each pause before the next try.
const REOPEN_PAUSE: Duration = Duration::from_millis(500);

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
    let base = Base::open(&mut settings, known).await?;
    let wallet = identity::wallet_for(&base.ledger, found)?;
    identity::of_ledger(&base.ledger, wallet.address(), database.as_ref(), known, said).await?;
    let announcement = Announcement::of(&settings, &wallet, server.local_addr());
    let without = settings.writer.without_height;
    let (mut run, mut scheduler, mut app) = begin(base, &settings, &wallet, &stop).await?;
    announcement.print(&scheduler.ledger, &height::shown(scheduler.height.get(), without))?;
    let mut door = Some(server);
    while let Some(server) = &door {
        let shortage =
            shortage::end_when_over(scheduler.ledger.clone(), &settings.data_dir, run.clone());
        let shortage = tokio::spawn(shortage);
        let mut serving = tokio::spawn(server.again()?.run(app, run.wait()));
        tokio::select! {
            biased;
            () = run.wait() => {}
            served = &mut serving => return Ok(served??), // the socket is lost
        }
        if stop.is_triggered() {
            door = None; // nobody is to wait for another run
        }
        serving.await??;
        shortage.await?;
        if door.is_none() {
            return scheduler.finish().await;
        }
        scheduler.give_up().await;
        (run, scheduler, app) = begin_again(&mut settings, known, &wallet, &stop).await?;
    }
    Ok(())
}

/// A run ends with the process, or when the ledger has to be opened again.
type Run = (Stop, Scheduler, Router);

async fn begin(
    mut base: Base,
    settings: &Settings,
    wallet: &SchedulerWallet,
    stop: &Stop,
) -> anyhow::Result<Run> {
    let run = stop.child();
    base.log(settings, &run);
    let (settings, wallet) = (settings.clone(), wallet.wallet.clone());
    // Boxed: all that a start does is in it.
    match Box::pin(Scheduler::start(settings, wallet, base, None, &run)).await {
        Ok((scheduler, app)) => Ok((run, scheduler, app)),
        Err(error) => {
            run.trigger(); // what has begun lets go of the ledger
            Err(error)
        }
    }
}

/// Begins as after a restart of the process. Requests wait in the queue of the socket meanwhile.
async fn begin_again(
    settings: &mut Settings,
    known: Option<DatabaseId>,
    wallet: &SchedulerWallet,
    stop: &Stop,
) -> anyhow::Result<Run> {
    let mut attempt = 0;
    loop {
        let begun = match Base::open(settings, known).await {
            Ok(base) => begin(base, settings, wallet, stop).await,
            Err(error) => Err(error),
        };
        match begun {
            Ok(run) => {
                tracing::info!("the ledger is open again");
                return Ok(run);
            }
            Err(error) if attempt < REOPENINGS_MAX && !stop.is_triggered() => {
                let reason = format!("{error:#}");
                tracing::warn!(reason, attempt, "the ledger could not be opened again");
                sleep(REOPEN_PAUSE * attempt).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
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
