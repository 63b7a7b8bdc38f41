//! The contract suite of [`ScheduleReader`]: what every implementation answers over [`schedules`].
//!
//! Expectations are written down, not computed, so that the suite can judge the model too.

use crate::{ItemBuilder, message, spawn, user};
use rota_ans104::{Item, Signer};
use rota_schedule::{
    Assignment, AssignmentId, Bounds, Cursor, Entry, Exclude, Found, HashChain, Head, MessageId,
    PAGE_BYTES_MAX, PAGE_PART_BYTES_MAX, Page, PageQuery, ProcessId, ScheduleReader, Slot, Subject,
    Timestamp,
};

/// The schedule of one process, with its head after each entry.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The process.
    pub process: ProcessId,
    /// In the order of nonces.
    pub entries: Vec<Entry>,
    /// The head after each entry.
    pub heads: Vec<Head>,
}

/// Bytes of data of a message in the schedule of large ones: three fit a part of a page.
const LARGE_BYTES: usize = 1_300_000;

/// The schedules that the suite knows, in this order: a usual one of 12 entries; one imported from
/// before processes had assignments of their own, with equal timestamps; one that is only spawned; one
/// with large messages; one into which the first message of the usual one was only assigned, three
/// times, the first time before it was posted; one into which assignments were assigned: one of the usual
/// one, and twice its own first.
pub fn schedules() -> Vec<Schedule> {
    let spawned = spawn().sign();
    let mut usual = Schedule::spawned(&spawned, 1_000);
    for nonce in 1..12 {
        usual.push(&message(usual.process).sign(), 1_000 + nonce * 10);
    }
    let mut imported = Schedule::new(ProcessId::new([7; 32]));
    for time in [5, 5, 5, 7, 7, 9, 9, 9, 9, 12] {
        imported.push(&message(imported.process).sign(), time);
    }
    let only_spawned = Schedule::spawned(&spawn().data("").sign(), 3_000);
    let mut large = Schedule::spawned(&spawn().sign(), 4_000);
    for time in [4_010, 4_020, 4_030, 4_040, 4_050] {
        let data = vec![b'x'; LARGE_BYTES];
        large.push(&message(large.process).data(data).sign(), time);
    }
    let mut assigned = Schedule::spawned(&spawn().sign(), 500);
    let elsewhere = usual.entries[1].message_id;
    for time in [900, 1_500, 1_600] {
        assigned.push_assigned(elsewhere, time);
    }
    let mut of_assignments = Schedule::spawned(&spawn().sign(), 600);
    let own = of_assignments.entries[0].assignment_id;
    for (id, time) in [(usual.entries[3].assignment_id, 1_700), (own, 1_710), (own, 1_720)] {
        of_assignments.push_assigned(MessageId::new(*id.as_bytes()), time);
    }
    vec![usual, imported, only_spawned, large, assigned, of_assignments]
}

impl Schedule {
    fn new(process: ProcessId) -> Self {
        Self { process, entries: Vec::new(), heads: Vec::new() }
    }

    /// A process, and a message with each of these data.
    pub fn of_messages(data: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut schedule = Self::spawned(&spawn().sign(), 1_000);
        for (data, time) in data.into_iter().zip(1_001..) {
            schedule.push(&message(schedule.process).data(data).sign(), time);
        }
        schedule
    }

    /// A process with its own entry.
    pub fn spawned(item: &Item, time: u64) -> Self {
        let mut schedule = Self::new(item.id().into());
        schedule.place(Subject::Process, item.id().into(), Some(item), time, user());
        schedule
    }

    /// Appends a message, whatever it is, with an assignment that [`user`] signs.
    pub fn push(&mut self, item: &Item, time: u64) {
        self.push_signed(item, time, user());
    }

    /// The same with an assignment that somebody else signs.
    pub fn push_signed(&mut self, item: &Item, time: u64, scheduler: &dyn Signer) {
        let id = item.id().into();
        self.place(Subject::Message(id), id, Some(item), time, scheduler);
    }

    fn push_assigned(&mut self, id: MessageId, time: u64) {
        self.place(Subject::Message(id), id, None, time, user());
    }

    /// Unlike the rules, this lets timestamps be equal: imported schedules have such.
    fn place(
        &mut self,
        subject: Subject,
        message_id: MessageId,
        item: Option<&Item>,
        time: u64,
        scheduler: &dyn Signer,
    ) {
        let head = self.heads.last();
        let slot = Slot {
            process: self.process,
            nonce: head.map_or(0, |head| head.nonce + 1),
            hash_chain: head.map_or_else(
                || HashChain::first(&self.process),
                |head| head.hash_chain.next(&head.assignment),
            ),
            timestamp: Timestamp(time),
            block_height: 1,
        };
        let draft = Assignment::draft(&slot, subject, &Exclude::default(), [slot.nonce as u8; 24]);
        let assignment = draft.sign(scheduler).unwrap();
        let assignment_id: AssignmentId = assignment.id().into();
        self.heads.push(slot.head(assignment_id));
        self.entries.push(Entry {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment_id,
            message_id,
            assignment: assignment.bytes().clone(),
            message: item.map(|item| item.bytes().clone()),
        });
    }
}

/// Holds `reader`, which must contain `schedules` (made by [`schedules`]) and be told that [`user`]
/// signs at block height 42, to everything that a [`ScheduleReader`] promises.
pub async fn reader_suite(reader: &impl ScheduleReader, schedules: &[Schedule]) {
    // Boxed: a reader's future is large.
    Box::pin(judge(reader, schedules)).await;
}

async fn judge(reader: &impl ScheduleReader, schedules: &[Schedule]) {
    pages_are_cut_by_their_bounds(reader, &schedules[0]).await;
    pages_by_time_do_not_end_between_equals(reader, &schedules[1]).await;
    pages_end_at_the_byte_cap(reader, &schedules[3]).await;
    ids_are_found(reader, schedules).await;
    processes_have_a_first_and_a_latest_entry(reader, schedules).await;
    raw_bytes_are_as_signed(reader, schedules).await;
    what_is_not_there_is_not_found(reader).await;
    pages_know_whether_they_can_change(reader, &schedules[0]).await;
    for process in [None, Some(schedules[0].process), Some(ProcessId::new([9; 32]))] {
        let info = reader.scheduler(process).await.unwrap();
        assert_eq!((info.address, info.block_height), (user().address(), 42));
    }
}

/// A page with all its parts. Each of them is as large as it may be.
pub async fn whole_page(
    reader: &impl ScheduleReader,
    process: ProcessId,
    query: PageQuery,
) -> Option<Page> {
    let find = async |query| reader.find(*process.as_bytes(), None, query).await.unwrap();
    let mut page = match find(query).await {
        Some(Found::Page(page)) => page,
        Some(Found::Entry(entry)) => panic!("no page but {entry:?}"),
        None => return None,
    };
    let Some(rest) = page.rest.take() else { return Some(page) };
    let bytes = |entries: &[Entry]| entries.iter().map(Entry::len_bytes).sum::<usize>();
    let mut part = page.entries.clone();
    while page.entries.last().unwrap().nonce < rest.last {
        let asked = rest.query(page.entries.last().unwrap().nonce, PAGE_PART_BYTES_MAX);
        let found = find(asked).await;
        let Some(Found::Page(next)) = found else { panic!("no part of a page but {found:?}") };
        assert!(bytes(&part) <= PAGE_PART_BYTES_MAX || part.len() == 1, "a part is too large");
        let is_full = bytes(&part) + next.entries[0].len_bytes() > PAGE_PART_BYTES_MAX;
        let is_held_back = part.last().unwrap().timestamp == next.entries[0].timestamp;
        assert!(is_full || is_held_back, "a part ends early");
        page.entries.extend_from_slice(&next.entries);
        part = next.entries;
    }
    assert!(bytes(&page.entries) as u64 <= rest.page_bytes, "a page has more bytes than it says");
    Some(page)
}

/// Reads a page as nonces, and whether there is a next one.
async fn page(
    reader: &impl ScheduleReader,
    schedule: &Schedule,
    query: PageQuery,
) -> (Vec<u64>, bool) {
    match whole_page(reader, schedule.process, query).await {
        Some(page) => {
            for entry in &page.entries {
                assert_eq!(*entry, schedule.entries[usize::try_from(entry.nonce).unwrap()]);
            }
            (page.entries.iter().map(|entry| entry.nonce).collect(), page.has_next)
        }
        None => panic!("process {} is not found", schedule.process),
    }
}

const fn query(bounds: Bounds, cursor: Cursor, limit: u32) -> PageQuery {
    PageQuery { bounds, cursor, limit, bytes_max: PAGE_BYTES_MAX }
}

const ALL: Bounds = Bounds { after_nonce: None, to_nonce: None, after_time: None, to_time: None };

async fn pages_are_cut_by_their_bounds(reader: &impl ScheduleReader, usual: &Schedule) {
    let after = |nonce| Bounds { after_nonce: Some(nonce), ..ALL };
    let to = |nonce| Bounds { to_nonce: Some(nonce), ..ALL };
    let between = |from, to| Bounds { after_time: Some(from), to_time: Some(to), ..ALL };
    let both = Bounds { after_nonce: Some(2), to_nonce: Some(9), ..between(1_040, 1_070) };
    let cases = [
        (ALL, 100, 0..12, false),
        (ALL, 12, 0..12, false),
        (ALL, 11, 0..11, true),
        (ALL, 1, 0..1, true),
        (after(0), 3, 1..4, true),
        (after(8), 3, 9..12, false),
        (after(11), 3, 0..0, false),
        (after(u64::MAX), 3, 0..0, false),
        (to(0), 3, 0..1, false),
        (to(2), 3, 0..3, false),
        (to(3), 3, 0..3, true),
        (to(u64::MAX), 100, 0..12, false),
        (between(1_000, 1_020), 100, 1..3, false),
        (between(999, 1_000), 100, 0..1, false),
        (between(1_005, 1_009), 100, 0..0, false),
        (between(1_110, 9_999), 100, 0..0, false),
        (between(1_020, 1_010), 100, 0..0, false),
        (between(0, u64::MAX), 5, 0..5, true),
        (between(u64::MAX, u64::MAX), 5, 0..0, false),
        (between(0, 0), 5, 0..0, false),
        (both, 100, 5..8, false),
        (both, 2, 5..7, true),
        (Bounds { after_nonce: Some(5), to_nonce: Some(4), ..ALL }, 5, 0..0, false),
        (Bounds { after_nonce: Some(5), to_nonce: Some(5), ..ALL }, 5, 0..0, false),
    ];
    for (bounds, limit, nonces, has_next) in cases {
        for cursor in [Cursor::Nonce, Cursor::Timestamp] {
            let query = query(bounds, cursor, limit);
            let found = page(reader, usual, query).await;
            assert_eq!(found, (nonces.clone().collect(), has_next), "{query:?}");
        }
    }
}

async fn pages_know_whether_they_can_change(reader: &impl ScheduleReader, usual: &Schedule) {
    let newest = usual.entries.last().unwrap();
    let to = |nonce| Bounds { to_nonce: Some(nonce), ..ALL };
    let until = |time| Bounds { to_time: Some(time), ..ALL };
    for (bounds, limit, closed) in [
        (ALL, 11, true),
        (ALL, 12, false),
        (ALL, 100, false),
        (to(11), 100, true),
        (to(12), 100, false),
        (until(newest.timestamp.0 - 1), 100, true),
        (Bounds { after_nonce: Some(11), ..ALL }, 100, false),
        (Bounds { after_nonce: Some(11), ..to(3) }, 100, true),
    ] {
        let query = query(bounds, Cursor::Nonce, limit);
        let found = reader.find(*usual.process.as_bytes(), None, query).await.unwrap();
        let Some(Found::Page(page)) = found else { panic!("no page but {found:?}") };
        assert_eq!((page.head, page.closed), (newest.nonce, closed), "{query:?}");
    }
    // No promise reaches this far, so whoever says that it is closed cannot know.
    let query = query(until(u64::MAX), Cursor::Nonce, 100);
    let found = reader.find(*usual.process.as_bytes(), None, query).await.unwrap();
    assert!(matches!(found, Some(Found::Page(Page { closed: false, .. }))), "{found:?}");
}

async fn pages_by_time_do_not_end_between_equals(
    reader: &impl ScheduleReader,
    imported: &Schedule,
) {
    // Times: 5 5 5 7 7 9 9 9 9 12.
    for (limit, by_time, by_nonce) in
        [(1, 3, 1), (3, 3, 3), (4, 5, 4), (6, 9, 6), (9, 9, 9), (10, 10, 10)]
    {
        let timed = page(reader, imported, query(ALL, Cursor::Timestamp, limit)).await;
        assert_eq!(timed, ((0..by_time).collect(), by_time < 10), "limit {limit} by time");
        let counted = page(reader, imported, query(ALL, Cursor::Nonce, limit)).await;
        assert_eq!(counted, ((0..by_nonce).collect(), by_nonce < 10), "limit {limit} by nonce");
    }
    let after_five = Bounds { after_time: Some(5), ..ALL };
    let found = page(reader, imported, query(after_five, Cursor::Timestamp, 1)).await;
    assert_eq!(found, (vec![3, 4], true));
    let to_seven = Bounds { to_time: Some(7), ..ALL };
    assert_eq!(
        page(reader, imported, query(to_seven, Cursor::Timestamp, 4)).await,
        ((0..5).collect(), false)
    );
    let split = Bounds { to_nonce: Some(1), ..ALL };
    assert_eq!(
        page(reader, imported, query(split, Cursor::Timestamp, 1)).await,
        (vec![0, 1], false)
    );
}

async fn pages_end_at_the_byte_cap(reader: &impl ScheduleReader, large: &Schedule) {
    let bounded = |after_nonce, bytes_max| PageQuery {
        bytes_max,
        ..query(Bounds { after_nonce, ..ALL }, Cursor::Nonce, 100)
    };
    for (after, bytes_max, nonces, has_next) in [
        (None, 4 << 20, 0..4, true),
        (Some(0), 4 << 20, 1..4, true),
        (Some(2), 4 << 20, 3..6, false),
        (None, PAGE_BYTES_MAX, 0..6, false),
        (Some(0), PAGE_BYTES_MAX, 1..6, false),
        (Some(0), 5_500_000, 1..5, true),
        (Some(0), 2_000_000, 1..2, true),
        // One entry is always there.
        (Some(0), 1, 1..2, true),
        (Some(4), 0, 5..6, false),
    ] {
        let found = page(reader, large, bounded(after, bytes_max)).await;
        assert_eq!(found, (nonces.collect(), has_next), "after {after:?}, {bytes_max} bytes");
    }
    let id = *large.process.as_bytes();
    let found = reader.find(id, None, bounded(None, PAGE_BYTES_MAX)).await.unwrap();
    let Some(Found::Page(first)) = found else { panic!("no page but {found:?}") };
    assert_eq!(first.entries.len(), 4, "at most so much is in memory at once");
    assert_eq!(first.rest.map(|rest| rest.last), Some(5));
}

async fn ids_are_found(reader: &impl ScheduleReader, schedules: &[Schedule]) {
    let find = async |id: [u8; 32], process: Option<ProcessId>| match reader
        .find(id, process, PageQuery::default())
        .await
        .unwrap()
    {
        Some(Found::Entry(entry)) => Some(entry),
        None => None,
        Some(Found::Page(_)) => panic!("a page was found where an entry lies"),
    };
    for schedule in schedules {
        for entry in &schedule.entries {
            let by_assignment = *entry.assignment_id.as_bytes();
            for process in [None, Some(schedule.process)] {
                assert_eq!(find(by_assignment, process).await.as_ref(), Some(entry));
            }
            assert_eq!(find(by_assignment, Some(ProcessId::new([9; 32]))).await, None);
        }
    }
    let (usual, assigned) = (&schedules[0], &schedules[4]);
    let twice = *usual.entries[1].message_id.as_bytes();
    assert_eq!(find(twice, None).await.as_ref(), Some(&assigned.entries[1]), "the earliest of all");
    assert_eq!(find(twice, Some(usual.process)).await.as_ref(), Some(&usual.entries[1]));
    assert_eq!(find(twice, Some(assigned.process)).await.as_ref(), Some(&assigned.entries[1]));
    assert_eq!(find(twice, Some(schedules[1].process)).await, None);
    let once = *usual.entries[5].message_id.as_bytes();
    assert_eq!(find(once, None).await.as_ref(), Some(&usual.entries[5]));
    // Every assignment was found above at its own place; where only the item is, that is found.
    let of_assignments = &schedules[5];
    let assignment = *usual.entries[3].assignment_id.as_bytes();
    let as_item = find(assignment, Some(of_assignments.process)).await;
    assert_eq!(as_item.as_ref(), Some(&of_assignments.entries[1]));
}

async fn processes_have_a_first_and_a_latest_entry(
    reader: &impl ScheduleReader,
    schedules: &[Schedule],
) {
    for schedule in schedules {
        let latest = reader.latest(schedule.process).await.unwrap();
        assert_eq!(latest.as_ref(), schedule.entries.last());
        let head = reader.head(schedule.process).await.unwrap();
        assert_eq!(head, schedule.entries.last().map(|entry| entry.nonce));
        let own = reader.process(schedule.process).await.unwrap();
        let first = &schedule.entries[0];
        // An imported process has no assignment of its own: its first entry is a message.
        let is_own = first.message_id == schedule.process.into();
        assert_eq!(own.as_ref(), is_own.then_some(first));
    }
}

async fn raw_bytes_are_as_signed(reader: &impl ScheduleReader, schedules: &[Schedule]) {
    for entry in schedules.iter().flat_map(|schedule| &schedule.entries) {
        let assignment = reader.raw(*entry.assignment_id.as_bytes()).await.unwrap();
        assert_eq!(assignment.as_ref(), Some(&entry.assignment));
        if let Some(message) = &entry.message {
            let raw = reader.raw(*entry.message_id.as_bytes()).await.unwrap();
            assert_eq!(raw.as_ref(), Some(message));
        }
    }
}

async fn what_is_not_there_is_not_found(reader: &impl ScheduleReader) {
    let nobody = ItemBuilder::new(None).sign().id();
    let id = *nobody.as_bytes();
    assert!(reader.find(id, None, PageQuery::default()).await.unwrap().is_none());
    assert!(reader.latest(nobody.into()).await.unwrap().is_none());
    assert!(reader.head(nobody.into()).await.unwrap().is_none());
    assert!(reader.process(nobody.into()).await.unwrap().is_none());
    assert!(reader.raw(id).await.unwrap().is_none());
}
