//! Whatever was committed when, wherever the replica stands: every answer is that of the model (RD-1).

use crate::house::House;
use rota_schedule::{
    AssignmentId, Bounds, Cursor, Entry, Found, MessageId, PAGE_PART_BYTES_MAX, Page, PageQuery,
    ProcessId, ScheduleReader, Timestamp,
};
use rota_testkit::{Model, Schedule, user};

/// How often something is committed or the replica moves.
const ROUNDS: u64 = 60;
/// Reads after each.
const READS: u64 = 100;
/// How many processes there are. The first is imported: its timestamps may be equal.
const PROCESSES: u64 = 5;

/// Random numbers (`SplitMix64`), the same for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    fn id(&mut self) -> [u8; 32] {
        let mut id = [0; 32];
        for part in id.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        id
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(of.len()).unwrap();
        (len > 0).then(|| &of[usize::try_from(self.below(len)).unwrap()])
    }

    fn maybe(&mut self, end: u64) -> Option<u64> {
        (!self.one_in(3)).then(|| self.below(end))
    }
}

/// What is committed, and the time up to which nothing more comes.
struct Truth {
    schedules: Vec<Schedule>,
    now: u64,
    closed: u64,
}

impl Truth {
    fn new(random: &mut Random) -> Self {
        let process = |_| Schedule {
            process: ProcessId::new(random.id()),
            entries: Vec::new(),
            heads: Vec::new(),
        };
        Self { schedules: (0..PROCESSES).map(process).collect(), now: 1_000, closed: 0 }
    }

    /// Adds some entries to a process; gives which and from where.
    fn grow(&mut self, random: &mut Random) -> (usize, usize) {
        let index = usize::try_from(random.below(PROCESSES)).unwrap();
        let from = self.schedules[index].entries.len();
        for _ in 0..=random.below(8) {
            let stands_still = index == 0 && from > 0 && self.now > self.closed && random.one_in(2);
            self.now += if stands_still { 0 } else { 1 + random.below(5) };
            let entry = self.next_entry(index, random);
            self.schedules[index].entries.push(entry);
        }
        (index, from)
    }

    fn next_entry(&self, index: usize, random: &mut Random) -> Entry {
        let schedule = &self.schedules[index];
        let nonce = u64::try_from(schedule.entries.len()).unwrap();
        let other = random.pick(&self.schedules[1..]).map_or(&[][..], |other| &other.entries);
        let (item, assignment) = (other.get(1), random.pick(other));
        let (message_id, message) = match (item, assignment) {
            (Some(entry), _) if nonce > 0 && index > 0 && random.one_in(4) => {
                (entry.message_id, None)
            }
            // Anybody may have an assignment assigned, of whatever process.
            (_, Some(entry)) if nonce > 0 && index > 0 && random.one_in(4) => {
                (MessageId::new(*entry.assignment_id.as_bytes()), None)
            }
            _ if nonce == 0 && index > 0 => (schedule.process.into(), Some(bytes(random))),
            _ => (MessageId::new(random.id()), Some(bytes(random))),
        };
        Entry {
            nonce,
            timestamp: Timestamp(self.now),
            assignment_id: AssignmentId::new(random.id()),
            message_id,
            assignment: bytes(random),
            message,
        }
    }
}

fn bytes(random: &mut Random) -> bytes::Bytes {
    let most = if random.one_in(20) { 200_000 } else { 300 };
    let len = 1 + random.below(most);
    vec![u8::try_from(len % 251).unwrap(); usize::try_from(len).unwrap()].into()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_that_of_the_model_wherever_the_replica_stands() {
    let house = House::new().await;
    let seed = 20_261_121;
    let mut random = Random(seed);
    let mut truth = Truth::new(&mut random);
    let reader = house.reader();
    let replica_alone = house.replica_reader();
    let (mut paused, mut alone) = (false, 0);
    for round in 0..ROUNDS {
        match (random.below(5), paused) {
            (0, true) => house.replica.resume(),
            (0, false) => house.replica.pause(),
            (1, _) => {
                truth.closed = truth.now;
                house.close(truth.closed).await;
            }
            _ => {
                let (index, from) = truth.grow(&mut random);
                let schedule = &truth.schedules[index];
                house.commit_part(schedule, from, schedule.entries.len()).await;
            }
        }
        paused = house.replica.sql("postgres", "SELECT pg_is_wal_replay_paused()") == "t";
        let committed = truth.schedules.iter().filter(|schedule| !schedule.entries.is_empty());
        let model = Model::new(committed.cloned().collect(), user().address(), 42);
        for read in 0..READS {
            let ask = Ask::random(&truth, &mut random);
            let expected = ask.of(&model).await.unwrap();
            let context = || format!("seed {seed}, round {round}, read {read}: {ask:?}");
            assert_eq!(ask.of(&reader).await.unwrap(), expected, "{}", context());
            // The replica alone either knows or says that it does not.
            if let Some(answer) = ask.of(&replica_alone).await {
                assert_eq!(answer, expected, "replica alone, {}", context());
                alone += 1;
            }
        }
    }
    let stats = reader.stats();
    assert!(stats.fallbacks.behind > 20 && stats.fallbacks.not_found > 20, "{stats:?}");
    assert_eq!(stats.fallbacks.no_replica, 0, "{stats:?}");
    assert!(alone > ROUNDS * READS / 10, "{alone} answers of the replica alone");
}

/// A read.
#[derive(Debug)]
enum Ask {
    Find([u8; 32], Option<ProcessId>, PageQuery),
    Latest(ProcessId),
    Head(ProcessId),
    Process(ProcessId),
    Raw([u8; 32]),
}

/// What must be the same whoever answers.
#[derive(Debug, PartialEq)]
enum Answer {
    Page(Vec<Entry>, bool),
    Entry(Option<Entry>),
    Head(Option<u64>),
    Raw(Option<bytes::Bytes>),
}

impl Ask {
    fn random(truth: &Truth, random: &mut Random) -> Self {
        let schedule = random.pick(&truth.schedules).unwrap();
        let process = schedule.process;
        let id = match (random.pick(&schedule.entries), random.below(4)) {
            (Some(entry), 0) => *entry.assignment_id.as_bytes(),
            (Some(entry), 1 | 2) => *entry.message_id.as_bytes(),
            _ => random.id(),
        };
        match random.below(8) {
            0 => Self::Latest(process),
            1 => Self::Head(process),
            2 => Self::Process(process),
            3 => Self::Raw(id),
            4 => Self::Find(id, random.one_in(2).then_some(process), PageQuery::default()),
            _ => Self::Find(*process.as_bytes(), None, query(schedule, truth.now, random)),
        }
    }

    /// `None` if the reader says that it cannot know.
    async fn of(&self, reader: &impl ScheduleReader) -> Option<Answer> {
        Some(match self {
            Self::Find(id, process, query) => {
                match reader.find(*id, *process, *query).await.ok()? {
                    Some(Found::Page(page)) => {
                        let has_next = page.has_next;
                        Answer::Page(all_parts(reader, *id, page).await?, has_next)
                    }
                    Some(Found::Entry(entry)) => Answer::Entry(Some(entry)),
                    None => Answer::Entry(None),
                }
            }
            Self::Latest(process) => Answer::Entry(reader.latest(*process).await.ok()?),
            Self::Head(process) => Answer::Head(reader.head(*process).await.ok()?),
            Self::Process(process) => Answer::Entry(reader.process(*process).await.ok()?),
            Self::Raw(id) => Answer::Raw(reader.raw(*id).await.ok()?),
        })
    }
}

/// The entries of a page with those of its further parts: one that ends between equal timestamps has such.
async fn all_parts(
    reader: &impl ScheduleReader,
    process: [u8; 32],
    page: Page,
) -> Option<Vec<Entry>> {
    let Page { mut entries, rest, .. } = page;
    let Some(rest) = rest else { return Some(entries) };
    loop {
        let after = entries.last().unwrap().nonce;
        if after >= rest.last {
            return Some(entries);
        }
        let query = rest.query(after, PAGE_PART_BYTES_MAX);
        match reader.find(process, None, query).await.ok()? {
            Some(Found::Page(part)) => entries.extend(part.entries),
            other => panic!("no part of a page but {other:?}"),
        }
    }
}

/// A query whose bounds lie around what the schedule has.
fn query(schedule: &Schedule, now: u64, random: &mut Random) -> PageQuery {
    let nonces = u64::try_from(schedule.entries.len()).unwrap() + 3;
    let begun = schedule.entries.first().map_or(0, |entry| entry.timestamp.0 - 1);
    let time = |random: &mut Random| random.maybe(now + 3 - begun).map(|time| begun + time);
    let bounds = if random.one_in(2) {
        Bounds {
            after_nonce: random.maybe(nonces),
            to_nonce: random.maybe(nonces),
            ..Bounds::default()
        }
    } else {
        Bounds { after_time: time(random), to_time: time(random), ..Bounds::default() }
    };
    let cursor = if random.one_in(2) { Cursor::Nonce } else { Cursor::Timestamp };
    let most = if random.one_in(2) { 5 } else { 100 };
    let limit = 1 + u32::try_from(random.below(most)).unwrap();
    PageQuery { bounds, cursor, limit, ..PageQuery::default() }
}
