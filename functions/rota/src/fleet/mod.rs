//! The operator's commands over many writers: `rota writers`, `rota move`, `rota drain`.
//!
//! They talk to the database and the directory only, so they run wherever those can be reached; the writers
//! find what is asked of them there. Settings are those of the writers.

mod alive;
mod draining;
mod moving;
mod removing;
mod table;

pub(crate) use draining::DrainArgs;
pub(crate) use moving::MoveArgs;
pub(crate) use table::WritersCommand;

use crate::client::block_on;
use anyhow::Context as _;
use rota_directory::{AnyDirectory, DirectorySettings};
use rota_readmodel::Operator;
use rota_service::Env;
use std::path::Path;
use std::process::ExitCode;

/// What is asked of whom.
struct Fleet {
    operator: Option<Operator>,
    directory: Option<AnyDirectory>,
}

impl Fleet {
    async fn connect() -> anyhow::Result<Self> {
        let mut env = Env::load(Some(Path::new(".env")))?;
        let directory = match DirectorySettings::read(&mut env)? {
            Some(settings) => Some(settings.open().await?),
            None => None,
        };
        let operator = rota_read::read_model(&mut env)?.primary.map(|url| Operator::new(&url));
        Ok(Self { operator, directory })
    }

    fn operator(&self) -> anyhow::Result<&Operator> {
        self.operator.as_ref().context("DATABASE_URL is not set: orders are left in the database")
    }

    fn directory(&self) -> anyhow::Result<&AnyDirectory> {
        self.directory.as_ref().context(
            "neither DIRECTORY_TABLE nor SCHEDULER_LIST_PATH nor DIRECTORY=postgres is set: there is \
             no directory of writers",
        )
    }
}

pub(crate) fn run_move(args: &MoveArgs) -> anyhow::Result<ExitCode> {
    block_on(async { moving::run(&Fleet::connect().await?, args).await })
}

pub(crate) fn run_drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    block_on(async { draining::run(&Fleet::connect().await?, args).await })
}

pub(crate) fn run_writers(command: &WritersCommand) -> anyhow::Result<ExitCode> {
    block_on(async { table::run(&Fleet::connect().await?, command).await })
}
