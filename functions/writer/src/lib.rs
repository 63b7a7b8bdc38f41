//! The writer: the one owner of its processes' schedules.
//!
//! [`http`](router) reads a request, `admission` checks the item while nothing else waits for it, a
//! *lane* (one per process) gives it its place and signs, the ledger commits, and only then is anyone
//! told. The [`Uploader`] works off what was committed.
//!
//! Keeps ORD-1 to ORD-3, DUR-1 to DUR-3, DUP-1 and DUP-2. It must not know `lambda_http`, nor how a
//! schedule is read.

mod admission;
mod http;
mod lanes;
mod metrics;
mod uploader;
mod writer;

pub use http::router;
pub use metrics::WriterMetrics;
pub use uploader::{UnknownUploadMode, UploadMode, Uploader, UploaderParts};
pub use writer::{Writer, WriterConfig, WriterParts};
