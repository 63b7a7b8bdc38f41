//! The ledger from outside: what is appended is found, survives, and is never told short.

mod damage;
mod lookups;
mod opening;
mod outbox;
mod writing;

#[path = "../support/mod.rs"]
mod support;
