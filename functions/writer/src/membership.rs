//! This writer as one of several: its name, and the directory that knows the others.

use rota_directory::AnyDirectory;
use rota_schedule::{Directory as _, DirectoryError, ProcessId, WriterName};

/// A writer's place among the others.
#[derive(Clone)]
pub struct Membership {
    /// Under which name it writes.
    pub name: WriterName,
    /// Where processes and writers are listed.
    pub directory: AnyDirectory,
}

impl Membership {
    /// Binds a process to this writer unless it is bound; true if it is this writer's then.
    pub(crate) async fn bind(&self, process: ProcessId) -> Result<bool, DirectoryError> {
        Ok(self.directory.bind(process, &self.name).await? == self.name)
    }

    /// Where a writer listens, if that is known.
    pub(crate) async fn url_of(
        &self,
        writer: &WriterName,
    ) -> Result<Option<String>, DirectoryError> {
        Ok(self.directory.writer(writer).await?.and_then(|record| record.url))
    }
}
