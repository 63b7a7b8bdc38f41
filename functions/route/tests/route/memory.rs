//! A directory in memory, which can be away, and counts what it is asked.

use parking_lot::Mutex;
use rota_schedule::{
    Directory, DirectoryError, DirectoryResult, Lease, LeaseHolder, Load, ProcessId, Removal,
    RoutePolicy, WriterName, WriterRecord,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Clones are the same directory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    writers: BTreeMap<WriterName, WriterRecord>,
    owners: HashMap<ProcessId, WriterName>,
    is_away: bool,
    owners_asked: usize,
    lists_asked: usize,
}

impl Memory {
    /// Adds a writer with a lease, or without.
    pub(crate) fn add(&self, name: &str, url: &str, has_lease: bool) {
        let holder = LeaseHolder([1; 16]);
        let record = WriterRecord {
            name: name.parse().unwrap(),
            url: Some(url.to_owned()),
            lease: has_lease.then_some(Lease { holder, beat: 1, released: false }),
            load: Load::default(),
            processes: 0,
            policy: RoutePolicy::default(),
        };
        self.0.lock().writers.insert(record.name.clone(), record);
    }

    /// Changes a writer's record.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut WriterRecord)) {
        change(self.0.lock().writers.get_mut(&name.parse::<WriterName>().unwrap()).unwrap());
    }

    /// Binds a process whatever it was bound to.
    pub(crate) fn set_owner(&self, process: ProcessId, name: &str) {
        self.0.lock().owners.insert(process, name.parse().unwrap());
    }

    /// From now on it does not answer, or does again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.0.lock().is_away = is_away;
    }

    /// How many processes are bound.
    pub(crate) fn bound(&self) -> usize {
        self.0.lock().owners.len()
    }

    /// How often it was asked for an owner, and for the list.
    pub(crate) fn asked(&self) -> (usize, usize) {
        let inner = self.0.lock();
        (inner.owners_asked, inner.lists_asked)
    }

    fn there(&self) -> DirectoryResult<parking_lot::MutexGuard<'_, Inner>> {
        let inner = self.0.lock();
        if inner.is_away { Err(DirectoryError::Unavailable("away".into())) } else { Ok(inner) }
    }
}

impl Directory for Memory {
    async fn owner(&self, process: ProcessId) -> DirectoryResult<Option<WriterName>> {
        self.0.lock().owners_asked += 1;
        let inner = self.there()?;
        Ok(inner.owners.get(&process).cloned())
    }

    async fn bind(&self, process: ProcessId, writer: &WriterName) -> DirectoryResult<WriterName> {
        let mut inner = self.there()?;
        if let Some(owner) = inner.owners.get(&process) {
            return Ok(owner.clone());
        }
        inner.owners.insert(process, writer.clone());
        inner.writers.get_mut(writer).unwrap().processes += 1;
        Ok(writer.clone())
    }

    async fn rebind(
        &self,
        _: ProcessId,
        _: &WriterName,
        _: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        unimplemented!("a router moves nothing")
    }

    async fn writers(&self) -> DirectoryResult<Vec<WriterRecord>> {
        self.0.lock().lists_asked += 1;
        let inner = self.there()?;
        Ok(inner.writers.values().cloned().collect())
    }

    async fn writer(&self, name: &WriterName) -> DirectoryResult<Option<WriterRecord>> {
        Ok(self.there()?.writers.get(name).cloned())
    }

    async fn set_policy(&self, _: &WriterName, _: &RoutePolicy) -> DirectoryResult<()> {
        unimplemented!("a router decides nothing")
    }

    async fn remove_writer(&self, _: &WriterName, _: Option<Lease>) -> DirectoryResult<Removal> {
        unimplemented!("a router removes nobody")
    }

    async fn take_lease(
        &self,
        _: &WriterName,
        _: LeaseHolder,
        _: Option<Lease>,
    ) -> DirectoryResult<Option<Lease>> {
        unimplemented!("a router leases nothing")
    }

    async fn beat(
        &self,
        _: &WriterName,
        _: LeaseHolder,
        _: &str,
        _: Load,
    ) -> DirectoryResult<Option<Lease>> {
        unimplemented!("a router leases nothing")
    }

    async fn release_lease(&self, _: &WriterName, _: LeaseHolder) -> DirectoryResult<bool> {
        unimplemented!("a router leases nothing")
    }
}
