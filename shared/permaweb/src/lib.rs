//! Clients of the permaweb: Arweave gateways ([`Gateway`]), the block height they report
//! ([`HeightCache`], [`run_height_poller`]), bundlers ([`Bundler`]) and a cache node ([`Cache`]).
//!
//! Every byte that arrives here is hostile. Each request has one time-out that covers redirects and
//! body, and each body a byte limit; an answer that breaks one is an error, never a panic or a hang.
//! "No" and "could not ask" are never mixed up: a gateway that does not know an id is an answer, a
//! gateway that cannot be reached is an error.
//!
//! Serves DUR-2: [`Bundler::deliver`] reports an item as delivered only when the bundler named its id.
//! This crate must not know processes, nonces or stores: it speaks of ids and bytes.

mod backoff;
mod believed;
mod bundler;
mod cache;
mod error;
mod gateway;
mod graphql;
mod height;
mod http;

pub use backoff::Backoff;
pub use believed::{KnownHeight, highest_plausible};
pub use bundler::{Bundler, BundlerConfig, DELIVERY_TIMEOUT_DEFAULT, DeliveryError};
pub use cache::{CACHE_TIMEOUT_DEFAULT, Cache, CacheConfig};
pub use error::PermawebError;
pub use gateway::{Gateway, GatewayConfig, HEIGHT_MAX, REQUEST_TIMEOUT_DEFAULT};
pub use graphql::GatewayTransaction;
pub use height::{HEIGHT_POLL_INTERVAL_DEFAULT, HeightCache, run_height_poller};
