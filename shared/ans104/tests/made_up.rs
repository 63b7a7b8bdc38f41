//! Signatures that anybody can make up without a key, from points and numbers that are special. None verifies, so one
//! id has one content.

#![cfg(feature = "verify")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

mod common;

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use rota_ans104::{Item, SignatureType, UnsignedItem};
use std::sync::LazyLock;

/// Items whose owners are keys.
static SIGNED: LazyLock<Vec<Item>> = LazyLock::new(common::all_items);

/// Points of small order in every form, one off the curve, and one of the large group.
fn points() -> impl Strategy<Value = [u8; 32]> {
    let near_the_end = |lowest: u8, highest: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (lowest, highest);
        bytes
    };
    let mut points: Vec<_> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    let second_forms = [(0xed, 0x7f), (0xed, 0xff), (0xee, 0x7f), (0xee, 0xff), (0xec, 0xff)];
    points.extend(second_forms.map(|(lowest, highest)| near_the_end(lowest, highest)));
    let mut signed_one = [0; 32];
    (signed_one[0], signed_one[31]) = (1, 0x80);
    points.extend([
        signed_one,
        [2; 32],
        (&Scalar::from(7_u64) * ED25519_BASEPOINT_TABLE).compress().0,
    ]);
    prop::sample::select(points)
}

/// Numbers at the borders: 0, 1 and the secret behind the point of the large group, from either end, the order of
/// Ed25519's group and the largest.
fn numbers() -> impl Strategy<Value = [u8; 32]> {
    let small = |place: usize, number: u8| {
        let mut bytes = [0; 32];
        bytes[place] = number;
        bytes
    };
    let mut order = (-Scalar::ONE).to_bytes();
    order[0] += 1;
    let little_endian = [1, 7].map(|number| small(0, number));
    let big_endian = [1, 7].map(|number| small(31, number));
    let numbers = [[0; 32], order, [0xff; 32]].into_iter().chain(little_endian).chain(big_endian);
    prop::sample::select(numbers.collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn made_up_ed25519_signature_does_not_verify(
        owner in points(),
        r in points(),
        s in numbers(),
        hex: bool,
        data: Vec<u8>,
    ) {
        let scheme = if hex { SignatureType::HexSolana } else { SignatureType::Ed25519 };
        let unsigned = UnsignedItem { data: data.into(), ..UnsignedItem::default() };
        let item = unsigned.with_signature(scheme, &owner, &[r, s].concat()).unwrap();
        prop_assert!(item.verify().is_err());
    }

    #[test]
    fn made_up_ethereum_signature_does_not_verify(
        r in numbers(),
        s in numbers(),
        v in 25_u8..31,
        typed: bool,
        data: Vec<u8>,
    ) {
        let scheme = if typed { SignatureType::TypedEthereum } else { SignatureType::Ethereum };
        let owner = SIGNED.iter().find(|item| item.signature_type() == scheme).unwrap().owner();
        let unsigned = UnsignedItem { data: data.into(), ..UnsignedItem::default() };
        let signature = [&r[..], &s, &[v]].concat();
        prop_assert!(unsigned.with_signature(scheme, owner, &signature).unwrap().verify().is_err());
    }
}
