//! Which part of a schedule is asked for. `from*` is exclusive, `to*` inclusive (contract §3).

use crate::Timestamp;

/// How many entries a page has when the client does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 100;
/// The most entries of a page; a larger wish is clamped. Compute Units ask for 1,000.
pub const PAGE_LIMIT_MAX: u32 = 1_000;
/// Bytes of items and assignments after which a page ends early; one entry is always served, however large.
/// Clients that read one page and ignore `has_next_page` (aoconnect's `getLastSlot`) need it this large.
pub const PAGE_BYTES_MAX: usize = 100 << 20;
/// The most bytes of a page that are in memory at once: a page that is larger is read and sent in parts.
pub const PAGE_PART_BYTES_MAX: usize = 4 << 20;

/// The bounds of a page. Absent ones do not bound; all given ones hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Only entries above this nonce.
    pub after_nonce: Option<u64>,
    /// Only entries up to this nonce.
    pub to_nonce: Option<u64>,
    /// Only entries later than this, in milliseconds.
    pub after_time: Option<u64>,
    /// Only entries up to this time, in milliseconds.
    pub to_time: Option<u64>,
}

impl Bounds {
    /// Whether no entry that is still to come can lie within these bounds. The newest one has nonce `head`
    /// and timestamp `newest`; what is still to come is not older, but a schedule that is being imported
    /// may repeat its newest timestamp. Its writer may have `promised` to place nothing more up to a time.
    #[must_use]
    pub fn are_closed(&self, head: u64, newest: Timestamp, promised: Option<Timestamp>) -> bool {
        self.to_nonce.is_some_and(|to| to <= head)
            || self.to_time.is_some_and(|to| {
                to < newest.0 || promised.is_some_and(|promised| to <= promised.0)
            })
    }
}

/// What a client continues a page by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// The timestamp: the default of the contract.
    #[default]
    Timestamp,
    /// The nonce: if any nonce parameter was sent.
    Nonce,
}

/// A page of a schedule, as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// Which entries count.
    pub bounds: Bounds,
    /// What the edges' cursors show. A page by timestamp never ends between equal timestamps.
    pub cursor: Cursor,
    /// The most entries: 1 to [`PAGE_LIMIT_MAX`].
    pub limit: u32,
    /// The most bytes of items and assignments: up to [`PAGE_BYTES_MAX`]. The first entry counts as fitting.
    pub bytes_max: usize,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            cursor: Cursor::default(),
            limit: PAGE_LIMIT_DEFAULT,
            bytes_max: PAGE_BYTES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_closed_by_what_no_later_entry_can_get_below() {
        let nonce = |to| Bounds { to_nonce: Some(to), ..Bounds::default() };
        let time = |to| Bounds { to_time: Some(to), ..Bounds::default() };
        for (bounds, promised, closed) in [
            (Bounds::default(), Some(100), false),
            (
                Bounds { after_nonce: Some(1), after_time: Some(1), ..Bounds::default() },
                None,
                false,
            ),
            (nonce(5), None, true),
            (nonce(6), Some(900), false),
            (time(99), None, true),
            (time(100), None, false),
            (time(100), Some(99), false),
            (time(100), Some(100), true),
            (time(150), Some(150), true),
            (time(151), Some(150), false),
            (Bounds { to_time: Some(101), ..nonce(5) }, None, true),
            (Bounds { to_time: Some(99), ..nonce(6) }, None, true),
        ] {
            let found = bounds.are_closed(5, Timestamp(100), promised.map(Timestamp));
            assert_eq!(found, closed, "{bounds:?} {promised:?}");
        }
    }
}
