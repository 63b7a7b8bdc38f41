//! Items of the table: keys, attributes, and what is read out of them. Whatever somebody else may have put
//! there is an error that names the attribute.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use rota_ans104::Address;
use rota_schedule::{
    DirectoryError, DirectoryResult, Lease, LeaseHolder, Load, ProcessId, RoutePolicy, WriterName,
    WriterRecord,
};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

/// The partition key.
pub(super) const PK: &str = "pk";
/// The sort key.
pub(super) const SK: &str = "sk";
/// The partition of the writers.
pub(super) const WRITERS: &str = "writers";
/// The sort key of a binding.
pub(super) const BINDING: &str = "-";

pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition of a process.
pub(super) fn process_key(process: ProcessId) -> String {
    format!("process#{process}")
}

/// What the sort keys of everything about a writer begin with.
pub(super) fn of_writer(name: &WriterName) -> String {
    format!("{name}#")
}

/// The sort key of a writer's record.
pub(super) fn record_key(name: &WriterName) -> String {
    format!("{name}#record")
}

/// The sort key of one of a writer's counters.
pub(super) fn counter_key(name: &WriterName, counter: u8) -> String {
    format!("{name}#count#{counter}")
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(number.into().to_string())
}

pub(super) fn flag(flag: bool) -> AttributeValue {
    AttributeValue::Bool(flag)
}

pub(super) fn binary(holder: LeaseHolder) -> AttributeValue {
    AttributeValue::B(Blob::new(holder.0))
}

pub(super) fn wallets(wallets: &[Address]) -> AttributeValue {
    AttributeValue::L(wallets.iter().map(|wallet| text(wallet.to_string())).collect())
}

/// The writer that a binding names.
pub(super) fn writer_of(binding: &Item) -> DirectoryResult<WriterName> {
    required(binding, "writer", parsed)
}

/// The lease in a writer's record.
pub(super) fn lease_of(record: &Item) -> DirectoryResult<Option<Lease>> {
    let Some(holder) = optional(record, "holder", holder)? else {
        return Ok(None);
    };
    let beat = required(record, "beat", numeric)?;
    Ok(Some(Lease { holder, beat, released: required(record, "released", boolean)? }))
}

/// The writers that these items of their partition tell of, by name. Counters without a record are a writer
/// that was not made to the end.
pub(super) fn records(items: &[Item]) -> DirectoryResult<Vec<WriterRecord>> {
    let mut writers: BTreeMap<WriterName, (Option<&Item>, u64)> = BTreeMap::new();
    for item in items {
        let key = required(item, SK, |value| value.as_s().ok().cloned())?;
        let (name, kind) = key.split_once('#').ok_or(DirectoryError::Damaged(SK))?;
        let name = name.parse().map_err(|_| DirectoryError::Damaged(SK))?;
        let (record, processes) = writers.entry(name).or_default();
        if kind == "record" {
            *record = Some(item);
        } else {
            let counted: u64 = required(item, "processes", numeric)?;
            *processes =
                processes.checked_add(counted).ok_or(DirectoryError::Damaged("processes"))?;
        }
    }
    let whole = |(name, (item, processes)): (_, (Option<&Item>, _))| {
        item.map(|item| record(name, item, processes))
    };
    writers.into_iter().filter_map(whole).collect()
}

fn record(name: WriterName, item: &Item, processes: u64) -> DirectoryResult<WriterRecord> {
    let load = Load {
        signing_permille: optional(item, "signing_permille", numeric)?.unwrap_or_default(),
        waiting: optional(item, "waiting", numeric)?.unwrap_or_default(),
    };
    let policy = RoutePolicy {
        no_route: optional(item, "no_route", boolean)?.unwrap_or_default(),
        wallets_to_route: optional(item, "wallets_to_route", addresses)?.unwrap_or_default(),
        wallets_only: optional(item, "wallets_only", boolean)?.unwrap_or_default(),
    };
    let url = optional(item, "base_url", |value| value.as_s().ok().cloned())?;
    Ok(WriterRecord { name, url, lease: lease_of(item)?, load, processes, policy })
}

fn required<T>(
    item: &Item,
    name: &'static str,
    read: impl Fn(&AttributeValue) -> Option<T>,
) -> DirectoryResult<T> {
    optional(item, name, read)?.ok_or(DirectoryError::Damaged(name))
}

fn optional<T>(
    item: &Item,
    name: &'static str,
    read: impl Fn(&AttributeValue) -> Option<T>,
) -> DirectoryResult<Option<T>> {
    let value = item.get(name).map(|value| read(value).ok_or(DirectoryError::Damaged(name)));
    value.transpose()
}

fn parsed<T: FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_s().ok()?.parse().ok()
}

fn numeric<T: FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

fn boolean(value: &AttributeValue) -> Option<bool> {
    value.as_bool().ok().copied()
}

fn holder(value: &AttributeValue) -> Option<LeaseHolder> {
    value.as_b().ok()?.as_ref().try_into().ok().map(LeaseHolder)
}

fn addresses(value: &AttributeValue) -> Option<Vec<Address>> {
    value.as_l().ok()?.iter().map(parsed).collect()
}
