//! Types 3 and 7: secp256k1 with Ethereum's ways of hashing what a wallet signs.
//!
//! The signature is `r ‖ s ‖ v` with v 27 or 28, or 0 or 1 from some wallets. The key is recovered and
//! held against the owner, so v counts too (arbundles ignores it for type 3). `s` must be in the lower
//! half (EIP-2), as every wallet makes it: else anybody could turn an item into one with another id.

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
    let signer = recover(eip191_digest(message), signature).ok_or(VerifyError::Mismatch)?;
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
    let signer = recover(digest, signature).ok_or(VerifyError::Mismatch)?;
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
fn recover(digest: [u8; 32], signature: &[u8]) -> Option<PublicKey> {
    let (compact, v) = signature.split_first_chunk::<64>()?;
    let recovery = match v {
        [0 | 27] => RecoveryId::Zero,
        [1 | 28] => RecoveryId::One,
        _ => return None,
    };
    let signature = RecoverableSignature::from_compact(compact, recovery).ok()?;
    let mut lower = signature.to_standard();
    lower.normalize_s();
    if lower != signature.to_standard() {
        return None;
    }
    signature.recover_ecdsa(Message::from_digest(digest)).ok()
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
