//! Which directory a program uses, as it is told by its environment.

use crate::{AnyDirectory, DynamoDirectory};
#[cfg(feature = "postgres")]
use crate::{PostgresDirectory, StaticList};
#[cfg(feature = "postgres")]
use rota_readmodel::DatabaseUrl;
use rota_service::{ConfigError, Env, Setting};
#[cfg(feature = "postgres")]
use std::path::PathBuf;

/// The two kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dynamo,
    #[cfg(feature = "postgres")]
    Postgres,
}

impl Setting for Kind {
    #[cfg(feature = "postgres")]
    const EXPECTS: &'static str = "dynamodb or postgres";
    #[cfg(not(feature = "postgres"))]
    const EXPECTS: &'static str = "dynamodb";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "dynamodb" => Some(Self::Dynamo),
            #[cfg(feature = "postgres")]
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Dynamo => "dynamodb",
            #[cfg(feature = "postgres")]
            Self::Postgres => "postgres",
        }
        .to_owned()
    }
}

/// A directory that the settings name.
#[derive(Clone, Debug)]
pub enum DirectorySettings {
    /// In a table of DynamoDB.
    Dynamo {
        /// The table.
        table: String,
    },
    /// In Postgres.
    #[cfg(feature = "postgres")]
    Postgres {
        /// The primary.
        database: Box<DatabaseUrl>,
        /// The file that lists writers, if not all of them register by themselves.
        list: Option<PathBuf>,
    },
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be reached, or not brought up to date.
    #[cfg(feature = "postgres")]
    #[error("the directory's database cannot be used")]
    Database(#[source] rota_readmodel::ModelError),
    /// The list of writers is wrong.
    #[cfg(feature = "postgres")]
    #[error("SCHEDULER_LIST_PATH is {}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: crate::ListError,
    },
    /// The list of writers could not be loaded.
    #[cfg(feature = "postgres")]
    #[error("the list of writers could not be loaded")]
    Load(#[source] rota_schedule::DirectoryError),
}

impl DirectorySettings {
    /// Reads `DIRECTORY` (`dynamodb` or `postgres`), `DIRECTORY_TABLE` (the table in DynamoDB), and with
    /// feature `postgres` `SCHEDULER_LIST_PATH` (the reference's list of writers) and `DATABASE_URL`.
    /// Without `DIRECTORY`, a table means DynamoDB and a list Postgres; without any of them there is no
    /// directory.
    ///
    /// # Errors
    /// One is malformed, missing for that kind, or both a table and a list are there without `DIRECTORY`.
    pub fn read(env: &mut Env) -> Result<Option<Self>, ConfigError> {
        let kind = env.get::<Kind>("DIRECTORY")?;
        let table = env.get::<String>("DIRECTORY_TABLE")?;
        #[cfg(feature = "postgres")]
        {
            let list = env.get::<PathBuf>("SCHEDULER_LIST_PATH")?;
            if kind.is_none() && table.is_some() && list.is_some() {
                let expects =
                    "dynamodb or postgres, as DIRECTORY_TABLE and SCHEDULER_LIST_PATH are both set";
                return Err(ConfigError::Missing { name: "DIRECTORY", expects });
            }
            if kind == Some(Kind::Postgres) || (kind.is_none() && list.is_some()) {
                let expects = DatabaseUrl::EXPECTS;
                let database = env.secret::<DatabaseUrl>("DATABASE_URL")?;
                let database =
                    database.ok_or(ConfigError::Missing { name: "DATABASE_URL", expects })?;
                return Ok(Some(Self::Postgres { database: Box::new(database), list }));
            }
        }
        match (kind, table) {
            (_, Some(table)) => Ok(Some(Self::Dynamo { table })),
            (None, None) => Ok(None),
            (Some(_), None) => {
                let expects = "the name of a table in DynamoDB";
                Err(ConfigError::Missing { name: "DIRECTORY_TABLE", expects })
            }
        }
    }

    /// The directory. One in Postgres is brought up to date first, and has the list loaded; one in DynamoDB
    /// is not asked anything yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(&self) -> Result<AnyDirectory, OpenError> {
        match self {
            Self::Dynamo { table } => {
                let config = rota_aws::sdk_config().await;
                Ok(AnyDirectory::Dynamo(DynamoDirectory::new(&config, table.clone())))
            }
            #[cfg(feature = "postgres")]
            Self::Postgres { database, list } => {
                rota_readmodel::migrate(database).await.map_err(OpenError::Database)?;
                let directory = PostgresDirectory::new(database);
                if let Some(path) = list {
                    let unusable = |source| OpenError::List { path: path.clone(), source };
                    let list = StaticList::read(path).map_err(unusable)?;
                    directory.load(&list).await.map_err(OpenError::Load)?;
                }
                Ok(AnyDirectory::Postgres(directory))
            }
        }
    }
}

#[cfg(test)]
mod tests;
