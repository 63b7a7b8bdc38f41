//! What anybody can do to a signed item without its key. A rewritten item never verifies, so one signed content
//! has one id.

#![cfg(feature = "verify")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use bytes::Bytes;
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use proptest::prelude::*;
use proptest::sample::Index;
use rota_ans104::{Item, SignatureType};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

/// The order of Ed25519's group, big-endian.
const ED25519_ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c,
    0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];
/// The order of secp256k1's group, big-endian.
const SECP256K1_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

/// How many of the items have RSA signatures.
const RSA_ITEMS_MAX: usize = 12;

/// Items of all five schemes that their owners signed.
static SIGNED: LazyLock<Vec<Item>> = LazyLock::new(|| {
    let mut items = common::all_items();
    let mut of_rsa = 0;
    // RSA takes longest, and most of the vectors are of it.
    items.retain(|item| {
        of_rsa += usize::from(item.signature_type() == SignatureType::Arweave);
        item.signature_type() != SignatureType::Arweave || of_rsa <= RSA_ITEMS_MAX
    });
    assert!(items.iter().all(|item| item.clone().verify().is_ok()));
    let schemes: HashSet<_> = items.iter().map(Item::signature_type).collect();
    assert_eq!(schemes.len(), SignatureType::ALL.len());
    items
});

/// What somebody without a key can do to an item.
#[derive(Clone, Debug)]
enum Change {
    /// Another signature type.
    Type(u8),
    /// Another last byte of the signature: the recovery byte of Ethereum's.
    LastByte(u8),
    /// The second half of the signature negated, modulo the order of the scheme.
    NegateS,
    /// The order of the scheme, or the modulus, added to the signature so often.
    AddOrder(u8),
    /// `R` or the owner of an Ed25519 signature negated.
    NegatePoint {
        owner: bool,
    },
    /// A point of small order added to `R` or to the owner.
    AddTorsion {
        owner: bool,
        which: usize,
    },
    /// The letters of an owner in the other case.
    OwnerCase,
    /// Another number of tags.
    TagCount(i8),
    /// Another length of all tags, which moves the border to the data.
    TagLength(i8),
    /// A closing zero more, or one less; the header says so.
    CloseTags {
        open: bool,
    },
    /// Target and anchor exchanged.
    SwapTargetAndAnchor,
    /// One byte changed, put in or removed.
    Byte {
        place: Index,
        value: u8,
    },
    Insert {
        place: Index,
        value: u8,
    },
    Remove {
        place: Index,
    },
    /// A bit turned behind the owner: flags, counts and tags.
    HeaderBit {
        place: Index,
        bit: u8,
    },
}

/// Where fields of the original lie. Changes before the tags leave all but the last ones in place.
struct Fields {
    scheme: SignatureType,
    signature: Range<usize>,
    owner: Range<usize>,
    tag_count: usize,
    tags: Range<usize>,
}

impl Fields {
    fn of(item: &Item) -> Self {
        let scheme = item.signature_type();
        let signature = 2..2 + scheme.signature_len();
        let owner = signature.end..signature.end + scheme.owner_len();
        let data = item.bytes().len() - item.data().len();
        let tags = data - item.tag_bytes().len()..data;
        Self { scheme, signature, owner, tag_count: tags.start - 16, tags }
    }

    /// The half of the signature that is a point or a number of the curve.
    fn half(&self, second: bool) -> Range<usize> {
        let start = self.signature.start + if second { 32 } else { 0 };
        start..start + 32
    }
}

fn is_ed25519(scheme: SignatureType) -> bool {
    matches!(scheme, SignatureType::Ed25519 | SignatureType::HexSolana)
}

/// The sum of big-endian numbers of the same length, if it has that length, too.
fn sum(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut carry) = (one.to_vec(), 0);
    for (byte, add) in out.iter_mut().zip(other).rev() {
        let sum = u16::from(*byte) + u16::from(*add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    (carry == 0).then_some(out)
}

/// The difference of big-endian numbers of the same length, if it is not negative.
fn difference(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut borrow) = (one.to_vec(), 0);
    for (byte, take) in out.iter_mut().zip(other).rev() {
        let difference = 256 + u16::from(*byte) - u16::from(*take) - borrow;
        (*byte, borrow) = (difference as u8, 1 - (difference >> 8));
    }
    (borrow == 0).then_some(out)
}

/// Replaces a number by what `change` makes of it and of the order of its scheme.
fn change_number(
    bytes: &mut [u8],
    fields: &Fields,
    change: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>,
) {
    let place = match fields.scheme {
        SignatureType::Arweave => fields.signature.clone(),
        _ => fields.half(true),
    };
    let little_endian = is_ed25519(fields.scheme);
    let order = match fields.scheme {
        SignatureType::Arweave => bytes[fields.owner.clone()].to_vec(),
        _ if little_endian => ED25519_ORDER.to_vec(),
        _ => SECP256K1_ORDER.to_vec(),
    };
    let mut number = bytes[place.clone()].to_vec();
    if little_endian {
        number.reverse();
    }
    let Some(mut changed) = change(&number, &order) else { return };
    if little_endian {
        changed.reverse();
    }
    bytes[place].copy_from_slice(&changed);
}

/// Replaces a point of an Ed25519 signature or its owner.
fn change_point(
    bytes: &mut [u8],
    fields: &Fields,
    owner: bool,
    change: impl Fn(EdwardsPoint) -> EdwardsPoint,
) {
    if !is_ed25519(fields.scheme) {
        return;
    }
    let place = if owner { fields.owner.clone() } else { fields.half(false) };
    let point = CompressedEdwardsY::from_slice(&bytes[place.clone()]).unwrap().decompress();
    if let Some(point) = point {
        bytes[place].copy_from_slice(&change(point).compress().0);
    }
}

/// Adds to the little-endian number at `place`.
fn add_to_u64(bytes: &mut [u8], place: usize, by: i64) {
    let number = u64::from_le_bytes(bytes[place..place + 8].try_into().unwrap());
    bytes[place..place + 8].copy_from_slice(&number.wrapping_add_signed(by).to_le_bytes());
}

impl Change {
    /// Does it to bytes that were an item with these fields. What does not apply does nothing.
    fn apply(&self, bytes: &mut Vec<u8>, fields: &Fields) {
        // Earlier changes may have cut off the end.
        if bytes.len() < fields.tags.end {
            return;
        }
        match self {
            Self::Type(number) => bytes[0] = *number,
            Self::LastByte(value) => bytes[fields.signature.end - 1] = *value,
            Self::NegateS => change_number(bytes, fields, |s, order| difference(order, s)),
            Self::AddOrder(times) => {
                let add = |s: &[u8], order: &[u8]| {
                    (0..*times).try_fold(s.to_vec(), |s, _| sum(&s, order))
                };
                change_number(bytes, fields, add);
            }
            Self::NegatePoint { owner } => change_point(bytes, fields, *owner, |point| -point),
            Self::AddTorsion { owner, which } => {
                change_point(bytes, fields, *owner, |point| point + EIGHT_TORSION[*which]);
            }
            Self::OwnerCase => bytes[fields.owner.clone()].iter_mut().for_each(|byte| {
                *byte = if byte.is_ascii_lowercase() {
                    byte.to_ascii_uppercase()
                } else {
                    byte.to_ascii_lowercase()
                }
            }),
            Self::TagCount(by) => add_to_u64(bytes, fields.tag_count, (*by).into()),
            Self::TagLength(by) => add_to_u64(bytes, fields.tag_count + 8, (*by).into()),
            Self::CloseTags { open } => close_tags(bytes, fields, *open),
            Self::SwapTargetAndAnchor => {
                let both = &mut bytes[fields.owner.end..fields.tag_count];
                let target = if both[0] == 1 { 33 } else { 1 };
                both.rotate_left(target.min(both.len()));
            }
            Self::Byte { place, value } => *place.get_mut(bytes) = *value,
            Self::Insert { place, value } => bytes.insert(place.index(bytes.len() + 1), *value),
            Self::Remove { place } => drop(bytes.remove(place.index(bytes.len()))),
            Self::HeaderBit { place, bit } => {
                let header = &mut bytes[fields.owner.end..fields.tags.end];
                *place.get_mut(header) ^= 1 << bit;
            }
        }
    }
}

fn close_tags(bytes: &mut Vec<u8>, fields: &Fields, open: bool) {
    if !open {
        bytes.insert(fields.tags.end, 0);
        add_to_u64(bytes, fields.tag_count + 8, 1);
    } else if !fields.tags.is_empty() {
        bytes.remove(fields.tags.end - 1);
        add_to_u64(bytes, fields.tag_count + 8, -1);
    }
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<Index>;
    prop_oneof![
        (0_u8..9).prop_map(Change::Type),
        prop_oneof![Just(0), Just(1), Just(27), Just(28), any::<u8>()].prop_map(Change::LastByte),
        Just(Change::NegateS),
        (1_u8..16).prop_map(Change::AddOrder),
        any::<bool>().prop_map(|owner| Change::NegatePoint { owner }),
        (any::<bool>(), 0_usize..8).prop_map(|(owner, which)| Change::AddTorsion { owner, which }),
        Just(Change::OwnerCase),
        any::<i8>().prop_map(Change::TagCount),
        any::<i8>().prop_map(Change::TagLength),
        any::<bool>().prop_map(|open| Change::CloseTags { open }),
        Just(Change::SwapTargetAndAnchor),
        (index(), any::<u8>()).prop_map(|(place, value)| Change::Byte { place, value }),
        (index(), any::<u8>()).prop_map(|(place, value)| Change::Insert { place, value }),
        index().prop_map(|place| Change::Remove { place }),
        (index(), 0_u8..8).prop_map(|(place, bit)| Change::HeaderBit { place, bit }),
    ]
}

/// Every change that has no place of its own to choose.
fn fixed_changes() -> Vec<Change> {
    let torsion = (0..16).map(|at| Change::AddTorsion { owner: at % 2 == 0, which: at / 2 });
    let points = [true, false].map(|owner| Change::NegatePoint { owner });
    let rest = [Change::NegateS, Change::OwnerCase, Change::SwapTargetAndAnchor];
    let closing = [true, false].map(|open| Change::CloseTags { open });
    let numbers = (1..16).map(Change::AddOrder);
    torsion.chain(points).chain(rest).chain(closing).chain(numbers).collect()
}

fn changed(item: &Item, changes: &[Change]) -> Bytes {
    let (mut bytes, fields) = (item.bytes().to_vec(), Fields::of(item));
    changes.iter().for_each(|change| change.apply(&mut bytes, &fields));
    bytes.into()
}

fn verifies(bytes: Bytes) -> bool {
    Item::parse(bytes).is_ok_and(|item| item.verify().is_ok())
}

#[test]
fn rewritten_signature_does_not_verify() {
    for item in SIGNED.iter() {
        let scheme = item.signature_type();
        for change in fixed_changes() {
            let bytes = changed(item, std::slice::from_ref(&change));
            assert!(bytes == item.bytes() || !verifies(bytes), "{scheme} {change:?}");
        }
    }
}

#[test]
fn recovery_byte_and_s_have_one_form() {
    let is_ethereum = |item: &&Item| item.signature().len() == 65;
    for item in SIGNED.iter().filter(is_ethereum) {
        let own = item.signature()[64];
        for v in (0..=u8::MAX).filter(|v| *v != own) {
            for changes in [&[Change::LastByte(v)][..], &[Change::NegateS, Change::LastByte(v)]] {
                assert!(!verifies(changed(item, changes)), "{changes:?}");
            }
        }
    }
}

/// The order is added, and the sum is less than 2^256 or 2^4096: there is something to refuse.
#[test]
fn numbers_with_a_second_form_are_among_the_changes() {
    let has_second_form = |item: &Item| changed(item, &[Change::AddOrder(1)]) != item.bytes();
    let schemes: HashSet<_> =
        SIGNED.iter().filter(|item| has_second_form(item)).map(Item::signature_type).collect();
    assert!(schemes.contains(&SignatureType::Ed25519), "{schemes:?}");
    assert!(schemes.contains(&SignatureType::HexSolana), "{schemes:?}");
    for item in SIGNED.iter().filter(|item| item.signature_type() != SignatureType::Arweave) {
        assert_ne!(changed(item, &[Change::NegateS]), item.bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn changed_item_does_not_verify(
        which: Index,
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let item = which.get(&SIGNED);
        let bytes = changed(item, &changes);
        prop_assume!(bytes != item.bytes());
        prop_assert!(!verifies(bytes), "{} {changes:?}", item.signature_type());
    }
}
