//! Types 3 and 7: secp256k1 with Ethereum's ways of hashing what a wallet signs.
//!
//! The signature is `r ‖ s ‖ v` with v 27 or 28. The key is recovered and held against the owner, so v
//! counts too (arbundles ignores it for type 3). 0 and 1, which some wallets write, are refused, and `s`
//! must be in the lower half (EIP-2), as every wallet makes it: else anybody could turn an item into one
//! with another id.

use super::VerifyError;
use crate::SignatureType;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey};
use sha3::{Digest, Keccak256};

/// Checks type 3 against a public key of 65 bytes.
pub(super) fn verify(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    if owner.first() != Some(&0x04) || PublicKey::from_slice(owner).is_err() {
        return Err(VerifyError::Owner(SignatureType::Ethereum));
    }
    let signer = recover(eip191_digest(message), signature)?;
    if signer.serialize_uncompressed() == *owner { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// Checks type 7 against an address text of 42 characters, in any case.
pub(super) fn verify_typed(
    owner: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let address = parse_address(owner).ok_or(VerifyError::Owner(SignatureType::TypedEthereum))?;
    let digest = eip712_digest(&address, message);
    let signer = recover(digest, signature)?;
    if address_of(&signer) == address { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// What a wallet signs when asked to sign text (EIP-191, version `E`).
pub(crate) fn eip191_digest(message: &[u8]) -> [u8; 32] {
    Keccak256::new()
        .chain_update(b"\x19Ethereum Signed Message:\n")
        .chain_update(message.len().to_string())
        .chain_update(message)
        .finalize()
        .into()
}

/// What a wallet signs when asked to sign arbundles' document (EIP-712): a struct `Bundlr` with the
/// signing hash and the signer's address, in the domain `Bundlr`, version 1.
fn eip712_digest(address: &[u8; 20], message: &[u8]) -> [u8; 32] {
    let domain = keccak(&[
        &keccak(&[b"EIP712Domain(string name,string version)"]),
        &keccak(&[b"Bundlr"]),
        &keccak(&[b"1"]),
    ]);
    let document = keccak(&[
        &keccak(&[b"Bundlr(bytes Transaction hash,address address)"]),
        &keccak(&[message]),
        &[0; 12],
        address,
    ]);
    keccak(&[b"\x19\x01", &domain, &document])
}

fn keccak(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Keccak256::new(), Keccak256::chain_update).finalize().into()
}

/// The key that made a signature over a digest.
fn recover(digest: [u8; 32], signature: &[u8]) -> Result<PublicKey, VerifyError> {
    let (compact, v) = signature.split_first_chunk::<64>().ok_or(VerifyError::Mismatch)?;
    let recovery = match v {
        [27] => RecoveryId::Zero,
        [28] => RecoveryId::One,
        [other] => return Err(VerifyError::RecoveryByte(*other)),
        _ => return Err(VerifyError::Mismatch),
    };
    let mismatch = |_| VerifyError::Mismatch;
    let signature = RecoverableSignature::from_compact(compact, recovery).map_err(mismatch)?;
    let mut lower = signature.to_standard();
    lower.normalize_s();
    if lower != signature.to_standard() {
        return Err(VerifyError::Mismatch);
    }
    signature.recover_ecdsa(Message::from_digest(digest)).map_err(mismatch)
}

fn address_of(key: &PublicKey) -> [u8; 20] {
    let hash = keccak(&[&key.serialize_uncompressed()[1..]]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}

/// The 20 bytes behind `0x` and 40 hex digits.
fn parse_address(text: &[u8]) -> Option<[u8; 20]> {
    let digits: &[u8; 40] = text.strip_prefix(b"0x")?.try_into().ok()?;
    let mut address = [0; 20];
    for (byte, pair) in address.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secp256k1::SecretKey;

    const MESSAGE: &[u8] = &[42; 48];

    fn key() -> SecretKey {
        SecretKey::from_secret_bytes([7; 32]).unwrap()
    }

    fn owner() -> [u8; 65] {
        key().public_key().serialize_uncompressed()
    }

    fn address() -> String {
        let digits = address_of(&key().public_key()).map(|byte| format!("{byte:02x}"));
        format!("0x{}", digits.concat())
    }

    fn typed_digest() -> [u8; 32] {
        eip712_digest(&address_of(&key().public_key()), MESSAGE)
    }

    fn signed(digest: [u8; 32]) -> [u8; 65] {
        let signature =
            RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest), &key());
        let (v, rs) = signature.serialize_compact();
        let mut bytes = [27 + v.to_u8(); 65];
        bytes[..64].copy_from_slice(&rs);
        bytes
    }

    /// The other signature that plain ECDSA would take: `s` negated, `v` flipped.
    fn high_s(signature: [u8; 65]) -> [u8; 65] {
        let s: [u8; 32] = signature[32..64].try_into().unwrap();
        let negated = SecretKey::from_secret_bytes(s).unwrap().negate();
        let mut high = signature;
        high[32..64].copy_from_slice(&negated.to_secret_bytes());
        high[64] = 55 - signature[64];
        high
    }

    #[test]
    fn the_address_of_key_1_is_the_one_everybody_knows() {
        let mut secret = [0; 32];
        secret[31] = 1;
        let key = SecretKey::from_secret_bytes(secret).unwrap().public_key();
        let known = parse_address(b"0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf").unwrap();
        assert_eq!(address_of(&key), known);
    }

    #[test]
    fn v_has_one_form_of_256() {
        let (plain, typed) = (signed(eip191_digest(MESSAGE)), signed(typed_digest()));
        for v in 0..=u8::MAX {
            let with_v = |mut signature: [u8; 65]| {
                signature[64] = v;
                signature
            };
            let result = verify(&owner(), MESSAGE, &with_v(plain));
            assert_eq!(result.is_ok(), v == plain[64], "v {v}");
            let result_typed = verify_typed(address().as_bytes(), MESSAGE, &with_v(typed));
            assert_eq!(result_typed.is_ok(), v == typed[64], "v {v}");
            for result in [result, result_typed] {
                let is_named = matches!(result, Err(VerifyError::RecoveryByte(byte)) if byte == v);
                assert_eq!(is_named, v != 27 && v != 28, "v {v}");
            }
        }
    }

    #[test]
    fn s_has_one_form() {
        let (plain, typed) = (signed(eip191_digest(MESSAGE)), signed(typed_digest()));
        assert!(verify(&owner(), MESSAGE, &plain).is_ok());
        assert!(verify(&owner(), MESSAGE, &high_s(plain)).is_err());
        assert!(verify_typed(address().as_bytes(), MESSAGE, &typed).is_ok());
        assert!(verify_typed(address().as_bytes(), MESSAGE, &high_s(typed)).is_err());
    }

    #[test]
    fn an_address_is_the_same_in_any_case() {
        let signature = signed(typed_digest());
        let upper = format!("0x{}", address()[2..].to_uppercase());
        assert!(verify_typed(upper.as_bytes(), MESSAGE, &signature).is_ok());
        assert!(verify_typed(upper.as_bytes(), b"other", &signature).is_err());
    }

    #[test]
    fn owners_that_are_no_keys_are_named() {
        let result = verify(&[4; 65], MESSAGE, &[0; 65]);
        assert!(matches!(result, Err(VerifyError::Owner(SignatureType::Ethereum))));
        for text in ["0X", "0xg"] {
            let owner = format!("{text:0<42}");
            let result = verify_typed(owner.as_bytes(), MESSAGE, &[0; 65]);
            assert!(matches!(result, Err(VerifyError::Owner(SignatureType::TypedEthereum))));
        }
    }

    /// The expected digest was worked out by ethers 5, which arbundles calls.
    #[test]
    fn typed_data_hashes_as_in_ethers() {
        let digest = eip712_digest(&[0x11; 20], b"abc");
        let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "e5ab57dcb5ced892034c95f1122a9cf5bab2638adfbae9f3729534014dc0674b");
    }
}
