//! Every way to find an entry.

use crate::support::{Chain, body, commit, content, id, open};
use rota_ans104::Address;
use rota_ledger::{Append, KeptHeight, Ledger};
use rota_schedule::{
    Bounds, Entry, Found, MessageId, PageQuery, ProcessId, ReadError, ScheduleReader,
    SchedulerInfo, Timestamp,
};
use tempfile::TempDir;

/// Two processes; message 9 is assigned to both: to the first without its bytes, and earlier.
struct Fixture {
    _dir: TempDir,
    ledger: Ledger,
    first: Vec<Append>,
    second: Vec<Append>,
}

const SHARED: MessageId = MessageId::new([9; 32]);
const NOWHERE: [u8; 32] = [0xEE; 32];

fn fixture() -> Fixture {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let (mut one, mut two) = (Chain::new(1), Chain::new(2));
    let mut first = vec![one.next(10, Some(body(1, 200))), one.next(20, Some(body(2, 100_000)))];
    first.extend([one.place(30, SHARED, None), one.place(40, SHARED, None)]);
    let mut second = vec![two.next(15, Some(body(3, 0)))];
    second.push(Append { content: Some(content(7)), ..two.place(35, SHARED, Some(body(4, 70))) });
    for append in first.iter().chain(&second) {
        commit(&ledger, append.clone()).unwrap();
    }
    Fixture { _dir: dir, ledger, first, second }
}

impl Fixture {
    async fn find(&self, id: [u8; 32], process: Option<ProcessId>) -> Option<Found> {
        self.ledger.find(id, process, PageQuery::default()).await.unwrap()
    }

    async fn entry(&self, id: [u8; 32], process: Option<ProcessId>) -> Option<Entry> {
        match self.find(id, process).await {
            Some(Found::Entry(entry)) => Some(entry),
            None => None,
            Some(Found::Page(_)) => panic!("a page was found"),
        }
    }
}

#[tokio::test]
async fn a_process_is_found_as_a_page_whatever_process_is_named() {
    let fixture = fixture();
    let process = fixture.first[0].process;
    for named in [None, Some(process), Some(fixture.second[0].process)] {
        let Some(Found::Page(page)) = fixture.find(*process.as_bytes(), named).await else {
            panic!("no page");
        };
        let expected: Vec<Entry> =
            fixture.first.iter().map(|append| append.entry.clone()).collect();
        assert_eq!((page.entries, page.has_next), (expected, false));
    }
}

#[tokio::test]
async fn a_message_is_found_at_its_earliest_place() {
    let fixture = fixture();
    let (first, second) = (&fixture.first, &fixture.second);
    let shared = *SHARED.as_bytes();
    assert_eq!(fixture.entry(shared, None).await.as_ref(), Some(&first[2].entry));
    assert_eq!(fixture.entry(shared, Some(first[0].process)).await.as_ref(), Some(&first[2].entry));
    assert_eq!(
        fixture.entry(shared, Some(second[0].process)).await.as_ref(),
        Some(&second[1].entry)
    );
    let own = *first[1].entry.message_id.as_bytes();
    assert_eq!(fixture.entry(own, None).await.as_ref(), Some(&first[1].entry));
    assert_eq!(fixture.entry(own, Some(second[0].process)).await, None);
}

#[tokio::test]
async fn an_assignment_is_found_only_in_its_process() {
    let fixture = fixture();
    for append in fixture.first.iter().chain(&fixture.second) {
        let id = *append.entry.assignment_id.as_bytes();
        assert_eq!(fixture.entry(id, None).await.as_ref(), Some(&append.entry));
        assert_eq!(fixture.entry(id, Some(append.process)).await.as_ref(), Some(&append.entry));
        assert_eq!(fixture.entry(id, Some(ProcessId::new(NOWHERE))).await, None);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let fixture = fixture();
    let nowhere = ProcessId::new(NOWHERE);
    assert_eq!(fixture.find(NOWHERE, None).await, None);
    assert_eq!(fixture.find(NOWHERE, Some(fixture.first[0].process)).await, None);
    assert_eq!(fixture.ledger.latest(nowhere).await.unwrap(), None);
    assert_eq!(fixture.ledger.process(nowhere).await.unwrap(), None);
    assert_eq!(fixture.ledger.raw(NOWHERE).await.unwrap(), None);
    assert_eq!(fixture.ledger.head(&nowhere).unwrap(), None);
    assert_eq!(fixture.ledger.entry(&fixture.first[0].process, 4).unwrap(), None);
    assert_eq!(fixture.ledger.entries(&nowhere, 0).unwrap().count(), 0);
    assert_eq!(fixture.ledger.entries(&fixture.first[0].process, 4).unwrap().count(), 0);
}

#[tokio::test]
async fn raw_bytes_come_back_as_they_came_in() {
    let fixture = fixture();
    for append in fixture.first.iter().chain(&fixture.second) {
        let assignment = fixture.ledger.raw(*append.entry.assignment_id.as_bytes()).await.unwrap();
        assert_eq!(assignment.as_ref(), Some(&append.entry.assignment));
    }
    for append in [&fixture.first[0], &fixture.first[1], &fixture.second[0], &fixture.second[1]] {
        let message = fixture.ledger.raw(*append.entry.message_id.as_bytes()).await.unwrap();
        assert_eq!(message, append.entry.message, "the bytes, though an earlier place has none");
    }
}

#[tokio::test]
async fn the_newest_entry_and_the_process_itself() {
    let fixture = fixture();
    let process = fixture.first[0].process;
    assert_eq!(
        fixture.ledger.latest(process).await.unwrap().as_ref(),
        Some(&fixture.first[3].entry)
    );
    assert_eq!(
        fixture.ledger.process(process).await.unwrap().as_ref(),
        Some(&fixture.first[0].entry)
    );
    assert_eq!(fixture.ledger.head(&process).unwrap(), Some(fixture.first[3].head));
}

#[tokio::test]
async fn what_a_lane_asks() {
    let fixture = fixture();
    let (one, two) = (fixture.first[0].process, fixture.second[0].process);
    assert_eq!(fixture.ledger.place_of(&one, &SHARED).unwrap(), Some(2), "the earliest of two");
    assert_eq!(fixture.ledger.place_of(&two, &SHARED).unwrap(), Some(1));
    assert_eq!(fixture.ledger.place_of(&one, &one.into()).unwrap(), Some(0));
    assert_eq!(fixture.ledger.place_of(&two, &one.into()).unwrap(), None);
    assert_eq!(fixture.ledger.place_of_content(&two, &content(7)).unwrap(), Some(1));
    assert_eq!(fixture.ledger.place_of_content(&one, &content(7)).unwrap(), None);
    assert_eq!(fixture.ledger.place_of_content(&two, &content(8)).unwrap(), None);
}

#[test]
fn every_process_is_listed_with_its_head() {
    let fixture = fixture();
    let found: Vec<_> = fixture.ledger.processes().unwrap().map(Result::unwrap).collect();
    let expected =
        [&fixture.first[3], &fixture.second[1]].map(|append| (append.process, append.head));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_page_ends_at_its_bytes_but_never_before_its_first_entry() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    let sizes = [10, 5 << 20, 1 << 20, 2 << 20, 2 << 20];
    for (time, size) in (1..).zip(sizes) {
        commit(&ledger, chain.next(time, Some(body(time, size)))).unwrap();
    }
    let mut pages = Vec::new();
    let mut after_nonce = None;
    loop {
        let query = PageQuery {
            bounds: Bounds { after_nonce, ..Bounds::default() },
            bytes_max: 4 << 20,
            ..PageQuery::default()
        };
        let Some(Found::Page(page)) =
            ledger.find(*chain.process.as_bytes(), None, query).await.unwrap()
        else {
            panic!("no page");
        };
        pages.push(page.entries.len());
        after_nonce = page.entries.last().map(|entry| entry.nonce);
        if !page.has_next {
            break;
        }
    }
    assert_eq!(pages, [1, 1, 2, 1], "4 MiB a page, and the one of 5 MiB by itself");
}

#[tokio::test]
async fn what_the_scheduler_says_of_itself_survives() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    assert!(matches!(ledger.scheduler(None).await, Err(ReadError::Unavailable(_))));
    let (old, new) = (Address::new(id(4, 0, 0)), Address::new(id(5, 0, 0)));
    assert_eq!(ledger.set_scheduler(old).unwrap(), None);
    assert_eq!(ledger.block_height(), None);
    let kept = KeptHeight { height: 1_600_000, told: Some(Timestamp(7)) };
    ledger.set_block_height(kept);
    ledger.close().unwrap();

    let ledger = open(dir.path());
    assert_eq!(ledger.block_height(), Some(kept));
    assert_eq!(
        ledger.scheduler(None).await.unwrap(),
        SchedulerInfo { address: old, block_height: 1_600_000 }
    );
    assert_eq!(ledger.set_scheduler(new).unwrap(), Some(old));
    assert_eq!(ledger.set_scheduler(new).unwrap(), Some(new));
}
