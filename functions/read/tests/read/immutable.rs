//! Whatever was served as immutable is never different later, and no tag outlives its answer.

use crate::growing::Growing;
use axum::http::StatusCode;
use proptest::prelude::*;
use rota_testkit::{Schedule, schedules};
use std::sync::OnceLock;

/// As many entries as the longest schedule of the suite has.
const LONGEST: usize = 12;

fn all() -> &'static [Schedule] {
    static ALL: OnceLock<Vec<Schedule>> = OnceLock::new();
    // Without the schedule of large items: it would be megabytes a request.
    ALL.get_or_init(|| {
        schedules().into_iter().enumerate().filter(|(n, _)| *n != 3).map(|(_, s)| s).collect()
    })
}

/// Any question about anything in the schedules, in a path and an `Accept`.
fn question() -> impl Strategy<Value = (String, &'static str)> {
    let id = (0..all().len(), 0..LONGEST, 0..3_u8).prop_map(|(schedule, entry, kind)| {
        let schedule = &all()[schedule];
        let entry = &schedule.entries[entry % schedule.entries.len()];
        match kind {
            0 => schedule.process.to_string(),
            1 => entry.message_id.to_string(),
            _ => entry.assignment_id.to_string(),
        }
    });
    let route = prop_oneof![
        4 => Just("/{id}"),
        1 => Just("/{id}/latest"),
        1 => Just("/processes/{id}"),
        1 => Just("/raw/{id}"),
    ];
    let bound = |name: &'static str, max: u64| {
        prop_oneof![Just(String::new()), (0..max).prop_map(move |value| format!("&{name}={value}"))]
    };
    let process = prop::option::of(0..all().len()).prop_map(|named| {
        named.map_or_else(String::new, |at| format!("&process-id={}", all()[at].process))
    });
    let query = (
        bound("from-nonce", 14),
        bound("to-nonce", 14),
        prop_oneof![bound("from", 1_150), bound("from", 14)],
        prop_oneof![bound("to", 1_150), bound("to", 14)],
        (1..14_u32).prop_map(|limit| format!("&limit={limit}")),
        process,
    )
        .prop_map(|(a, b, c, d, e, f)| format!("?{a}{b}{c}{d}{e}{f}"));
    let accept = prop_oneof![3 => Just("application/json"), 1 => Just("application/octet-stream")];
    (route, id, query, accept)
        .prop_map(|(route, id, query, accept)| (route.replace("{id}", &id) + &query, accept))
}

async fn holds(path: &str, accept: &str, shown: usize, later: usize) -> Result<(), TestCaseError> {
    let growing = Growing::new(all().to_vec(), shown);
    let accept = ("accept", accept);
    let (first, _) = growing.ask("GET", path, &[accept]).await;
    growing.grow(later);
    let (fresh, _) = growing.ask("GET", path, &[accept]).await;
    if first.status != StatusCode::OK {
        return Ok(());
    }
    let (tag, same) = (first.header("etag"), first.body == fresh.body);
    if first.is_for_ever() {
        prop_assert!(same && first.headers == fresh.headers, "{} changed", path);
    }
    prop_assert!(first.header("etag") != fresh.header("etag") || same, "{} kept its tag", path);
    let (known, asked) = growing.ask("GET", path, &[accept, ("if-none-match", tag)]).await;
    if known.status == StatusCode::NOT_MODIFIED {
        prop_assert!(same, "{} is said to be unchanged", path);
        prop_assert!(!first.is_for_ever() || asked.heads + asked.others == 0);
    } else {
        prop_assert_eq!(known.body, fresh.body);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_was_served_as_immutable_never_changes(
        (path, accept) in question(),
        shown in 1..=LONGEST,
        more in 0..LONGEST,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(holds(&path, accept, shown, shown + more))?;
    }
}
