//! Taking a checkpoint: what is new is sent, then the manifest is written, then what is old goes.

use super::hashes::{self, LocalFile};
use super::{Checkpoints, FILES_AT_ONCE, FileHash, Manifest, ManifestFile, Position};
use crate::ArchiveError;
use crate::bucket::Put;
use futures_util::{TryStreamExt as _, stream};
use rota_schedule::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// A ledger at one moment, as a directory of files that nobody changes any more.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where the files are; nothing else is there.
    pub dir: PathBuf,
    /// Where the hashes of files are remembered: beside the ledger.
    pub hashes: PathBuf,
    /// Whose files they are.
    pub ledger: [u8; 16],
    /// How many processes it holds.
    pub processes: u64,
    /// When it was made, for people.
    pub created: Timestamp,
}

/// A checkpoint that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub position: Position,
    /// How many files it has.
    pub files: usize,
    /// How many bytes these have.
    pub bytes: u64,
    /// How many files were sent: the others were there already.
    pub files_sent: usize,
    /// How many bytes these have.
    pub bytes_sent: u64,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, files, bytes, files_sent, bytes_sent } = self;
        write!(
            f,
            "checkpoint {position}: {files} files of {bytes} bytes, of which {files_sent} of \
             {bytes_sent} bytes were sent"
        )
    }
}

impl Checkpoints {
    /// Takes a checkpoint under a term: sends what the newest one does not hold, writes the manifest, and
    /// deletes what is older than the newest few. May be given up at any point: then there is no new
    /// checkpoint, or it is complete, and a later one clears up.
    ///
    /// # Errors
    /// [`ArchiveError::Overtaken`] if a newer term has checkpoints already; [`ArchiveError::Unavailable`],
    /// [`ArchiveError::Io`], [`ArchiveError::Conflict`], [`ArchiveError::TooLarge`].
    pub async fn take(&self, snapshot: &Snapshot, term: u64) -> Result<Taken, ArchiveError> {
        let listed = self.list().await?;
        let position = Position { term, seq: self.next_seq(term, &listed).await? };
        let newest = listed.first().copied();
        if newest.is_some_and(|newest| newest > position) {
            return Err(ArchiveError::Overtaken { position });
        }
        let base = self.base(newest).await?;
        let (dir, record) = (snapshot.dir.clone(), snapshot.hashes.clone());
        let files = tokio::task::spawn_blocking(move || hashes::hash_all(&dir, &record)).await;
        let files = files.map_err(|died| ArchiveError::Io {
            path: snapshot.dir.clone(),
            source: io::Error::other(died),
        })??;
        let plan = self.plan(position, files, base.as_ref());
        self.send(&plan).await?;
        let taken = plan.taken(position);
        let Snapshot { ledger, created, processes, .. } = *snapshot;
        let manifest = Manifest::new(position, ledger, created, processes, plan.files);
        self.publish(&manifest, base.map(|base| base.position())).await?;
        if let Err(error) = self.sweep(position).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "old checkpoints are not deleted; the next one tries again");
        }
        Ok(taken)
    }

    /// A number under which nothing was ever sent in this term, not even by a checkpoint that was cut off.
    async fn next_seq(&self, term: u64, listed: &[Position]) -> Result<u64, ArchiveError> {
        let of_term = format!("{}{}", self.files(), Position::padded_term(term));
        let keys = self.bucket.list(&of_term).await?;
        let sent = keys.iter().filter_map(|key| self.position_of_file(key));
        let used = sent.chain(listed.iter().copied()).filter(|position| position.term == term);
        Ok(used.map(|position| position.seq).max().unwrap_or(0).saturating_add(1))
    }

    /// The newest checkpoint. One that cannot be read is none: then everything is sent.
    async fn base(&self, newest: Option<Position>) -> Result<Option<Manifest>, ArchiveError> {
        let Some(newest) = newest else {
            return Ok(None);
        };
        match self.manifest(newest).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if error.is_of_the_object() => {
                tracing::warn!(%error, "the newest checkpoint cannot be built upon");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What goes into the checkpoint, and what of that is not in the bucket.
    fn plan(&self, position: Position, found: Vec<LocalFile>, base: Option<&Manifest>) -> Plan {
        let there: HashMap<_, _> =
            base.iter().flat_map(|base| &base.files).map(|file| (&file.name, file)).collect();
        let mut plan = Plan::default();
        for local in found {
            let same =
                |file: &&&ManifestFile| (file.size, file.sha256) == (local.size, local.sha256);
            if let Some(file) = there.get(&local.name).filter(same) {
                plan.files.push((*file).clone());
                continue;
            }
            let key = self.file_key(position, &local.name);
            let LocalFile { name, size, sha256, .. } = local.clone();
            plan.files.push(ManifestFile { name, key: key.clone(), size, sha256 });
            plan.new.push((key, local));
        }
        // The largest first: then the last to arrive is a small one.
        plan.new.sort_unstable_by_key(|(_, file)| std::cmp::Reverse(file.size));
        plan
    }

    async fn send(&self, plan: &Plan) -> Result<(), ArchiveError> {
        stream::iter(plan.new.iter().map(Ok))
            .try_for_each_concurrent(FILES_AT_ONCE, |(key, file)| self.bucket.put_file(key, file))
            .await
    }

    /// Writes the manifest, and takes it back unless everything it names is sure to stay: see the
    /// [module's](super) head.
    async fn publish(
        &self,
        manifest: &Manifest,
        base: Option<Position>,
    ) -> Result<(), ArchiveError> {
        let position = manifest.position();
        let (key, json) = (self.manifest_key(position), manifest.to_json());
        let sha256 = FileHash::of(&json);
        if self.bucket.put_new(&key, json.clone(), sha256).await? == Put::Exists {
            match self.bucket.get(&key, json.len()).await {
                Ok(there) if there == json => {} // an attempt of ours whose answer was lost
                Ok(_) | Err(ArchiveError::Damaged { .. }) => {
                    return Err(ArchiveError::Conflict { key });
                }
                Err(ArchiveError::Missing { .. }) => {
                    return Err(ArchiveError::Overtaken { position }); // somebody has cleared it up
                }
                Err(unknown) => return Err(unknown),
            }
        }
        let listed = self.list().await?;
        let base_stays = base.is_none_or(|base| listed.contains(&base));
        if listed.first() == Some(&position) && base_stays {
            return Ok(());
        }
        self.bucket.delete(&[key]).await?;
        Err(ArchiveError::Overtaken { position })
    }
}

/// What a checkpoint is to hold.
#[derive(Default)]
struct Plan {
    /// Everything.
    files: Vec<ManifestFile>,
    /// What has to be sent, and where to.
    new: Vec<(String, LocalFile)>,
}

impl Plan {
    fn taken(&self, position: Position) -> Taken {
        Taken {
            position,
            files: self.files.len(),
            bytes: self.files.iter().map(|file| file.size).sum(),
            files_sent: self.new.len(),
            bytes_sent: self.new.iter().map(|(_, file)| file.size).sum(),
        }
    }
}
