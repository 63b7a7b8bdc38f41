//! Whichever directory the settings name.

use crate::DynamoDirectory;
#[cfg(feature = "postgres")]
use crate::PostgresDirectory;
use rota_schedule::{
    Directory, DirectoryResult, Lease, LeaseHolder, Load, ProcessId, Removal, RoutePolicy,
    WriterName, WriterRecord,
};

/// One of the stores, chosen when the program starts. Clones share connections.
#[derive(Clone, Debug)]
pub enum AnyDirectory {
    /// In DynamoDB.
    Dynamo(DynamoDirectory),
    /// In Postgres.
    #[cfg(feature = "postgres")]
    Postgres(PostgresDirectory),
}

/// The same call of whichever store it is.
macro_rules! delegate {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            AnyDirectory::Dynamo($store) => $call.await,
            #[cfg(feature = "postgres")]
            AnyDirectory::Postgres($store) => $call.await,
        }
    };
}

impl Directory for AnyDirectory {
    async fn owner(&self, process: ProcessId) -> DirectoryResult<Option<WriterName>> {
        delegate!(self, store => store.owner(process))
    }

    async fn bind(&self, process: ProcessId, writer: &WriterName) -> DirectoryResult<WriterName> {
        delegate!(self, store => store.bind(process, writer))
    }

    async fn rebind(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        delegate!(self, store => store.rebind(process, from, to))
    }

    async fn writers(&self) -> DirectoryResult<Vec<WriterRecord>> {
        delegate!(self, store => store.writers())
    }

    async fn writer(&self, name: &WriterName) -> DirectoryResult<Option<WriterRecord>> {
        delegate!(self, store => store.writer(name))
    }

    async fn set_policy(&self, name: &WriterName, policy: &RoutePolicy) -> DirectoryResult<()> {
        delegate!(self, store => store.set_policy(name, policy))
    }

    async fn remove_writer(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> DirectoryResult<Removal> {
        delegate!(self, store => store.remove_writer(name, seen))
    }

    async fn take_lease(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        seen: Option<Lease>,
    ) -> DirectoryResult<Option<Lease>> {
        delegate!(self, store => store.take_lease(name, holder, seen))
    }

    async fn beat(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        url: &str,
        load: Load,
    ) -> DirectoryResult<Option<Lease>> {
        delegate!(self, store => store.beat(name, holder, url, load))
    }

    async fn release_lease(&self, name: &WriterName, holder: LeaseHolder) -> DirectoryResult<bool> {
        delegate!(self, store => store.release_lease(name, holder))
    }
}
