//! Copies of a ledger: making one while it is written to, and making one a ledger of its own.
//!
//! The database knows by its id which ledger wrote last under a name (`Holder`), and lets that one go on
//! without comparing anything. A copy is behind the moment after it was made, so it must never pass for the
//! ledger it was copied from: [`Ledger::adopt_copy`] gives it another id before anybody opens it. It still belongs
//! to the same database, and to the same wallet.

use crate::{
    Ledger, LedgerError, LedgerOptions,
    identity::NO_TERM,
    key::{Family, META_ID, META_SETTLED_TERM},
    open, record, store,
};
use rocksdb::{WriteBatch, checkpoint::Checkpoint};
use std::path::Path;

/// A copy that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// How many processes the ledger held right before.
    pub processes: u64,
}

impl Ledger {
    /// Makes a copy of the ledger as of one moment in `dir`, which must not exist; it lies on the same file
    /// system. Everything that was committed before the call is in it, and nothing of a batch but all of it.
    ///
    /// Writes go on meanwhile: what is in memory is written to tables in the background, tables and bodies
    /// are linked, and only the record of which files there are is copied. Blocks for as long as that
    /// takes: not to be called from async tasks.
    ///
    /// # Errors
    /// The directory is there already, or the store cannot be read or written.
    pub fn checkpoint(&self, dir: &Path) -> Result<CheckpointInfo, LedgerError> {
        let mut processes = 0;
        for process in self.processes()? {
            process?;
            processes += 1;
        }
        Checkpoint::new(&self.store().db)?.create_checkpoint(dir)?;
        Ok(CheckpointInfo { processes })
    }

    /// Makes the copy of a ledger in `dir` a ledger of its own, durably: it has a new id, and is not known to
    /// agree with its database. It keeps that it has one. To be called before anybody opens it; calling it again does no harm.
    ///
    /// # Errors
    /// [`LedgerError::NotALedger`] if there is none, and whatever [`Ledger::open`] says.
    pub fn adopt_copy(dir: &Path) -> Result<(), LedgerError> {
        if !open::is_store(dir)? {
            return Err(LedgerError::NotALedger { dir: dir.to_owned() });
        }
        let store = open::open(dir, &LedgerOptions::default())?;
        let meta = store.family(Family::Meta)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, META_ID, record::write_id(rand::random()));
        if store.get(Family::Meta, META_SETTLED_TERM)?.is_some() {
            batch.put_cf(meta, META_SETTLED_TERM, record::write_number(NO_TERM));
        }
        Ok(store.db.write_opt(batch, &store::synced())?)
    }
}
