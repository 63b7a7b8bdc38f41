//! Pins every byte that the ledger writes: a layout in `tests/golden` is on somebody's disk and never
//! changes. A new layout gets a new version and a new file.

use crate::LedgerError;
use crate::{
    Part,
    key::{self, EntryRow, IdKind},
    record::{self, AssignmentRecord, OutboxCounters, OutboxRecord, ProvisionalRecord},
};
use bytes::Bytes;
use rota_schedule::{
    AssignmentId, ContentKey, Entry, HashChain, Head, MessageId, ProcessId, Timestamp,
};

const GOLDEN: &str = concat!(
    include_str!("../tests/golden/format-1.txt"),
    include_str!("../tests/golden/format-2.txt")
);
const PROCESS: ProcessId = ProcessId::new([0xA1; 32]);
const MESSAGE: MessageId = MessageId::new([0xB2; 32]);
const ASSIGNMENT: AssignmentId = AssignmentId::new([0xC3; 32]);
const NONCE: u64 = 0x0102_0304_0506_0708;
const TIME: u64 = 0x1112_1314_1516_1718;
const HEAD: Head = Head {
    nonce: NONCE,
    assignment: ASSIGNMENT,
    hash_chain: HashChain([0xD4; 32]),
    timestamp: Timestamp(TIME),
    block_height: 0x2122_2324_2526_2728,
};
const OUTBOX: OutboxRecord = OutboxRecord {
    process: PROCESS,
    nonce: NONCE,
    part: Part::Assignment,
    queued_at: Timestamp(TIME),
};
const PROVISIONAL: ProvisionalRecord = ProvisionalRecord {
    queued_at: Timestamp(TIME),
    has_message: true,
    before: Some(HEAD),
    content: Some(ContentKey([0xE5; 48])),
};
const PROVISIONAL_FIRST: ProvisionalRecord =
    ProvisionalRecord { has_message: false, before: None, content: None, ..PROVISIONAL };
const COUNTERS: OutboxCounters = OutboxCounters { next: NONCE, low: TIME, depth: 3 };

fn entry(message: Option<Bytes>) -> Entry {
    Entry {
        nonce: NONCE,
        timestamp: Timestamp(TIME),
        assignment_id: ASSIGNMENT,
        message_id: MESSAGE,
        assignment: Bytes::from_static(b"signed"),
        message,
    }
}

fn assignment(message: Option<Bytes>) -> Vec<u8> {
    let mut out = Vec::new();
    AssignmentRecord::of(&entry(message)).write(&mut out);
    out
}

/// Everything that is written, by name.
fn written() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("key entries assignment", key::entry(&PROCESS, NONCE, EntryRow::Assignment).to_vec()),
        ("key entries message", key::entry(&PROCESS, NONCE, EntryRow::Message).to_vec()),
        ("key ids place", key::place(&MESSAGE, &PROCESS, NONCE).to_vec()),
        (
            "key ids stored",
            key::place_by_time(&MESSAGE, IdKind::Stored, TIME, &PROCESS, NONCE).to_vec(),
        ),
        ("key ids assignment", key::assignment(&ASSIGNMENT).to_vec()),
        (
            "key ids assigned",
            key::place_by_time(&MESSAGE, IdKind::Assigned, TIME, &PROCESS, NONCE).to_vec(),
        ),
        ("key times", key::time(&PROCESS, TIME, NONCE).to_vec()),
        ("key contents", key::content(&PROCESS, &ContentKey([0xE5; 48])).to_vec()),
        ("key meta format", key::META_FORMAT.to_vec()),
        ("key meta outbox", key::META_OUTBOX.to_vec()),
        ("key meta scheduler", key::META_SCHEDULER.to_vec()),
        ("key meta block height", key::META_BLOCK_HEIGHT.to_vec()),
        ("record assignment", assignment(None)),
        ("record assignment with message", assignment(Some(Bytes::new()))),
        ("record head", record::write_head(&HEAD)),
        ("record place", record::write_place(&PROCESS, NONCE)),
        ("record number", record::write_number(NONCE).to_vec()),
        ("record address", record::write_address(&[0xF6; 32])),
        ("record outbox", OUTBOX.write()),
        ("record outbox counters", COUNTERS.write()),
        ("key provisional", key::provisional(&PROCESS, NONCE).to_vec()),
        ("key meta id", key::META_ID.to_vec()),
        ("key meta settled term", key::META_SETTLED_TERM.to_vec()),
        ("record id", record::write_id([0x97; 16])),
        ("record provisional", PROVISIONAL.write()),
        ("record provisional first", PROVISIONAL_FIRST.write()),
        ("key meta database", key::META_DATABASE.to_vec()),
        ("key meta block height time", key::META_BLOCK_HEIGHT_TIME.to_vec()),
    ]
}

fn golden(name: &str) -> Vec<u8> {
    let line = GOLDEN
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .expect("a golden");
    let digit = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hex");
    (0..line.len()).step_by(2).map(digit).collect()
}

#[test]
fn every_key_and_record_is_written_as_it_always_was() {
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: Vec<String> =
        written().into_iter().map(|(name, bytes)| format!("{name}: {}", hex(bytes))).collect();
    assert_eq!(GOLDEN.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn family_names_are_what_they_always_were() {
    let names = key::Family::ALL.map(key::Family::name);
    assert_eq!(
        names,
        ["entries", "ids", "times", "heads", "contents", "provisional", "outbox", "meta"]
    );
}

#[test]
fn every_record_is_read_as_it_always_was() {
    for (name, message) in
        [("record assignment", None), ("record assignment with message", Some(Bytes::new()))]
    {
        assert_eq!(
            AssignmentRecord::read(&golden(name)).unwrap(),
            AssignmentRecord::of(&entry(message))
        );
    }
    assert_eq!(record::read_head(&golden("record head")).unwrap(), HEAD);
    assert_eq!(record::read_place(&golden("record place")).unwrap(), (PROCESS, NONCE));
    assert_eq!(record::read_number("number", &golden("record number")).unwrap(), NONCE);
    assert_eq!(record::read_address(&golden("record address")).unwrap(), [0xF6; 32]);
    assert_eq!(OutboxRecord::read(&golden("record outbox")).unwrap(), OUTBOX);
    assert_eq!(OutboxCounters::read(&golden("record outbox counters")).unwrap(), COUNTERS);
    for (name, record) in
        [("record provisional", PROVISIONAL), ("record provisional first", PROVISIONAL_FIRST)]
    {
        assert_eq!(ProvisionalRecord::read(&golden(name)).unwrap(), record);
    }
    assert_eq!(record::read_id(&golden("record id")).unwrap(), [0x97; 16]);
    let place = key::read_provisional(&golden("key provisional")).unwrap();
    assert_eq!(place, (PROCESS, NONCE));
    let place = key::read_place_by_time(&golden("key ids stored")).unwrap();
    assert_eq!(place, (TIME, (PROCESS, NONCE)));
    assert_eq!(key::trailing_nonce(&golden("key times")).unwrap(), NONCE);
}

/// Reads a record and forgets what it says.
type Read = fn(&[u8]) -> Result<(), LedgerError>;

const READERS: [(&str, Read); 10] = [
    ("record assignment", |bytes| AssignmentRecord::read(bytes).map(drop)),
    ("record head", |bytes| record::read_head(bytes).map(drop)),
    ("record place", |bytes| record::read_place(bytes).map(drop)),
    ("record number", |bytes| record::read_number("nonce", bytes).map(drop)),
    ("record address", |bytes| record::read_address(bytes).map(drop)),
    ("record outbox", |bytes| OutboxRecord::read(bytes).map(drop)),
    ("record outbox counters", |bytes| OutboxCounters::read(bytes).map(drop)),
    ("record id", |bytes| record::read_id(bytes).map(drop)),
    ("record provisional", |bytes| ProvisionalRecord::read(bytes).map(drop)),
    ("record provisional first", |bytes| ProvisionalRecord::read(bytes).map(drop)),
];

#[test]
fn a_record_of_an_unknown_version_is_an_error_that_says_so() {
    for (name, read) in READERS {
        let mut bytes = golden(name);
        bytes[0] = 2;
        assert!(
            matches!(read(&bytes), Err(LedgerError::TooNew { found: 2, supported: 1 })),
            "{name}"
        );
        bytes[0] = 0;
        assert!(matches!(read(&bytes), Err(LedgerError::Damaged { .. })), "{name}");
    }
}

#[test]
fn a_record_that_is_cut_off_or_too_long_is_damage() {
    for (name, read) in READERS {
        let bytes = golden(name);
        let fixed =
            if name == "record assignment" { bytes.len() - b"signed".len() } else { bytes.len() };
        for end in 0..fixed {
            assert!(
                matches!(read(&bytes[..end]), Err(LedgerError::Damaged { .. })),
                "{name} cut at {end}"
            );
        }
        if fixed == bytes.len() {
            let longer = [bytes.as_slice(), &[0]].concat();
            assert!(
                matches!(read(&longer), Err(LedgerError::Damaged { .. })),
                "{name} with a byte more"
            );
        }
    }
    for end in 0..key::PLACE_BY_TIME_LEN {
        assert!(key::read_place_by_time(&golden("key ids stored")[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn keys_sort_as_what_they_say() {
    let entry = |nonce, row| key::entry(&PROCESS, nonce, row);
    assert!(entry(1, EntryRow::Assignment) < entry(1, EntryRow::Message));
    assert!(entry(1, EntryRow::Message) < key::entry_end(&PROCESS, 1));
    assert!(key::entry_end(&PROCESS, 255) < entry(256, EntryRow::Assignment));
    assert!(key::time(&PROCESS, 255, 9) < key::time(&PROCESS, 256, 0));
    let place = |kind, time| key::place_by_time(&MESSAGE, kind, time, &PROCESS, 0);
    assert!(place(IdKind::Stored, 255) < place(IdKind::Stored, 256));
    assert!(
        place(IdKind::Assigned, u64::MAX).as_slice()
            < key::id_kind_end(MESSAGE.as_bytes(), IdKind::Assigned).as_slice()
    );
}
