//! `rota writer`: one of several writers that share a database and a directory, or the standby of one.
//!
//! A writer is a name, not a machine. Whoever starts under a name stands by until nobody holds its lease in
//! the directory, follows the database meanwhile, then takes the lease and the name's next term, and writes.
//! The lease says who should write; that nobody else can is the database's fence (LSE-1). A machine that
//! learns that the name is another's, or that cannot write any more, ends: whoever restarts it makes it the
//! next standby.

mod claim;
mod front;
mod lease;
mod watch;

use crate::first_start;
use crate::identity::IdentityArgs;
use crate::local::LocalArgs;
use crate::notices::{self, Server};
use crate::output;
use crate::scheduler::{self, Base, Scheduler};
use crate::settings::{Settings, environment};
use anyhow::Context as _;
use claim::Claim;
use clap::Args;
use front::Front;
use lease::Candidate;
use rota_ans104::Wallet;
use rota_directory::DirectorySettings;
use rota_readmodel::DatabaseUrl;
use rota_schedule::WriterName;
use rota_service::{ConfigError, Env, Stop};
use rota_writer::{Membership, Writer};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use url::Url;

/// How often it is seen whether the writer still can write.
const WATCH: Duration = Duration::from_millis(100);

/// Flags of `rota writer`.
#[derive(Args)]
pub(crate) struct WriterArgs {
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Under which name to write [env: WRITER_NAME] [default: main]
    #[arg(long)]
    name: Option<String>,
    /// Where others reach this machine, as in `https://su-7.example` [env: WRITER_URL] [default: where it
    /// listens]
    #[arg(long)]
    url: Option<Url>,
    /// Show which settings are in force and where each comes from, and end
    #[arg(long)]
    show_config: bool,
}

/// What a writer among others is told besides the settings of every scheduler.
struct Member {
    name: WriterName,
    url: Option<Url>,
    database: DatabaseUrl,
    directory: DirectorySettings,
}

impl Member {
    fn read(env: &mut Env, settings: &Settings) -> anyhow::Result<Self> {
        const NONE: ConfigError = ConfigError::Missing {
            name: "DIRECTORY_TABLE",
            expects: "the name of a table in DynamoDB (or DIRECTORY must be postgres)",
        };
        let url = env.get("WRITER_URL")?;
        let directory = DirectorySettings::read(env)?.ok_or(NONE)?;
        let database = settings.database.as_ref();
        let database = database.context("DATABASE_URL is not set: writers share a database")?;
        let name = settings.writer_name.parse().context("WRITER_NAME is no name")?;
        Ok(Self { name, url, database: database.url.clone(), directory })
    }

    /// What the directory tells others.
    fn url(&self, listens: SocketAddr) -> anyhow::Result<String> {
        if let Some(url) = &self.url {
            anyhow::ensure!(
                matches!(url.scheme(), "http" | "https") && url.query().is_none(),
                "WRITER_URL is {url}, but must be an http or https URL without a query"
            );
            return Ok(url.as_str().trim_end_matches('/').to_owned());
        }
        anyhow::ensure!(
            !listens.ip().is_unspecified(),
            "WRITER_URL is not set: nobody can reach a writer at {listens}"
        );
        Ok(format!("http://{listens}"))
    }
}

/// Runs until a signal, or until it can write no more.
pub(crate) fn run(args: &WriterArgs) -> anyhow::Result<ExitCode> {
    let mut env = environment(&args.local)?;
    if let Some(name) = &args.name {
        env = env.with_flag("WRITER_NAME", name);
    }
    if let Some(url) = &args.url {
        env = env.with_flag("WRITER_URL", url.as_str());
    }
    let settings = Settings::read(&mut env)?;
    let member = Member::read(&mut env, &settings)?;
    let notices = notices::of(&env, Server::Writer)?;
    if args.show_config {
        crate::config::print(&env, &notices);
        return Ok(ExitCode::SUCCESS);
    }
    scheduler::run(settings, &notices, |settings| serve(settings, member, &args.identity))
}

async fn serve(mut settings: Settings, member: Member, said: &IdentityArgs) -> anyhow::Result<()> {
    first_start::data_dir(&settings.data_dir)?;
    let wallet = first_start::scheduler_wallet(&settings.wallet)?.shared()?.wallet.clone();
    let server = scheduler::bind(&settings)?;
    let url = member.url(server.local_addr())?;
    let directory = member.directory.open().await?;
    let stop = Stop::on_signals()?;
    let (front, listens) = (Front::filling(), server.local_addr());
    let serving = tokio::spawn(server.run(front.router(), stop.wait()));
    let claim = Claim { wallet: wallet.address(), database: &member.database, said };
    let opened = tokio::select! {
        opened = claim.open(&mut settings) => Some(opened),
        () = stop.wait() => None,
    };
    let outcome = async {
        let Some((mut base, is_compared)) = opened.transpose()? else { return Ok(()) };
        base.log(&settings, &stop);
        front.stand_by(&base.http, &base.vitals, settings.metrics);
        let place = format!("as writer {} on {}", member.name, member.database);
        output::line(&format!("rota stands by at http://{listens} {place}"));
        if !is_compared {
            tokio::select! {
                compared = claim.catch_up(&base.ledger) => compared?,
                () = stop.wait() => return Ok(()),
            }
        }
        let membership = Membership { name: member.name.clone(), directory };
        let candidate = Candidate::new(membership, &settings.data_dir, url)?;
        // Boxed: all that a start does is in it.
        Box::pin(candidacy(settings, wallet, base, &member, candidate, &front, &stop)).await
    };
    let outcome = outcome.await;
    stop.trigger();
    serving.await??;
    outcome
}

/// Stands by, writes, and gives the name back.
async fn candidacy(
    settings: Settings,
    wallet: Arc<Wallet>,
    base: Base,
    member: &Member,
    candidate: Candidate,
    front: &Front,
    stop: &Stop,
) -> anyhow::Result<()> {
    let database = settings.database.as_ref().context("DATABASE_URL is not set")?;
    let metrics = &base.writer_metrics;
    let waiting = candidate.wait(database, &base.ledger, metrics, stop, || front.caught_up());
    let Some(lease) = waiting.await? else {
        return Ok(());
    };
    let membership = Some(lease.membership());
    let (scheduler, app) = match Scheduler::start(settings, wallet, base, membership, stop).await {
        Ok(started) => started,
        Err(error) => {
            lease.give_back().await;
            return Err(error);
        }
    };
    lease.report(scheduler.writer.clone());
    front.show(app);
    let place = format!("as writer {} on {}", member.name, member.database);
    output::line(&format!("rota is ready at {} {place}", lease.url()));
    let outcome = tokio::select! {
        () = stop.wait() => Ok(()),
        reason = cannot_write(&scheduler.writer) => Err(anyhow::anyhow!("{reason}")),
        () = lease.lost() => Err(anyhow::anyhow!("another machine holds the lease of this name")),
    };
    // In this order: whoever waits for the name takes it when nothing of this term comes any more.
    stop.trigger();
    scheduler.writer.refuse();
    let finished = scheduler.finish().await;
    lease.give_back().await;
    outcome.and(finished)
}

async fn cannot_write(writer: &Writer) -> &'static str {
    loop {
        if let Some(reason) = writer.refuses() {
            return reason;
        }
        sleep(WATCH).await;
    }
}
