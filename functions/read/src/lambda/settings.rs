//! What the function can be told, by its environment.

use crate::settings::read_model;
use rota_archive::ArchiveSettings;
use rota_lambda::{FunctionSettings, ResponseMode};
use rota_readmodel::ReadModelConfig;
use rota_schedule::{PAGE_BYTES_MAX, PAGE_PART_BYTES_MAX};
use rota_service::{ConfigError, Env, Setting};

/// How the function logs in to its databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DatabaseAuth {
    /// With what the URLs say, or `PGPASSWORD`.
    #[default]
    Password,
    /// With tokens that are signed with the function's own role (Amazon's servers): no secret is stored.
    Iam,
}

impl Setting for DatabaseAuth {
    const EXPECTS: &'static str = "password or iam";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "password" => Some(Self::Password),
            "iam" => Some(Self::Iam),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Password => "password".to_owned(),
            Self::Iam => "iam".to_owned(),
        }
    }
}

/// All settings of the function.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which databases, and how: see [`read_model`].
    pub model: ReadModelConfig,
    /// Where large bodies lie, if the writers have an archive.
    pub archive: Option<ArchiveSettings>,
    /// `DATABASE_AUTH`: how it logs in.
    pub auth: DatabaseAuth,
    /// The rest; `READ_CONCURRENCY_MAX` says how many requests are worked on at once.
    pub function: FunctionSettings,
}

impl Settings {
    /// Reads them all.
    ///
    /// # Errors
    /// One is malformed, or no database is named.
    pub fn read(env: &mut Env) -> Result<Self, ConfigError> {
        Ok(Self {
            model: model(env)?,
            archive: ArchiveSettings::read(env)?,
            auth: env.or("DATABASE_AUTH", DatabaseAuth::default())?,
            function: FunctionSettings::read(env, "READ_CONCURRENCY_MAX", "rota-read")?,
        })
    }

    /// The most bytes of a page. JSON of what is held as a whole has to fit the platform's 6 MB.
    #[must_use]
    pub const fn page_bytes_max(&self) -> usize {
        match self.function.response {
            ResponseMode::Stream => PAGE_BYTES_MAX,
            ResponseMode::Buffer => PAGE_PART_BYTES_MAX,
        }
    }
}

fn model(env: &mut Env) -> Result<ReadModelConfig, ConfigError> {
    let model = read_model(env)?;
    if model.replicas.is_empty() && model.primary.is_none() {
        let expects = "postgres:// URLs, separated by commas";
        return Err(ConfigError::Missing { name: "DATABASE_READ_URL", expects });
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(&mut Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn every_setting_is_read() {
        let settings = read(&[
            ("DATABASE_READ_URL", "postgres://a@one/rota, postgres://a@two/rota"),
            ("DATABASE_URL", "postgres://a:secret@three/rota"),
            ("DATABASE_CONNECTIONS_MAX", "7"),
            ("READ_STALENESS_MAX", "250ms"),
            ("REPLICA_LAG_MAX", "3s"),
            ("READ_CONCURRENCY_MAX", "5"),
            ("ARCHIVE_BUCKET", "bodies"),
            ("DATABASE_AUTH", "iam"),
        ])
        .unwrap();
        let model = &settings.model;
        assert_eq!((model.replicas.len(), model.connections), (2, 7));
        let times = (model.staleness_max, model.lag_max);
        assert_eq!(times, (Duration::from_millis(250), Duration::from_secs(3)));
        assert_eq!((settings.function.concurrency, settings.auth), (5, DatabaseAuth::Iam));
        assert_eq!(
            settings.archive.as_ref().map(|archive| archive.bucket.as_str()),
            Some("bodies")
        );
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_function_that_buffers_serves_pages_that_fit_a_document() {
        let database = ("DATABASE_URL", "postgres://a@b/c");
        for (mode, bytes) in [("stream", 100 << 20), ("buffer", 4 << 20)] {
            let settings = read(&[database, ("LAMBDA_RESPONSE", mode)]).unwrap();
            assert_eq!(settings.page_bytes_max(), bytes, "{mode}");
        }
        assert_eq!(read(&[database]).unwrap().page_bytes_max(), 100 << 20);
    }

    #[test]
    fn one_database_is_enough_and_none_is_not() {
        assert!(read(&[("DATABASE_URL", "postgres://a@b/c")]).unwrap().model.primary.is_some());
        let settings = read(&[("DATABASE_READ_URL", "postgres://a@b/c")]).unwrap();
        assert_eq!(settings.model.staleness_max, Duration::ZERO, "strict");
        assert_eq!((settings.archive, settings.auth), (None, DatabaseAuth::Password));
        let error = read(&[("DATABASE_READ_URL", " ")]).unwrap_err().to_string();
        assert!(error.starts_with("DATABASE_READ_URL is not set"), "{error}");
    }

    #[test]
    fn wrong_values_are_named_and_passwords_are_not_shown() {
        for (name, value) in [
            ("DATABASE_READ_URL", "postgres://a:secret@b/c,,"),
            ("DATABASE_READ_URL", "mysql://a:secret@b/c"),
            ("DATABASE_URL", "secret"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
        let given = [("DATABASE_URL", "postgres://a@b/c"), ("READ_CONCURRENCY_MAX", "-1")];
        assert!(read(&given).unwrap_err().to_string().contains("READ_CONCURRENCY_MAX"));
    }
}
