//! Every status that a client can be told is described, where it can be told.

use crate::{description, operations};
use rota_schedule::{ProcessId, Refusal};
use rota_wire::{ApiError, QueryError};

/// One error of each kind. A kind that is added must be added here: the match has no other arm.
fn kinds() -> Vec<ApiError> {
    let text = String::new;
    let all = vec![
        ApiError::Query(QueryError::Limit),
        ApiError::Item(text()),
        ApiError::Refused(Refusal::ProcessUnknown(ProcessId::new([0; 32]))),
        ApiError::Refused(Refusal::AssignOff),
        ApiError::Refused(Refusal::NoTarget),
        ApiError::Body(""),
        ApiError::Unknown(text()),
        ApiError::TooLarge { max: 1 },
        ApiError::TooLargeHere { max: 1, url: text() },
        ApiError::Busy(""),
        ApiError::Upstream(""),
        ApiError::WriterSilent(text()),
        ApiError::BadGateway(text()),
        ApiError::GatewayTimeout(text()),
        ApiError::OutcomeUnknownThere(text()),
        ApiError::NotAccepting(""),
        ApiError::Moving,
        ApiError::OutcomeUnknown,
        ApiError::Internal,
    ];
    for error in &all {
        match error {
            ApiError::Query(_)
            | ApiError::Item(_)
            | ApiError::Refused(_)
            | ApiError::Body(_)
            | ApiError::Unknown(_)
            | ApiError::TooLarge { .. }
            | ApiError::TooLargeHere { .. }
            | ApiError::Busy(_)
            | ApiError::Upstream(_)
            | ApiError::WriterSilent(_)
            | ApiError::BadGateway(_)
            | ApiError::GatewayTimeout(_)
            | ApiError::OutcomeUnknownThere(_)
            | ApiError::NotAccepting(_)
            | ApiError::Moving
            | ApiError::OutcomeUnknown
            | ApiError::Internal
            // No operation's: what other paths and methods get.
            | ApiError::NoRoute
            | ApiError::Method => {}
        }
    }
    all
}

#[test]
fn every_status_is_described_for_a_write() {
    let description = description();
    let responses = &description["paths"]["/"]["post"]["responses"];
    for error in kinds() {
        let status = error.status().as_u16().to_string();
        assert!(responses[&status].is_object(), "{status}: {error}");
    }
}

#[test]
fn whoever_is_told_to_come_back_is_told_when_and_the_reverse() {
    let description = description();
    for error in kinds() {
        let status = error.status().as_u16().to_string();
        for (path, method, operation) in operations(&description) {
            let Some(response) = operation["responses"].get(&status) else { continue };
            let response = crate::resolved(&description, response);
            let described = response["headers"]["Retry-After"].is_object();
            assert_eq!(
                described,
                error.retry_after().is_some(),
                "{method} {path} {status}: {error}"
            );
        }
    }
}
