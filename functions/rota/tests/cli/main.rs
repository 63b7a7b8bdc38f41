//! The `rota` command as a person or a script runs it: the real binary, a real `rota local`, and
//! stubs on loopback that serve what no honest scheduler would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

mod checkpoint;
mod command;
mod first_start;
mod health;
mod identity;
mod item;
mod notices;
mod router;
mod schedule;
mod settings;
mod status;
mod stub;
mod verify;
mod verify_ledger;
mod wallet;
