//! Clearing up: old manifests go first, then the files that none of the remaining ones names. The
//! [module's](super) head says why in this order.

use super::{Checkpoints, Position};
use crate::ArchiveError;
use std::collections::HashSet;

impl Checkpoints {
    /// Deletes what is older than the newest few checkpoints, and nothing that is newer than `own`, the
    /// caller's newest. A manifest that cannot be read keeps all files: it may name them.
    pub(super) async fn sweep(&self, own: Position) -> Result<(), ArchiveError> {
        let listed = self.list().await?;
        let old = listed.iter().skip(self.keep.get()).filter(|position| **position <= own);
        let old: Vec<_> = old.map(|position| self.manifest_key(*position)).collect();
        self.bucket.delete(&old).await?;
        let named = self.named().await?;
        let files = self.bucket.list(&self.files()).await?;
        let is_old = |key: &&String| self.position_of_file(key).is_some_and(|sent| sent <= own);
        let unnamed = files.iter().filter(is_old).filter(|key| !named.contains(*key));
        self.bucket.delete(&unnamed.cloned().collect::<Vec<_>>()).await
    }

    /// The keys of all files of all checkpoints that there are.
    async fn named(&self) -> Result<HashSet<String>, ArchiveError> {
        let mut named = HashSet::new();
        for position in self.list().await? {
            match self.manifest(position).await {
                Ok(manifest) => named.extend(manifest.files.into_iter().map(|file| file.key)),
                Err(ArchiveError::Missing { .. }) => {} // somebody else clears up, too
                Err(error) => return Err(error),
            }
        }
        Ok(named)
    }
}
