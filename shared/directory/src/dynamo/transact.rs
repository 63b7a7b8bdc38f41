//! Bindings and their counts: transactions, tried again while others change the same counters.
//!
//! The client gives each request a token, so one whose answer was lost takes effect once even there; and a
//! token that is forgotten does no harm, because the second time the condition does not hold.

use super::DynamoDirectory;
use super::error::{Cancelled, refused};
use super::item::{BINDING, PK, SK, WRITERS, counter_key, number, process_key, text, writer_of};
use crate::counter;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use rand::RngExt as _;
use rota_schedule::{DirectoryError, DirectoryResult, ProcessId, WriterName};
use std::time::Duration;
use tokio::time::sleep;

/// How often a transaction is tried while others change the same items.
const ATTEMPTS_MAX: u32 = 12;
/// The longest pause before the second attempt; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest pause before any.
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// What became of a transaction.
pub(super) enum Outcome {
    /// It took effect, all of it.
    Done,
    /// Conditions do not hold, and nothing changed: a reason for each item.
    Refused(Vec<CancellationReason>),
}

impl DynamoDirectory {
    pub(super) async fn bind_counted(
        &self,
        process: ProcessId,
        writer: &WriterName,
    ) -> DirectoryResult<WriterName> {
        let binding = Put::builder()
            .table_name(&self.table)
            .item(PK, text(process_key(process)))
            .item(SK, text(BINDING))
            .item("writer", text(writer.as_str()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let binding = TransactWriteItem::builder().put(binding.map_err(unfinished)?).build();
        let count = self.count(writer, counter(process), 1)?;
        match self.transact(&[binding, count]).await? {
            Outcome::Done => Ok(writer.clone()),
            Outcome::Refused(reasons) => match refused(&reasons, 0) {
                Some(bound) => {
                    bound.item().map_or(Err(DirectoryError::Damaged("writer")), writer_of)
                }
                None => Err(DirectoryError::NoWriter(writer.clone())),
            },
        }
    }

    pub(super) async fn rebind_counted(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        let binding = Update::builder()
            .table_name(&self.table)
            .key(PK, text(process_key(process)))
            .key(SK, text(BINDING))
            .update_expression("SET writer = :to")
            .condition_expression("writer = :from")
            .expression_attribute_values(":to", text(to.as_str()))
            .expression_attribute_values(":from", text(from.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        let binding = TransactWriteItem::builder().update(binding.map_err(unfinished)?).build();
        let more = self.count(to, counter(process), 1)?;
        let less = self.count(from, counter(process), -1)?;
        match self.transact(&[binding, more, less]).await? {
            Outcome::Done => Ok(Some(to.clone())),
            Outcome::Refused(reasons) => match (refused(&reasons, 0), refused(&reasons, 1)) {
                (Some(bound), _) => bound.item().map(writer_of).transpose(),
                (None, Some(_)) => Err(DirectoryError::NoWriter(to.clone())),
                (None, None) => Err(DirectoryError::Damaged("a writer without counters")),
            },
        }
    }

    fn count(
        &self,
        writer: &WriterName,
        counter: u8,
        change: i64,
    ) -> DirectoryResult<TransactWriteItem> {
        let update = Update::builder()
            .table_name(&self.table)
            .key(PK, text(WRITERS))
            .key(SK, text(counter_key(writer, counter)))
            .update_expression("ADD processes :change")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":change", number(change))
            .build();
        Ok(TransactWriteItem::builder().update(update.map_err(unfinished)?).build())
    }

    pub(super) async fn transact(&self, items: &[TransactWriteItem]) -> DirectoryResult<Outcome> {
        let mut attempt = 0;
        loop {
            let request = self.client.transact_write_items();
            let request = request.set_transact_items(Some(items.to_vec()));
            let Err(error) = Box::pin(request.send()).await else {
                return Ok(Outcome::Done);
            };
            attempt += 1;
            match Cancelled::from(error) {
                Cancelled::Refused(reasons) => return Ok(Outcome::Refused(reasons)),
                Cancelled::Passing(_) if attempt < ATTEMPTS_MAX => sleep(pause(attempt)).await,
                Cancelled::Passing(error) | Cancelled::Failed(error) => return Err(error),
            }
        }
    }
}

/// How long to wait after the attempt of this number: any time up to a bound, so that those who met do not
/// meet again.
fn pause(attempt: u32) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(PAUSE_MAX).mul_f64(rand::rng().random())
}

/// A part of a request was not set.
pub(super) fn unfinished(error: BuildError) -> DirectoryError {
    DirectoryError::Unavailable(Box::new(error))
}
