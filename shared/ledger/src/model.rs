//! The ledger against a model: whatever is appended and asked for, a page is what a plain list and the
//! words of the contract (§3) say it is.

use crate::{
    Ledger, page,
    support::{self, Chain},
};
use proptest::prelude::*;
use rota_schedule::{Bounds, Cursor, Entry, Head, Page, PageQuery, ProcessId, Timestamp};
use tempfile::TempDir;

/// A page as the contract says it: filter, then take.
fn expected(entries: &[Entry], query: &PageQuery) -> Page {
    let Bounds { after_nonce, to_nonce, after_time, to_time } = query.bounds;
    let within: Vec<&Entry> = entries
        .iter()
        .filter(|entry| after_nonce.is_none_or(|nonce| entry.nonce > nonce))
        .filter(|entry| to_nonce.is_none_or(|nonce| entry.nonce <= nonce))
        .filter(|entry| after_time.is_none_or(|time| entry.timestamp.0 > time))
        .filter(|entry| to_time.is_none_or(|time| entry.timestamp.0 <= time))
        .collect();
    let mut taken: Vec<Entry> = Vec::new();
    for entry in &within {
        let bytes: usize = taken.iter().chain([*entry]).map(Entry::len_bytes).sum();
        let full = taken.len() >= query.limit as usize || bytes > query.bytes_max;
        let equal = taken.last().is_some_and(|last| last.timestamp == entry.timestamp);
        if !taken.is_empty() && full && !(equal && query.cursor == Cursor::Timestamp) {
            break;
        }
        taken.push((*entry).clone());
    }
    let has_next = taken.len() < within.len();
    let (head, newest) =
        entries.last().map_or((0, Timestamp(0)), |last| (last.nonce, last.timestamp));
    let closed = has_next || query.bounds.are_closed(head, newest, None);
    Page { entries: taken, rest: None, has_next, head, closed }
}

/// A page whose parts were read one after the other. Each is as large as it may be.
fn whole(
    ledger: &Ledger,
    process: ProcessId,
    head: &Head,
    query: &PageQuery,
    part_max: usize,
) -> Page {
    let read =
        |query: &PageQuery| page::read(ledger.store(), process, head, query, part_max).unwrap();
    let mut page = read(query);
    let Some(rest) = page.rest.take() else { return page };
    let mut part = page.entries.clone();
    while page.entries.last().unwrap().nonce < rest.last {
        let next = read(&rest.query(page.entries.last().unwrap().nonce, part_max)).entries;
        let bytes: usize = part.iter().chain(&next[..1]).map(Entry::len_bytes).sum();
        assert!(bytes > part_max, "the part before had room");
        page.entries.extend_from_slice(&next);
        part = next;
    }
    let bytes: usize = page.entries.iter().map(Entry::len_bytes).sum();
    assert_eq!(rest.page_bytes, bytes as u64);
    page
}

/// Time steps (0: equal timestamps, as imported schedules have) and message sizes.
fn appends() -> impl Strategy<Value = Vec<(u64, Option<usize>)>> {
    let size =
        prop_oneof![Just(None), (0usize..400).prop_map(Some), (60_000usize..70_000).prop_map(Some)];
    prop::collection::vec((prop_oneof![Just(0u64), 1u64..4], size), 1..40)
}

/// Bounds around what is there, and at the ends of their range.
fn bound() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![3 => Just(None), 5 => (0u64..60).prop_map(Some), 1 => Just(Some(u64::MAX))]
}

/// A question, and how many bytes are read at once.
fn query() -> impl Strategy<Value = (PageQuery, usize)> {
    let bytes = || prop_oneof![Just(usize::MAX), 0usize..2_000, 50_000usize..200_000];
    (bound(), bound(), bound(), bound(), 1u32..12, any::<bool>(), bytes(), bytes()).prop_map(
        |(after_nonce, to_nonce, after_time, to_time, limit, by_time, bytes_max, part_max)| {
            let bounds = Bounds { after_nonce, to_nonce, after_time, to_time };
            let cursor = if by_time { Cursor::Timestamp } else { Cursor::Nonce };
            (PageQuery { bounds, cursor, limit, bytes_max }, part_max)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_are_what_the_contract_says(
        appends in prop::collection::vec(appends(), 1..3),
        queries in prop::collection::vec(query(), 60),
        flush in any::<bool>(),
    ) {
        let dir = TempDir::new().unwrap();
        let mut ledger = support::open(dir.path());
        let mut schedules = Vec::new();
        for (number, steps) in (0..).zip(appends) {
            let mut chain = Chain::new(number);
            let mut time = 10;
            let mut entries = Vec::new();
            for (step, size) in steps {
                time += step;
                let append = chain.next(time, size.map(|size| support::body(time, size)));
                entries.push(append.entry.clone());
                support::commit(&ledger, append).unwrap();
            }
            schedules.push((chain.process, entries));
        }
        if flush {
            ledger.close().unwrap();
            ledger = support::open(dir.path());
        }
        for (process, entries) in &schedules {
            let head = ledger.head(process).unwrap().unwrap();
            for (query, part_max) in &queries {
                let page = whole(&ledger, *process, &head, query, *part_max);
                prop_assert_eq!(page, expected(entries, query), "{:?} {}", query, part_max);
            }
            for from in [0, 1, entries.len() / 2, entries.len()] {
                let read: Vec<Entry> = ledger.entries(process, from as u64).unwrap().map(Result::unwrap).collect();
                prop_assert_eq!(&read, &entries[from.min(entries.len())..]);
            }
        }
    }
}
