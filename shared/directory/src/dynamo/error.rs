//! What DynamoDB's refusals mean. A refused condition is an answer; everything else is none.

use super::item::Item;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::CancellationReason;
use rota_schedule::{DirectoryError, DirectoryResult};
use std::error::Error;

/// What a refusal says: the table is missing, the caller may not, it was asked for too much.
#[derive(Debug, thiserror::Error)]
#[error("DynamoDB refused: {code}: {message}")]
struct Refused {
    code: String,
    message: String,
}

/// Nothing that came back says whether the request took effect.
pub(super) fn unavailable<E, R>(error: SdkError<E, R>) -> DirectoryError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    DirectoryError::Unavailable(match code.map(str::to_owned) {
        Some(code) => {
            let message = error.message().unwrap_or("no reason given").to_owned();
            Box::new(Refused { code, message })
        }
        None => Box::new(error),
    })
}

/// The record as it was, of an update whose condition did not hold; empty if there was none.
pub(super) fn refused_update(error: SdkError<UpdateItemError>) -> DirectoryResult<Item> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
            Ok(failed.item().cloned().unwrap_or_default())
        }
        _ => Err(unavailable(error)),
    }
}

/// Why a transaction did not happen.
pub(super) enum Cancelled {
    /// Conditions do not hold: a reason for each of its items, in their order.
    Refused(Vec<CancellationReason>),
    /// Others change the same items, or there are too many requests: it may go well the next time.
    Passing(DirectoryError),
    /// It will not.
    Failed(DirectoryError),
}

/// The code of a condition that does not hold.
const CONDITION: &str = "ConditionalCheckFailed";
/// The code of an item that the change does not fit, such as a count that is no number.
const MISFIT: &str = "ValidationError";
/// Codes of what passes.
const PASSING: [&str; 3] =
    ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];

impl From<SdkError<TransactWriteItemsError>> for Cancelled {
    fn from(error: SdkError<TransactWriteItemsError>) -> Self {
        let reasons = match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                cancelled.cancellation_reasons().to_vec()
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                return Self::Passing(unavailable(error));
            }
            _ => return Self::Failed(unavailable(error)),
        };
        let any = |codes: &[&str]| reasons.iter().any(|reason| is(reason, codes));
        if any(&[CONDITION]) {
            Self::Refused(reasons)
        } else if any(&[MISFIT]) {
            Self::Failed(DirectoryError::Damaged("a count of processes"))
        } else if any(&PASSING) {
            Self::Passing(unavailable(error))
        } else {
            Self::Failed(unavailable(error))
        }
    }
}

/// Whether the condition of one item of a transaction was what did not hold.
pub(super) fn refused(reasons: &[CancellationReason], item: usize) -> Option<&CancellationReason> {
    reasons.get(item).filter(|reason| is(reason, &[CONDITION]))
}

fn is(reason: &CancellationReason, codes: &[&str]) -> bool {
    reason.code().is_some_and(|code| codes.contains(&code))
}
