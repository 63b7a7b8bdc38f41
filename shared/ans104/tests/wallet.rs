//! Wallets: what they sign verifies, what they save loads again, and a key that is not what it says
//! is refused by the name of the field.

#![cfg(feature = "wallet")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test may fail it")]

use proptest::prelude::*;
use rota_ans104::{Item, SignatureType, Signer, UnsignedItem, Wallet, WalletError, WalletKind};
use serde_json::Value;
use std::sync::LazyLock;
use std::{fs, thread};

/// One key of each kind, as RSA takes a while to make.
static WALLETS: LazyLock<[Wallet; 4]> =
    LazyLock::new(|| WalletKind::ALL.map(|kind| Wallet::generate(kind).unwrap()));

fn message(data: &'static str) -> UnsignedItem {
    UnsignedItem {
        target: Some([7; 32]),
        anchor: Some([9; 32]),
        tags: vec![("Data-Protocol".to_owned(), "ao".to_owned())],
        data: data.into(),
    }
}

#[test]
fn each_kind_signs_items_that_verify() {
    for (wallet, kind) in WALLETS.iter().zip(WalletKind::ALL) {
        assert_eq!(wallet.kind(), kind);
        let item = message("hello").sign(wallet).unwrap();
        assert_eq!(item.signature_type(), wallet.signature_type());
        assert_eq!(item.owner(), wallet.owner());
        assert_eq!(item.owner_address(), wallet.address());
        assert_eq!(Signer::address(wallet), wallet.address());
        let again = Item::parse(item.bytes().clone()).unwrap();
        assert_eq!(again.id(), item.id());
        again.verify().unwrap();
    }
}

#[test]
fn kinds_sign_as_the_types_they_should() {
    let types = WALLETS.each_ref().map(Wallet::signature_type);
    let [rsa, four_primes] = [SignatureType::Arweave; 2];
    assert_eq!(types, [rsa, four_primes, SignatureType::Ethereum, SignatureType::Ed25519]);
}

#[test]
fn one_wallet_signs_on_many_threads() {
    for wallet in WALLETS.iter() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..8 {
                        message("at once").sign(wallet).unwrap().verify().unwrap();
                    }
                });
            }
        });
    }
}

#[test]
fn a_wallet_round_trips_through_its_json() {
    for wallet in WALLETS.iter() {
        let again = Wallet::from_jwk(&wallet.to_jwk()).unwrap();
        assert_eq!((again.kind(), again.address()), (wallet.kind(), wallet.address()));
        assert_eq!(again.to_jwk(), wallet.to_jwk());
        message("again").sign(&again).unwrap().verify().unwrap();
    }
}

#[test]
fn a_saved_wallet_is_private_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet.json");
    WALLETS[3].save_new(&path).unwrap();
    assert!(Wallet::file_is_private(&path).unwrap());
    assert_eq!(Wallet::load(&path).unwrap().address(), WALLETS[3].address());

    let before = fs::read(&path).unwrap();
    assert!(matches!(WALLETS[2].save_new(&path), Err(WalletError::File { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn of_many_who_save_at_once_one_succeeds_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet.json");
    let saved = std::thread::scope(|scope| {
        let savers: Vec<_> = (0..8).map(|_| scope.spawn(|| WALLETS[3].save_new(&path))).collect();
        savers.into_iter().map(|saver| saver.join().unwrap().is_ok()).collect::<Vec<_>>()
    });
    assert_eq!(saved.iter().filter(|saved| **saved).count(), 1);
    assert_eq!(Wallet::load(&path).unwrap().address(), WALLETS[3].address());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn files_that_are_no_wallet_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet.json");
    assert!(matches!(Wallet::load(&path), Err(WalletError::File { .. })));
    assert!(WALLETS[3].save_new(&folder.path().join("no/such/folder")).is_err());
    fs::write(&path, "{}").unwrap();
    assert!(matches!(Wallet::load(&path), Err(WalletError::Json { .. })));
    fs::write(&path, vec![b' '; 64 * 1024 + 1]).unwrap();
    assert!(matches!(Wallet::load(&path), Err(WalletError::File { .. })));
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_not_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wallet.json");
    WALLETS[3].save_new(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(!Wallet::file_is_private(&path).unwrap());
}

#[test]
fn nothing_shows_the_key() {
    for wallet in WALLETS.iter() {
        let shown = format!("{wallet:?}");
        assert!(shown.contains(&wallet.address().to_string()));
        let jwk: Value = serde_json::from_str(&wallet.to_jwk()).unwrap();
        for secret in ["d", "p", "q", "dp", "dq", "qi"].iter().filter_map(|name| jwk.get(name)) {
            assert!(!shown.contains(secret.as_str().unwrap()));
        }
    }
}

#[test]
fn a_malformed_key_is_not_quoted() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"\u0041SECRET"}"#;
    let error = Wallet::from_jwk(jwk).unwrap_err();
    assert!(matches!(error, WalletError::Json { line: 1, .. }));
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}

/// The wallet's JSON with one field replaced.
fn with(wallet: &Wallet, path: &str, value: &str) -> String {
    let mut jwk: Value = serde_json::from_str(&wallet.to_jwk()).unwrap();
    *jwk.pointer_mut(path).unwrap() = value.into();
    jwk.to_string()
}

fn field_of(jwk: &str) -> &'static str {
    match Wallet::from_jwk(jwk) {
        Err(WalletError::Field { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

/// The text of the field with a bit in its middle flipped.
fn flipped(wallet: &Wallet, path: &str) -> String {
    let jwk: Value = serde_json::from_str(&wallet.to_jwk()).unwrap();
    let mut text = jwk.pointer(path).unwrap().as_str().unwrap().to_owned().into_bytes();
    let middle = text.len() / 2;
    text[middle] = if text[middle] == b'A' { b'B' } else { b'A' };
    with(wallet, path, &String::from_utf8(text).unwrap())
}

#[test]
fn a_field_that_does_not_belong_is_named() {
    let [rsa, four_primes, ec, ed] = &*WALLETS;
    let cases = [
        (rsa, "/n", "n"),
        (rsa, "/p", "n"),
        (rsa, "/q", "n"),
        (rsa, "/d", "d"),
        (rsa, "/dp", "dp"),
        (rsa, "/dq", "dq"),
        (rsa, "/qi", "qi"),
        (four_primes, "/oth/0/r", "n"),
        (four_primes, "/oth/1/d", "oth.d"),
        (four_primes, "/oth/0/t", "oth.t"),
        (ec, "/x", "x"),
        (ec, "/y", "y"),
        (ec, "/d", "x"),
        (ed, "/x", "x"),
        (ed, "/d", "x"),
    ];
    for (wallet, path, field) in cases {
        assert_eq!(field_of(&flipped(wallet, path)), field, "{path}");
    }
}

#[test]
fn a_field_that_is_malformed_or_missing_is_named() {
    let [rsa, four_primes, ec, ed] = &*WALLETS;
    assert_eq!(field_of(&with(rsa, "/e", "Aw")), "e");
    assert_eq!(field_of(&with(rsa, "/n", "AQAB")), "n");
    assert_eq!(field_of(&with(rsa, "/kty", "oct")), "kty");
    assert_eq!(field_of(&with(ec, "/crv", "P-256")), "crv");
    assert_eq!(field_of(&with(ed, "/d", "AQAB")), "d");
    assert_eq!(field_of(&with(ed, "/d", "not base64url")), "d");
    assert_eq!(field_of(r#"{"kty":"RSA"}"#), "p");
    let mut jwk: Value = serde_json::from_str(&four_primes.to_jwk()).unwrap();
    jwk["oth"].as_array_mut().unwrap().pop();
    assert_eq!(field_of(&jwk.to_string()), "oth");
}

#[test]
fn a_kind_has_one_name() {
    for kind in WalletKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind));
    }
    assert!("RSA".parse::<WalletKind>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_parses_to_the_same_fields(
        target: Option<[u8; 32]>,
        anchor: Option<[u8; 32]>,
        tags in prop::collection::vec((".{0,40}", ".{0,80}"), 0..12),
        data: Vec<u8>,
        kind in 2_usize..4,
    ) {
        let unsigned = UnsignedItem { target, anchor, tags, data: data.into() };
        let item = unsigned.sign(&WALLETS[kind]).unwrap();
        let parsed = Item::parse(item.bytes().clone()).unwrap();
        prop_assert_eq!(parsed.target().copied(), unsigned.target);
        prop_assert_eq!(parsed.anchor().copied(), unsigned.anchor);
        let tags: Vec<_> = parsed.tags().map(|tag| (tag.name.into(), tag.value.into())).collect();
        prop_assert_eq!(tags, unsigned.tags);
        prop_assert_eq!(parsed.data_bytes(), unsigned.data);
        prop_assert_eq!(parsed.signing_hash(), item.signing_hash());
        prop_assert!(parsed.verify().is_ok());
    }
}
