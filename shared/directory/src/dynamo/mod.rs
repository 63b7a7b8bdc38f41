//! The directory in one DynamoDB table, on demand, with string keys `pk` and `sk`:
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `process#<id>` | `-` | a binding: `writer` |
//! | `writers` | `<name>#record` | a writer: `base_url`, `holder`, `beat`, `released`, `signing_permille`, `waiting`, `no_route`, `wallets_to_route`, `wallets_only` |
//! | `writers` | `<name>#count#<0-7>` | `processes`: how many with such ids are bound to it |
//!
//! All writers are one partition, so that one strongly consistent query lists them, in the order of their
//! names (`#` comes before every character of a name). A binding and its count are one transaction. A record is
//! in none but those that make and remove it, so a beat never meets a spawn; counters are several, because of
//! two transactions that meet in an item DynamoDB refuses one. A writer's record and its counters come and go together:
//! without the counters nothing can be bound to it.
//!
//! Writers and routers need `GetItem`, `Query`, `PutItem` and `UpdateItem` on the table; who removes a writer also
//! `DeleteItem` on the partition `writers`. Every read is strongly
//! consistent: no index, no replica, no cache in between.

mod error;
mod item;
mod table;
mod transact;
mod writers;

use crate::{ANSWER_MAX, taken, within};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use error::{refused_update, unavailable};
use item::{
    BINDING, Item, PK, SK, WRITERS, binary, flag, lease_of, number, of_writer, process_key,
    record_key, records, text, writer_of,
};
use rota_aws::SdkConfig;
use rota_schedule::{
    Directory, DirectoryResult, Lease, LeaseHolder, Load, ProcessId, Removal, RoutePolicy,
    WriterName, WriterRecord,
};
use std::time::Duration;

/// How long one attempt may take. DynamoDB answers in milliseconds; one that does not is tried elsewhere.
const ATTEMPT_MAX: Duration = Duration::from_millis(1_500);

/// A lease is as it was seen.
const LEASE_SEEN: &str = "holder = :whose AND beat = :seen AND released = :given_back";

/// A directory in DynamoDB. Clones share connections.
#[derive(Clone, Debug)]
pub struct DynamoDirectory {
    client: Client,
    table: String,
}

impl DynamoDirectory {
    /// The directory in `table`. Asks nobody yet.
    #[must_use]
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(ANSWER_MAX)
            .build();
        let config = Builder::from(config).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), table }
    }

    /// A change of a writer's record, which gives the record before it if its condition does not hold.
    fn update(&self, name: &WriterName) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(WRITERS))
            .key(SK, text(record_key(name)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// The writers, or the one of this name.
    async fn find(&self, name: Option<&WriterName>) -> DirectoryResult<Vec<WriterRecord>> {
        let request = self.client.query().table_name(&self.table).consistent_read(true);
        let request = request.expression_attribute_values(":writers", text(WRITERS));
        let request = match name {
            None => request.key_condition_expression("pk = :writers"),
            Some(name) => request
                .key_condition_expression("pk = :writers AND begins_with(sk, :of)")
                .expression_attribute_values(":of", text(of_writer(name))),
        };
        let mut pages = request.into_paginator().send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            items.extend(page.map_err(unavailable)?.items.unwrap_or_default());
        }
        records(&items)
    }
}

/// Sends a change of a record. Gives the record after it, if that was asked for; `Err` is the record as it was
/// (empty if there was none) if the condition does not hold.
async fn change(request: UpdateItemFluentBuilder) -> DirectoryResult<Result<Item, Item>> {
    match Box::pin(request.send()).await {
        Ok(answer) => Ok(Ok(answer.attributes.unwrap_or_default())),
        Err(error) => refused_update(error).map(Err),
    }
}

impl Directory for DynamoDirectory {
    async fn owner(&self, process: ProcessId) -> DirectoryResult<Option<WriterName>> {
        within(async {
            let request = self.client.get_item().table_name(&self.table).consistent_read(true);
            let request = request.key(PK, text(process_key(process))).key(SK, text(BINDING));
            let answer = request.send().await.map_err(unavailable)?;
            answer.item().map(writer_of).transpose()
        })
        .await
    }

    async fn bind(&self, process: ProcessId, writer: &WriterName) -> DirectoryResult<WriterName> {
        within(self.bind_counted(process, writer)).await
    }

    async fn rebind(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        if from == to {
            return self.owner(process).await; // a transaction must not name a counter twice
        }
        within(self.rebind_counted(process, from, to)).await
    }

    async fn writers(&self) -> DirectoryResult<Vec<WriterRecord>> {
        within(self.find(None)).await
    }

    async fn writer(&self, name: &WriterName) -> DirectoryResult<Option<WriterRecord>> {
        Ok(within(self.find(Some(name))).await?.pop())
    }

    async fn set_policy(&self, name: &WriterName, policy: &RoutePolicy) -> DirectoryResult<()> {
        within(self.decide(name, policy)).await
    }

    async fn remove_writer(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> DirectoryResult<Removal> {
        within(self.remove(name, seen)).await
    }

    async fn take_lease(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        seen: Option<Lease>,
    ) -> DirectoryResult<Option<Lease>> {
        let lease = taken(holder, seen)?;
        within(async {
            let taken = match seen {
                None => self.take_first(name, lease).await?,
                Some(seen) => {
                    let request = self
                        .update(name)
                        .update_expression(
                            "SET holder = :holder, beat = :beat, released = :released",
                        )
                        .condition_expression(LEASE_SEEN)
                        .expression_attribute_values(":holder", binary(lease.holder))
                        .expression_attribute_values(":beat", number(lease.beat))
                        .expression_attribute_values(":released", flag(lease.released))
                        .expression_attribute_values(":whose", binary(seen.holder))
                        .expression_attribute_values(":seen", number(seen.beat))
                        .expression_attribute_values(":given_back", flag(seen.released));
                    change(request).await?.map(drop)
                }
            };
            match taken {
                Ok(()) => Ok(Some(lease)),
                // An attempt whose answer was lost may have taken it.
                Err(before) => Ok(lease_of(&before)?.filter(|before| *before == lease)),
            }
        })
        .await
    }

    async fn beat(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        url: &str,
        load: Load,
    ) -> DirectoryResult<Option<Lease>> {
        let request = self
            .update(name)
            .update_expression(
                "SET base_url = :url, signing_permille = :signing, waiting = :waiting, \
                 beat = beat + :one",
            )
            .condition_expression("holder = :holder")
            .expression_attribute_values(":url", text(url))
            .expression_attribute_values(":signing", number(load.signing_permille))
            .expression_attribute_values(":waiting", number(load.waiting))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":holder", binary(holder))
            .return_values(ReturnValue::AllNew);
        within(change(request)).await?.map_or(Ok(None), |after| lease_of(&after))
    }

    async fn release_lease(&self, name: &WriterName, holder: LeaseHolder) -> DirectoryResult<bool> {
        let request = self
            .update(name)
            .update_expression("SET released = :released")
            .condition_expression("holder = :holder")
            .expression_attribute_values(":released", flag(true))
            .expression_attribute_values(":holder", binary(holder));
        Ok(within(change(request)).await?.is_ok())
    }
}
