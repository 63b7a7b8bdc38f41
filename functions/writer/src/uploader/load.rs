//! The part that blocks: reads items from the ledger, packs and signs bundles. Runs off the
//! async threads.
//!
//! Keeps DUR-3: items are the ledger's bytes, never signed again; only the envelope of a bundle is made
//! here, and made anew when a bundle is tried again.

use super::parcel::{Parcel, same_entry};
use super::{BUNDLE_BYTES_MAX, UploadMode};
use bytes::Bytes;
use rota_ans104::{Bundle, Item, ItemId, ParseError, SignError, Signer, UnsignedItem};
use rota_ledger::{Ledger, LedgerError, OutboxRow, Part};
use std::sync::Arc;

/// What makes loads.
pub(super) struct Loader {
    pub(super) ledger: Ledger,
    pub(super) mode: UploadMode,
    pub(super) signer: Arc<dyn Signer>,
}

/// A parcel, ready to be sent.
pub(super) struct Load {
    pub(super) parcel: Parcel,
    /// The id that the bundler is to confirm.
    pub(super) id: ItemId,
    /// The id of the first item in it: not `id` if it is a bundle.
    pub(super) item: ItemId,
    pub(super) bytes: Bytes,
}

/// Why a parcel could not be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the ledger has a row of the outbox, but not its item")]
    Missing,
    #[error("an item in the ledger is malformed")]
    Item(#[from] ParseError),
    #[error("the bundle could not be signed")]
    Sign(#[from] SignError),
}

impl LoadError {
    /// Whether it is about the item alone, so that others can go on.
    pub(super) const fn is_of_item(&self) -> bool {
        matches!(self, Self::Ledger(LedgerError::Damaged { .. }) | Self::Missing | Self::Item(_))
    }
}

/// What became of the parcels that were to be made ready.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) loads: Vec<Load>,
    /// Not read: there was no room for their bytes.
    pub(super) unread: Vec<Parcel>,
    pub(super) failed: Vec<(Parcel, LoadError)>,
}

type Read = (ItemId, Bytes);

impl Loader {
    /// Makes parcels ready, in order, until they hold `allowance` bytes; the last one may exceed it.
    pub(super) fn load(&self, parcels: Vec<Parcel>, allowance: usize) -> Loaded {
        let mut loaded = Loaded::default();
        let mut bytes = 0;
        for mut parcel in parcels {
            if bytes >= allowance {
                loaded.unread.push(parcel);
                continue;
            }
            let rest = match self.mode {
                UploadMode::Items => self.read_rows(&parcel).map(|items| (items, None)),
                UploadMode::Bundle => self.read_bundle(&mut parcel),
            };
            let made = rest.and_then(|(items, rest)| {
                loaded.unread.extend(rest);
                self.wrap(items)
            });
            match made {
                Ok((id, item, content)) => {
                    bytes += content.len();
                    loaded.loads.push(Load { parcel, id, item, bytes: content });
                }
                Err(error) => loaded.failed.push((parcel, error)),
            }
        }
        loaded
    }

    fn read_rows(&self, parcel: &Parcel) -> Result<Vec<Read>, LoadError> {
        parcel.rows().iter().map(|row| self.read(row)).collect()
    }

    fn read(&self, row: &OutboxRow) -> Result<Read, LoadError> {
        self.ledger.outbox_item(row)?.ok_or(LoadError::Missing)
    }

    /// Reads entries until a bundle is full; the parcel is cut there, and the rest handed back.
    fn read_bundle(&self, parcel: &mut Parcel) -> Result<(Vec<Read>, Option<Parcel>), LoadError> {
        let mut items = Vec::with_capacity(parcel.rows().len());
        let (mut rows, mut bytes) = (0, 0);
        for entry in parcel.rows().chunk_by(same_entry) {
            let read = self.read_entry(entry)?;
            bytes += read.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            if rows > 0 && bytes > BUNDLE_BYTES_MAX {
                break;
            }
            rows += entry.len();
            items.extend(read);
        }
        Ok((items, parcel.split_off(rows)))
    }

    /// The items of an entry, the assignment first.
    fn read_entry(&self, rows: &[OutboxRow]) -> Result<Vec<Read>, LoadError> {
        let of = |part| rows.iter().filter(move |row| row.part == part);
        of(Part::Assignment).chain(of(Part::Message)).map(|row| self.read(row)).collect()
    }

    /// Gives id and bytes of what is sent, and the id of the first item in it.
    fn wrap(&self, items: Vec<Read>) -> Result<(ItemId, ItemId, Bytes), LoadError> {
        let first = items.first().ok_or(LoadError::Missing)?.clone();
        if self.mode == UploadMode::Items {
            return Ok((first.0, first.0, first.1));
        }
        let items = items.into_iter().map(|(_, bytes)| Item::parse(bytes));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let envelope = UnsignedItem {
            tags: vec![tag("Bundle-Format", "binary"), tag("Bundle-Version", "2.0.0")],
            data: Bundle::encode(&items).into(),
            ..UnsignedItem::default()
        };
        drop(items);
        let envelope = envelope.sign(self.signer.as_ref())?;
        Ok((envelope.id(), first.0, envelope.bytes().clone()))
    }
}
