//! The proof that an item's signature was checked, as a type.
//!
//! It is here without the feature `verify` too, where nothing can make one: so what handles verified
//! items need not link the schemes.

use crate::Item;

/// An item whose owner signed it. Only `Item::verify` (feature `verify`) makes one.
#[derive(Clone, Debug)]
pub struct VerifiedItem(Item);

impl VerifiedItem {
    /// To be called by `Item::verify` alone.
    #[cfg(feature = "verify")]
    pub(crate) const fn checked(item: Item) -> Self {
        Self(item)
    }

    /// The item.
    #[must_use]
    pub fn item(&self) -> &Item {
        &self.0
    }

    /// The item, without the proof.
    #[must_use]
    pub fn into_item(self) -> Item {
        self.0
    }
}
