//! Where the archive is, as every program that uses it is told.

use crate::{Archive, CHECKPOINTS_KEEP_DEFAULT, Checkpoints};
use rota_service::{ConfigError, Env, Setting};
use std::num::NonZero;

/// How many checkpoints are kept.
struct Keep(NonZero<usize>);

impl Setting for Keep {
    const EXPECTS: &'static str = "a whole number from 1 up";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Which bucket, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// The bucket (`ARCHIVE_BUCKET`).
    pub bucket: String,
    /// What stands before every key (`ARCHIVE_PREFIX`); may be empty.
    pub prefix: String,
    /// How many checkpoints of a writer are kept (`CHECKPOINTS_KEEP`).
    pub keep: NonZero<usize>,
}

impl ArchiveSettings {
    /// Reads them; `None` if no bucket is named.
    ///
    /// # Errors
    /// One is malformed.
    pub fn read(env: &mut Env) -> Result<Option<Self>, ConfigError> {
        let bucket: Option<String> = env.get("ARCHIVE_BUCKET")?;
        let prefix = env.or("ARCHIVE_PREFIX", String::new())?;
        let keep = env.or("CHECKPOINTS_KEEP", Keep(CHECKPOINTS_KEEP_DEFAULT))?.0;
        Ok(bucket.map(|bucket| Self { bucket, prefix, keep }))
    }

    /// The archive, by AWS's own settings. Asks nobody yet.
    pub async fn archive(&self) -> Archive {
        Archive::new(&rota_aws::sdk_config().await, &self.bucket, &self.prefix)
    }

    /// The checkpoints of a writer in it.
    pub async fn checkpoints(&self, writer: &str) -> Checkpoints {
        self.archive().await.checkpoints(writer, self.keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bucket_there_is_no_archive() {
        let read = |pairs: &[(&str, &str)]| {
            ArchiveSettings::read(&mut Env::from_pairs(pairs.iter().copied()))
        };
        assert_eq!(read(&[("ARCHIVE_PREFIX", "a")]).unwrap(), None);
        let plain = read(&[("ARCHIVE_BUCKET", "b")]).unwrap().unwrap();
        assert_eq!((plain.prefix.as_str(), plain.keep), ("", CHECKPOINTS_KEEP_DEFAULT));
        let all = [("ARCHIVE_BUCKET", "b"), ("ARCHIVE_PREFIX", "p"), ("CHECKPOINTS_KEEP", "9")];
        let all = read(&all).unwrap().unwrap();
        assert_eq!((all.prefix.as_str(), all.keep.get()), ("p", 9));
        let none = [("ARCHIVE_BUCKET", "b"), ("CHECKPOINTS_KEEP", "0")];
        assert!(read(&none).unwrap_err().to_string().contains("CHECKPOINTS_KEEP"));
    }
}
