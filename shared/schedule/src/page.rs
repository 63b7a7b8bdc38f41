//! Which part of a schedule is asked for. `from*` is exclusive, `to*` inclusive (contract §3).

/// How many entries a page has when the client does not say.
pub const PAGE_LIMIT_DEFAULT: u32 = 100;
/// The most entries of a page; a larger wish is clamped. Compute Units ask for 1,000.
pub const PAGE_LIMIT_MAX: u32 = 1_000;
/// Bytes of items after which a page ends early; one entry is always served, however large.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

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
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { bounds: Bounds::default(), cursor: Cursor::default(), limit: PAGE_LIMIT_DEFAULT }
    }
}
