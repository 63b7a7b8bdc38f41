//! The rules of admission as a table, the content hash against the vectors, and assignments there and
//! back. Items are really signed: only a verified item gets this far.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

use bytes::Bytes;
use rota_ans104::{Address, Item, UnsignedItem, VerifiedItem, Wallet, WalletKind};
use rota_schedule::{
    Admitted, Assignment, AssignmentId, Candidate, Content, ContentHash, ContentKey,
    EXCLUDE_BYTES_MAX, EXCLUDES_MAX, Exclude, Facts, Follower, HashChain, Invariant, MessageId,
    ProcessId, Refusal, Slot, Subject, Timestamp, Violation, next_slot, settlement_depth,
};
use std::path::PathBuf;
use std::sync::LazyLock;

static WALLET: LazyLock<Wallet> = LazyLock::new(|| Wallet::generate(WalletKind::Ed25519).unwrap());
const ID: &str = "fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY";
const KNOWN: Facts = Facts { process_known: true, on_boot_found: true, bound_here: true };

fn item(tags: &[(&str, &str)], target: Option<[u8; 32]>) -> VerifiedItem {
    let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let unsigned = UnsignedItem { target, tags, ..UnsignedItem::default() };
    unsigned.sign(&*WALLET).unwrap().verify().unwrap()
}

fn refusal(tags: &[(&str, &str)], target: Option<[u8; 32]>) -> Refusal {
    Candidate::of(item(tags, target), true).unwrap_err()
}

#[test]
fn what_an_item_must_have() {
    let missing = Refusal::TagMissing;
    assert_eq!(refusal(&[], None), missing("Data-Protocol"));
    assert_eq!(refusal(&[("Data-Protocol", "ao")], None), missing("Type"));
    assert_eq!(refusal(&[("Data-Protocol", "ao"), ("Type", "Process")], None), missing("Module"));
    let no_scheduler = [("Data-Protocol", "ao"), ("Type", "Process"), ("Module", ID)];
    assert_eq!(refusal(&no_scheduler, None), missing("Scheduler"));
    let message = [("Data-Protocol", "ao"), ("Type", "Message")];
    assert_eq!(refusal(&message, None), Refusal::NoTarget);
    let other = [("Data-Protocol", "ao"), ("Type", "Assignment")];
    assert_eq!(refusal(&other, Some([1; 32])), Refusal::TypeUnknown("Assignment".to_owned()));
    for link in [("Some+link", "x"), ("Some", "x+link")] {
        assert!(matches!(
            refusal(&[("data-protocol", "ao"), ("type", "Message"), link], Some([1; 32])),
            Refusal::Link(_)
        ));
    }
}

#[test]
fn tag_names_in_lower_case_are_the_same() {
    let candidate =
        Candidate::of(item(&[("data-protocol", "ao"), ("type", "Message")], Some([9; 32])), true)
            .unwrap();
    assert_eq!(candidate.process(), ProcessId::new([9; 32]));
}

#[test]
fn a_message_needs_its_process_and_a_process_its_boot() {
    let message = || {
        Candidate::of(item(&[("Data-Protocol", "ao"), ("Type", "Message")], Some([9; 32])), true)
            .unwrap()
    };
    let unknown = Facts { process_known: false, ..KNOWN };
    assert_eq!(
        message().admit(unknown).unwrap_err(),
        Refusal::ProcessUnknown(ProcessId::new([9; 32]))
    );
    let admitted = message().admit(KNOWN).unwrap();
    assert_eq!(admitted.subject, Subject::Message(admitted.message_id));

    let process = |on_boot| {
        let tags = [
            ("Data-Protocol", "ao"),
            ("Type", "Process"),
            ("Module", ID),
            ("Scheduler", ID),
            ("On-Boot", on_boot),
        ];
        Candidate::of(item(&tags, None), true)
    };
    let nothing = Facts { process_known: false, on_boot_found: false, bound_here: true };
    assert!(process("Data").unwrap().admit(nothing).is_ok());
    assert_eq!(
        process(ID).unwrap().admit(nothing).unwrap_err(),
        Refusal::OnBootNotFound(ID.parse().unwrap())
    );
    let with_query = format!("{ID}?");
    assert!(process(&with_query).unwrap().admit(KNOWN).is_ok());
    assert!(matches!(process("../../etc/passwd"), Err(Refusal::OnBootMalformed(_))));
}

#[test]
fn only_pushed_messages_are_deduplicated_by_content() {
    let pushed =
        [("Data-Protocol", "ao"), ("Type", "Message"), ("From-Process", ID), ("Pushed-For", "a")];
    let content = |tags: &[(&str, &str)], checks| {
        Candidate::of(item(tags, Some([9; 32])), checks).unwrap().admit(KNOWN).unwrap().content
    };
    let hash = content(&pushed, true).unwrap();
    let again =
        [("From-Process", ID), ("Pushed-For", "b"), ("Type", "Message"), ("Data-Protocol", "ao")];
    assert_eq!(content(&again, true), Some(hash), "the order of tags and Pushed-For do not matter");
    let other = [("Data-Protocol", "ao"), ("Type", "Message"), ("From-Process", ID), ("X", "y")];
    assert_ne!(content(&other, true), Some(hash));
    assert_eq!(content(&pushed, false), None, "the check can be switched off");
    assert_eq!(content(&[("Data-Protocol", "ao"), ("Type", "Message")], true), None);
}

/// Keys lie in ledgers and databases: how they are made never changes.
#[test]
fn content_keys_are_made_as_they_always_were() {
    let content = Content::new(ContentHash([1; 48]), Address::new([2; 32]));
    assert_eq!(
        format!("{:?}", content.key()),
        "nj3T4TGgCfcP7Obgy1FKMrj8D-t7Sr-7QDRDjybaz0nU81RIDDu9ztdOKafHG1wG"
    );
    assert_eq!(content.key_without_signer(), ContentKey([1; 48]));
    let other = Content::new(ContentHash([1; 48]), Address::new([3; 32]));
    assert_ne!(content.key(), other.key());
}

#[test]
fn content_without_a_signer_is_repeated_by_its_own_signer_or_where_nobody_can_tell() {
    let posted = item(&[("Data-Protocol", "ao"), ("Type", "Message")], Some([9; 32]));
    let bytes = posted.item().bytes();
    let own = Content::of_item(posted.item());
    let other = Content::new(ContentHash::of_item(posted.item()), Address::new([3; 32]));
    assert!(own.may_repeat(Some(bytes)));
    assert!(!other.may_repeat(Some(bytes)));
    assert!(other.may_repeat(None), "the signer is not known");
    assert!(other.may_repeat(Some(&Bytes::from_static(b"no item"))));
}

#[test]
fn the_content_hash_is_the_one_of_the_vectors() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/arbundles");
    let index: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("index.json")).unwrap()).unwrap();
    let mut checked = 0;
    for entry in index.as_array().unwrap() {
        let Some(expected) = entry["dedupe_deep_hash_ordered"].as_str() else { continue };
        let bytes = std::fs::read(dir.join(entry["file"].as_str().unwrap())).unwrap();
        let item = Item::parse(Bytes::from(bytes)).unwrap();
        assert_eq!(ContentHash::of_item(&item).to_string(), expected, "{}", entry["file"]);
        checked += 1;
    }
    assert!(checked > 10);
}

#[test]
fn a_transaction_must_be_settled_as_deep_as_the_process_asks() {
    let (process, id) = (ProcessId::new([1; 32]), MessageId::new([2; 32]));
    let settled =
        |confirmations| Admitted::settled(process, id, Exclude::default(), confirmations, 20);
    assert!(settled(Some(20)).is_ok());
    assert_eq!(
        settled(None).unwrap_err(),
        Refusal::NotSettled { id, confirmations: 0, needed: 20 }
    );
    assert_eq!(
        settled(Some(19)).unwrap_err(),
        Refusal::NotSettled { id, confirmations: 19, needed: 20 }
    );
    for (tag, depth) in [("5", 5), ("many", 20), ("-1", 20)] {
        assert_eq!(settlement_depth(item(&[("Settlement-Depth", tag)], None).item()), depth);
    }
    assert_eq!(settlement_depth(item(&[], None).item()), 20);
}

fn signed(slot: &Slot, subject: Subject, exclude: &Exclude) -> Item {
    Assignment::draft(slot, subject, exclude, [7; 24]).sign(&*WALLET).unwrap()
}

#[test]
fn an_assignment_has_the_tags_of_the_contract_in_their_order() {
    let process = ProcessId::new([1; 32]);
    let slot = Slot {
        process,
        nonce: 3,
        hash_chain: HashChain([4; 32]),
        timestamp: Timestamp(1_700_000_000_123),
        block_height: 1_526_366,
    };
    let subject = Subject::Message(MessageId::new([5; 32]));
    let item = signed(&slot, subject, &Exclude::from_list("Data,Owner").unwrap());
    let tags: Vec<(&str, &str)> = item.tags().map(|tag| (tag.name, tag.value)).collect();
    let (process, message) = (process.to_string(), MessageId::new([5; 32]).to_string());
    let chain = "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ";
    assert_eq!(
        tags,
        [
            ("Process", process.as_str()),
            ("Epoch", "0"),
            ("Nonce", "3"),
            ("Hash-Chain", chain),
            ("Block-Height", "000001526366"),
            ("Timestamp", "1700000000123"),
            ("Data-Protocol", "ao"),
            ("Type", "Assignment"),
            ("Variant", "ao.TN.1"),
            ("Message", message.as_str()),
            ("Exclude", "Data"),
            ("Exclude", "Owner"),
        ]
    );
    assert!(item.target().is_none() && item.data().is_empty());
    assert!(
        item.anchor()
            .unwrap()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    );
    assert_eq!(Assignment::read(&item).unwrap(), Assignment { slot, subject });
}

/// The values of the tags `Exclude` of an assignment with this list of excluded fields.
fn exclude_tags(list: &str) -> Vec<String> {
    let slot = next_slot(ProcessId::new([1; 32]), None, Timestamp(5), Timestamp(0), 9).unwrap();
    let exclude = Exclude::from_list(list).unwrap();
    let item = signed(&slot, Subject::Process, &exclude);
    assert!(Assignment::read(&item).is_ok());
    item.tags().filter(|tag| tag.name == "Exclude").map(|tag| tag.value.to_owned()).collect()
}

#[test]
fn lone_excluded_name_is_written_twice() {
    assert_eq!(exclude_tags("Data"), ["Data", "Data"]);
    assert_eq!(exclude_tags("Data,Data"), ["Data", "Data"]);
    assert_eq!(exclude_tags("Data,Owner"), ["Data", "Owner"]);
    assert_eq!(exclude_tags("a,b,a"), ["a", "b", "a"]);
    assert!(exclude_tags("").is_empty());
}

#[test]
fn assignment_with_most_excluded_names_is_within_the_limit_of_tags() {
    let name = "x".repeat(EXCLUDE_BYTES_MAX);
    let list = vec![name; EXCLUDES_MAX].join(",");
    assert_eq!(exclude_tags(&list).len(), EXCLUDES_MAX);
}

/// A schedule of three: the process and two messages.
fn schedule() -> (ProcessId, Vec<Item>) {
    let process = ProcessId::new([1; 32]);
    let (mut head, mut items) = (None, Vec::new());
    for (nonce, now) in [(0u8, 50), (1, 40), (2, 60)] {
        let slot = next_slot(process, head.as_ref(), Timestamp(now), Timestamp(0), 7).unwrap();
        let subject = if nonce == 0 {
            Subject::Process
        } else {
            Subject::Message(MessageId::new([nonce; 32]))
        };
        let item = signed(&slot, subject, &Exclude::default());
        head = Some(slot.head(item.id().into()));
        items.push(item);
    }
    (process, items)
}

fn follow(process: ProcessId, items: &[&Item]) -> Result<(), Violation> {
    let mut follower = Follower::new(process);
    items.iter().try_for_each(|item| follower.follow(item, None))
}

#[test]
fn a_follower_sees_what_is_wrong() {
    let (process, items) = schedule();
    let [a, b, c] = &items[..] else { panic!("three entries") };
    assert_eq!(follow(process, &[a, b, c]), Ok(()));
    let broken = |invariant: Invariant, wrong: &[&Item]| match follow(process, wrong) {
        Err(Violation::Broken { invariant: found, .. }) => assert_eq!(found, invariant),
        other => panic!("{other:?}"),
    };
    broken(Invariant::Ord1, &[a, c]);
    broken(Invariant::Ord1, &[a, b, b]);
    let slot = Assignment::read(b).unwrap().slot;
    let subject = Subject::Message(MessageId::new([1; 32]));
    broken(
        Invariant::Ord2,
        &[
            a,
            &signed(&Slot { hash_chain: HashChain([0; 32]), ..slot }, subject, &Exclude::default()),
        ],
    );
    broken(
        Invariant::Ord3,
        &[a, &signed(&Slot { timestamp: Timestamp(50), ..slot }, subject, &Exclude::default())],
    );
    assert!(matches!(follow(ProcessId::new([2; 32]), &[a]), Err(Violation::Foreign { .. })));
    let other = item(&[("X", "y")], None);
    let foreign = Follower::new(process).follow(a, Some(other.item()));
    assert!(matches!(foreign, Err(Violation::Foreign { .. })));
    assert!(matches!(follow(process, &[other.item()]), Err(Violation::Unreadable { .. })));
}

#[test]
fn links_are_those_of_the_vectors() {
    let process: ProcessId = "4QTyVpvWlwjfsYAvkTSIWjp5XVGf-Rg_Co8K1lPNbvo".parse().unwrap();
    assert_eq!(
        HashChain::first(&process).to_string(),
        "R5cBwpmN4XJ-LeesR4WXRKmYDrakzxxaBnLip1uzOlQ"
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("../../tests/vectors/su-bundles/{process}.bundles.txt"));
    let mut follower = Follower::new(process);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let outer = Item::parse(rota_ans104::b64::decode(line).unwrap().into()).unwrap();
        let bundle = rota_ans104::Bundle::from_item(&outer).unwrap();
        follower.follow(&bundle.items()[0], bundle.items().get(1)).unwrap();
    }
    let head = follower.head().unwrap();
    assert_eq!(head.nonce, 30);
    assert_ne!(head.assignment, AssignmentId::new([0; 32]));
}
