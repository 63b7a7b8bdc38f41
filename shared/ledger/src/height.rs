//! The block height that a ledger keeps across restarts.

use crate::{
    LedgerError,
    key::{Family, META_BLOCK_HEIGHT, META_BLOCK_HEIGHT_TIME},
    record,
    store::Store,
};
use rota_schedule::Timestamp;

/// A block height that was known, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptHeight {
    /// The height.
    pub height: u64,
    /// When a gateway told it; `None` in a ledger of before this was kept.
    pub told: Option<Timestamp>,
}

impl KeptHeight {
    /// What the store keeps.
    ///
    /// # Errors
    /// A record is damaged, or cannot be read.
    pub(crate) fn load(store: &Store) -> Result<Option<Self>, LedgerError> {
        let number = |key, name: &'static str| {
            let bytes = store.get(Family::Meta, key)?;
            bytes.map(|bytes| record::read_number(name, &bytes)).transpose()
        };
        let Some(height) = number(META_BLOCK_HEIGHT, "block height")? else { return Ok(None) };
        let told = number(META_BLOCK_HEIGHT_TIME, "block height time")?.map(Timestamp);
        Ok(Some(Self { height, told }))
    }
}
