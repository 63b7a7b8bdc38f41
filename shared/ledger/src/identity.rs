//! Which database a ledger works with, and whether the two agree.
//!
//! A ledger that has had a database never forgets it by itself. Without that database it may lack the newest entries,
//! and would place others at their nonces.

use crate::{
    Ledger, LedgerError,
    key::{Family, META_DATABASE, META_SETTLED_TERM},
    record, store,
};
use rocksdb::WriteBatch;
use rota_schedule::DatabaseId;

/// Stored as the settled term of a ledger that works with a database and agrees with it under no term: terms begin
/// at 1.
pub(crate) const NO_TERM: u64 = 0;

impl Ledger {
    /// The term under which this ledger and its database were last found to agree.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn settled_term(&self) -> Result<Option<u64>, LedgerError> {
        let bytes = self.store().get(Family::Meta, META_SETTLED_TERM)?;
        let term = bytes.map(|bytes| record::read_number("settled term", &bytes)).transpose()?;
        Ok(term.filter(|term| *term != NO_TERM))
    }

    /// The database that this ledger works with; `None` if it never had one, or had it under a release that did
    /// not remember it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn database(&self) -> Result<Option<DatabaseId>, LedgerError> {
        let bytes = self.store().get(Family::Meta, META_DATABASE)?;
        bytes.map(|bytes| record::read_id(&bytes).map(DatabaseId)).transpose()
    }

    /// Whether entries here may lie in a database, too: then the ledger alone does not know its schedules. A ledger
    /// of an earlier release tells it by its settled term, or by entries without a scheduler, which only a standby
    /// has.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_had_database(&self) -> Result<bool, LedgerError> {
        let has = |key| Ok::<_, LedgerError>(self.store().get(Family::Meta, key)?.is_some());
        if has(META_DATABASE)? || has(META_SETTLED_TERM)? {
            return Ok(true);
        }
        Ok(self.scheduler_address().is_none() && self.processes()?.next().is_some())
    }

    /// Remembers, durably, which database this ledger works with. What it agreed on with another one is forgotten.
    /// `None`: it works alone.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn set_database(&self, database: Option<DatabaseId>) -> Result<(), LedgerError> {
        let known = self.database()?;
        if known.is_some() && known == database {
            return Ok(());
        }
        let store = self.store();
        let meta = store.family(Family::Meta)?;
        let mut batch = WriteBatch::default();
        match database {
            Some(database) => batch.put_cf(meta, META_DATABASE, record::write_id(database.0)),
            None => batch.delete_cf(meta, META_DATABASE),
        }
        if known.is_some() || database.is_none() {
            batch.delete_cf(meta, META_SETTLED_TERM);
        }
        Ok(store.db.write_opt(batch, &store::synced())?)
    }

    /// Remembers, durably, that ledger and database agree under a term; `None`: that they may not.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn settle(&self, term: Option<u64>) -> Result<(), LedgerError> {
        let store = self.store();
        let (meta, sync) = (store.family(Family::Meta)?, store::synced());
        match term {
            Some(term) => {
                store.db.put_cf_opt(meta, META_SETTLED_TERM, record::write_number(term), &sync)?;
            }
            None => store.db.delete_cf_opt(meta, META_SETTLED_TERM, &sync)?,
        }
        Ok(())
    }
}
