//! Writers that come and go: each with its record and its counters, in one transaction.

use super::error::refused;
use super::item::{
    Item, PK, SK, WRITERS, binary, counter_key, flag, number, record_key, text, wallets,
};
use super::transact::{Outcome, unfinished};
use super::{DynamoDirectory, LEASE_SEEN};
use crate::COUNTERS;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use rota_schedule::{DirectoryResult, Lease, Removal, RoutePolicy, WriterName};

/// Nobody ever had the lease.
const NO_LEASE: &str = "attribute_not_exists(holder)";

impl DynamoDirectory {
    /// Makes a writer whose lease nobody had, with this lease; `Err` is the record as it was if somebody had.
    pub(super) async fn take_first(
        &self,
        name: &WriterName,
        lease: Lease,
    ) -> DirectoryResult<Result<(), Item>> {
        let record = Update::builder()
            .update_expression("SET holder = :holder, beat = :beat, released = :released")
            .condition_expression(NO_LEASE)
            .expression_attribute_values(":holder", binary(lease.holder))
            .expression_attribute_values(":beat", number(lease.beat))
            .expression_attribute_values(":released", flag(lease.released));
        self.write_whole(name, record).await
    }

    /// Sets a policy; makes the writer if there is none.
    pub(super) async fn decide(
        &self,
        name: &WriterName,
        policy: &RoutePolicy,
    ) -> DirectoryResult<()> {
        let record = Update::builder()
            .update_expression(
                "SET no_route = :no_route, wallets_to_route = :wallets, wallets_only = :only",
            )
            .expression_attribute_values(":no_route", flag(policy.no_route))
            .expression_attribute_values(":wallets", wallets(&policy.wallets_to_route))
            .expression_attribute_values(":only", flag(policy.wallets_only));
        self.write_whole(name, record).await.map(drop) // it has no condition
    }

    /// A change of a record, and counters for it if there are none.
    async fn write_whole(
        &self,
        name: &WriterName,
        record: UpdateBuilder,
    ) -> DirectoryResult<Result<(), Item>> {
        let counter = |counter| {
            Update::builder()
                .key(SK, text(counter_key(name, counter)))
                .update_expression("ADD processes :none")
                .expression_attribute_values(":none", number(0))
        };
        let record = record.key(SK, text(record_key(name)));
        let updates = std::iter::once(record).chain((0..COUNTERS).map(counter));
        let items = updates.map(|update| {
            let update = update
                .table_name(&self.table)
                .key(PK, text(WRITERS))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .build();
            Ok(TransactWriteItem::builder().update(update.map_err(unfinished)?).build())
        });
        match self.transact(&items.collect::<DirectoryResult<Vec<_>>>()?).await? {
            Outcome::Done => Ok(Ok(())),
            Outcome::Refused(reasons) => {
                let before = refused(&reasons, 0).and_then(|reason| reason.item().cloned());
                Ok(Err(before.unwrap_or_default()))
            }
        }
    }

    /// Takes a writer out with its counters, which must be 0.
    pub(super) async fn remove(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> DirectoryResult<Removal> {
        let record = Delete::builder().key(SK, text(record_key(name)));
        let record = match seen {
            None => record.condition_expression(NO_LEASE),
            Some(seen) => record
                .condition_expression(LEASE_SEEN)
                .expression_attribute_values(":whose", binary(seen.holder))
                .expression_attribute_values(":seen", number(seen.beat))
                .expression_attribute_values(":given_back", flag(seen.released)),
        };
        let counter = |counter| {
            Delete::builder()
                .key(SK, text(counter_key(name, counter)))
                .condition_expression("attribute_not_exists(processes) OR processes = :none")
                .expression_attribute_values(":none", number(0))
        };
        let deletes = std::iter::once(record).chain((0..COUNTERS).map(counter));
        let items = deletes.map(|delete| {
            let delete = delete.table_name(&self.table).key(PK, text(WRITERS)).build();
            Ok(TransactWriteItem::builder().delete(delete.map_err(unfinished)?).build())
        });
        let items = items.collect::<DirectoryResult<Vec<_>>>()?;
        let Some(record) = self.find(Some(name)).await?.pop() else {
            return Ok(Removal::Unknown);
        };
        match self.transact(&items).await? {
            Outcome::Done => Ok(Removal::Done),
            Outcome::Refused(reasons) if refused(&reasons, 0).is_some() => Ok(Removal::Changed),
            // What was bound since it was counted is one at least.
            Outcome::Refused(_) => Ok(Removal::Owns(record.processes.max(1))),
        }
    }
}
