//! Which databases are read, as every program that reads them is told: by the same variables.

use rota_readmodel::{DatabaseUrl, ReadModelConfig};
use rota_service::{ConfigError, Env, Setting};

/// Databases, separated by commas.
struct Databases(Vec<DatabaseUrl>);

impl Setting for Databases {
    const EXPECTS: &'static str = "postgres:// URLs, separated by commas";

    fn parse(text: &str) -> Option<Self> {
        let urls = text.split(',').map(|part| DatabaseUrl::parse(part.trim()));
        urls.collect::<Option<_>>().map(Self)
    }

    fn show(&self) -> String {
        self.0.iter().map(DatabaseUrl::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Reads `DATABASE_READ_URL` (replicas), `DATABASE_URL` (the primary, which answers what no replica can),
/// `DATABASE_CONNECTIONS_MAX` (for each), `READ_STALENESS_MAX` (how old an answer to an open-ended question
/// may be) and `REPLICA_LAG_MAX` (how far behind a replica is left out). Both URLs may be absent. The archive
/// is the caller's to add, since to make one takes a runtime: see
/// [`ReadModelConfig::archive`].
///
/// # Errors
/// One is malformed.
pub fn read_model(env: &mut Env) -> Result<ReadModelConfig, ConfigError> {
    let replicas = env.secret::<Databases>("DATABASE_READ_URL")?.map(|urls| urls.0);
    let primary = env.secret::<DatabaseUrl>("DATABASE_URL")?;
    let default = ReadModelConfig::default();
    Ok(ReadModelConfig {
        replicas: replicas.unwrap_or_default(),
        primary,
        archive: None,
        login: None,
        connections: env.or("DATABASE_CONNECTIONS_MAX", default.connections)?,
        staleness_max: env.or("READ_STALENESS_MAX", default.staleness_max)?,
        lag_max: env.or("REPLICA_LAG_MAX", default.lag_max)?,
    })
}
