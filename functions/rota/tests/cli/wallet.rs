//! `rota wallet`.

use crate::command::{BIN, after, rota, shell};
use rota_ans104::{Signer as _, Wallet, WalletKind};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn makes_the_four_kinds_readable_by_their_owner_alone_and_shows_no_key() {
    let dir = tempfile::tempdir().unwrap();
    for kind in WalletKind::ALL.map(|kind| kind.to_string()) {
        let file = format!("{kind}.json");
        let made = rota(dir.path(), &["wallet", "new", "--kind", &kind, "--out", &file]).ok();
        let path = dir.path().join(&file);
        let wallet = Wallet::load(&path).unwrap();
        assert_eq!(wallet.kind().to_string(), kind);
        assert_eq!(after(&made, "address"), wallet.address().to_string());
        assert!(after(&made, "kind").starts_with(&kind), "{made}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let shown = rota(dir.path(), &["wallet", "show", "--path", &file, "--json"]).ok();
        let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(json["kind"], kind.as_str());
        assert_eq!(json["address"], wallet.address().to_string());
        assert_eq!(json["owner"], rota_ans104::b64::encode(wallet.owner()));

        let said = made + &shown + &rota(dir.path(), &["wallet", "show", "--path", &file]).ok();
        let key: serde_json::Value = serde_json::from_str(&wallet.to_jwk()).unwrap();
        for secret in ["d", "p", "q"] {
            let secret = key[secret].as_str();
            assert!(secret.is_none_or(|secret| !said.contains(secret)), "{kind}: {said}");
        }
    }
}

#[test]
fn never_overwrites_a_wallet() {
    let dir = tempfile::tempdir().unwrap();
    let new = ["wallet", "new", "--kind", "ed25519"];
    rota(dir.path(), &new).ok();
    let path = dir.path().join("rota-data/wallet.json");
    let before = std::fs::read(&path).unwrap();
    let refused = rota(dir.path(), &new).fails(1);
    assert!(refused.contains("rota-data/wallet.json exists"), "{refused}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "ed25519"]).ok();
    // The shell closes its end before the command starts to write.
    let line = format!("{{ sleep 0.2; {BIN} wallet show; }} | true");
    assert_eq!(shell(dir.path(), &line).ok(), "");
}

#[test]
fn a_file_that_holds_no_wallet_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let absent = rota(dir.path(), &["wallet", "show"]).fails(1);
    assert!(absent.contains("rota-data/wallet.json"), "{absent}");
    std::fs::write(dir.path().join("bad.json"), "{\"kty\":\"RSA\",\"d\":\"secret\"}").unwrap();
    let bad = rota(dir.path(), &["wallet", "show", "--path", "bad.json"]).fails(1);
    assert!(bad.contains("bad.json") && !bad.contains("secret"), "{bad}");
}

#[test]
fn a_wallet_that_others_can_read_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    rota(dir.path(), &["wallet", "new", "--kind", "secp256k1", "--out", "w.json"]).ok();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(dir.path().join("w.json"), open).unwrap();
    let shown = rota(dir.path(), &["wallet", "show", "--path", "w.json"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.err.contains("warning: others can read"), "{}", shown.err);
}
