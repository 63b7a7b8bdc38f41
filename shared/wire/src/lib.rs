//! The HTTP contract of a Scheduler Unit: queries in, JSON out, one table from errors to status codes.
//!
//! Every server of rota answers through this crate, so that the same request gets the same answer
//! from the ledger and from a read replica. It must not know stores, sockets or keys.

mod error;
mod escape;
mod if_none_match;
mod json;
mod openapi;
mod parse;
mod path;
mod query;
mod submission;

pub use error::ApiError;
pub use if_none_match::IfNoneMatch;
pub use json::{PageWriter, address_answer, node, page, process, receipt, timestamp_answer};
pub use openapi::OPENAPI;
pub use parse::{ForeignEdge, ForeignNode, ForeignNodeError, ForeignPage, ForeignPageInfo};
pub use path::PathId;
pub use query::{QueryError, ReadQuery, process_parameter, with_bytes_max};
pub use submission::Submission;
