//! The rules of a schedule, pure.
//!
//! What decides whether an item may enter a process's schedule, where it is placed, and how anyone
//! can check that afterwards. Every decision is a function of values: the clock, randomness, keys and
//! stores are arguments. This crate must not know HTTP, RocksDB, Postgres or Arweave's gateways.
//!
//! The path of a message is a path of types, each reachable only through the one before it:
//! [`VerifiedItem`](rota_ans104::VerifiedItem) → [`Candidate`] → [`Admitted`] → [`Slot`] →
//! [`Committed<Entry>`](Committed) → [`Receipt`].

mod admit;
mod assignment;
mod clock;
mod content;
mod directory;
mod entry;
mod follow;
mod id;
mod invariant;
mod page;
mod reader;
mod slot;

pub use admit::{Admitted, Candidate, Facts, Refusal, SETTLEMENT_DEPTH_DEFAULT, settlement_depth};
pub use assignment::{
    Assignment, AssignmentError, EXCLUDE_BYTES_MAX, EXCLUDES_MAX, Exclude, Subject,
};
pub use clock::{Clock, SystemClock, Timestamp};
pub use content::{Content, ContentHash, ContentKey};
pub use directory::{
    Directory, DirectoryError, DirectoryResult, Lease, LeaseHolder, Load, NotAName, Removal,
    RoutePolicy, WRITER_NAME_MAX, WriterName, WriterRecord,
};
pub use entry::{Committed, Entry, Receipt};
pub use follow::{Follower, Violation};
pub use id::{AssignmentId, DatabaseId, MessageId, ProcessId};
pub use invariant::Invariant;
pub use page::{
    Bounds, Cursor, PAGE_BYTES_MAX, PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PAGE_PART_BYTES_MAX,
    PageQuery,
};
pub use reader::{Found, Page, ReadError, Rest, ScheduleReader, SchedulerInfo};
pub use slot::{HashChain, Head, Slot, SlotError, next_slot};
