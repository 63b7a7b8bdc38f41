//! The service crate from outside: settings by value, everything else over real sockets on loopback.

mod bodies;
mod child;
mod client;
mod compression;
mod files;
mod layers;
mod limits;
mod metrics;
mod settings;
mod signals;
mod stopping;
