//! `rota checkpoint`: copies of a writer's ledger in S3 that are taken, listed and made ledgers again.

mod links;
mod list;
mod now;
mod restore;

use crate::settings::{self, WRITER_NAME_DEFAULT};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use list::ListArgs;
use now::NowArgs;
use restore::RestoreArgs;
use rota_archive::{ArchiveError, ArchiveSettings, Checkpoints, Fetching};
use rota_ledger::Ledger;
use rota_schedule::{DatabaseId, WriterName};
use rota_service::Env;
use rota_writer::ArchiverError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What can be done with checkpoints.
#[derive(Subcommand)]
pub(crate) enum CheckpointCommand {
    /// Show which checkpoints of a writer there are, the newest first.
    List(ListArgs),
    /// Make a ledger from a checkpoint, where there is none, and check every link of it.
    Restore(RestoreArgs),
    /// Take a checkpoint now, or have the writer take it that runs.
    Now(NowArgs),
}

/// Which checkpoints. The bucket is told by `ARCHIVE_BUCKET`, `ARCHIVE_PREFIX` and AWS's own settings.
#[derive(Args)]
struct Which {
    /// The writer's name [env: WRITER_NAME] [default: main]
    #[arg(long)]
    name: Option<String>,
}

impl Which {
    /// The writer's name, as flags and environment say.
    fn name(&self, env: &mut Env) -> anyhow::Result<WriterName> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => env.or("WRITER_NAME", WRITER_NAME_DEFAULT.to_owned())?,
        };
        name.parse().context("WRITER_NAME is no name")
    }

    /// The checkpoints, as flags and environment say.
    async fn checkpoints(&self, mut env: Env) -> anyhow::Result<Checkpoints> {
        let name = self.name(&mut env)?;
        let archive = ArchiveSettings::read(&mut env)?;
        let archive = archive.context("ARCHIVE_BUCKET is not set: checkpoints lie in a bucket")?;
        Ok(archive.checkpoints(name.as_str()).await)
    }
}

/// Where a scheduler keeps what it has.
#[derive(Args)]
struct DataDir {
    /// Where the ledger lies [env: SU_DATA_DIR] [default: rota-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// The environment with the flag over it, and the ledger's directory.
    fn ledger(&self) -> anyhow::Result<(Env, PathBuf)> {
        let mut env = dotenv()?;
        if let Some(dir) = &self.data_dir {
            env = env.with_flag("SU_DATA_DIR", dir.display().to_string());
        }
        let dir = settings::ledger_in(&settings::data_dir(&mut env)?);
        Ok((env, dir))
    }
}

/// Runs it.
pub(crate) fn run(command: CheckpointCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    match command {
        CheckpointCommand::List(args) => runtime.block_on(list::run(&args)),
        CheckpointCommand::Restore(args) => runtime.block_on(restore::run(&args)),
        CheckpointCommand::Now(args) => runtime.block_on(now::run(&args)),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn dotenv() -> anyhow::Result<Env> {
    Ok(Env::load(Some(Path::new(".env")))?)
}

/// Makes a ledger in `dir`, if there is none, from the newest checkpoint once all its links verify. If there is no
/// checkpoint, or the archive does not answer, nothing is made: the database has everything. A checkpoint of another
/// database than this one is an error.
pub(crate) async fn restore_if_absent(
    checkpoints: &Checkpoints,
    dir: &Path,
    database: Option<DatabaseId>,
) -> anyhow::Result<()> {
    let tell = |step: Fetching<'_>| match step {
        Fetching::Begun(manifest) => tracing::info!(
            checkpoint = %manifest.position(),
            bytes = manifest.bytes,
            "there is no ledger: fetching a checkpoint"
        ),
        Fetching::Bytes(_) => {}
        Fetching::Damaged(position, error) => {
            tracing::error!(checkpoint = %position, %error, "a checkpoint cannot be restored");
        }
    };
    let check = move |ledger: &Ledger| {
        same_database(ledger.database()?, database)?;
        Ok(links::check(ledger)?)
    };
    match rota_writer::restore(checkpoints, None, dir, &tell, check).await {
        Ok((_, checked)) => tracing::info!(?checked, "restored a checkpoint: all links verify"),
        Err(
            ArchiverError::Occupied { .. }
            | ArchiverError::Archive(ArchiveError::NoCheckpoint { .. }),
        ) => {}
        Err(ArchiverError::Archive(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "no checkpoint was restored");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn same_database(theirs: Option<DatabaseId>, here: Option<DatabaseId>) -> anyhow::Result<()> {
    match (theirs, here) {
        (Some(theirs), Some(here)) if theirs != here => bail!(
            "the checkpoints of this name belong to another database\n  \
             the checkpoint's database: {theirs}\n  \
             the database here: {here}\n  \
             To go on, set ARCHIVE_BUCKET, ARCHIVE_PREFIX and WRITER_NAME to what belongs to this database"
        ),
        _ => Ok(()),
    }
}
