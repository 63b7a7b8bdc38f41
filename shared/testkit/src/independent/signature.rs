//! The five signature schemes by plain calls of OpenSSL and libsecp256k1.

use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey};
use sha3::{Digest, Keccak256};

/// Whether `signature` over the signing hash is `owner`'s, under signature type `scheme`.
pub fn verifies(scheme: u16, owner: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    match scheme {
        1 => rsa(owner, hash, signature),
        2 => ed25519(owner, hash, signature),
        3 => ethereum(owner, hash, signature),
        4 => {
            let text: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            ed25519(owner, text.as_bytes(), signature)
        }
        7 => typed_ethereum(owner, hash, signature),
        _ => false,
    }
}

fn rsa(owner: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let (modulus, exponent) =
        (BigNum::from_slice(owner).unwrap(), BigNum::from_u32(65_537).unwrap());
    let key = PKey::from_rsa(Rsa::from_public_components(modulus, exponent).unwrap()).unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
    // When verifying, -2 means "whatever the signature has".
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::custom(-2)).unwrap();
    verifier.verify_oneshot(signature, hash).unwrap_or(false)
}

fn ed25519(owner: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some((r, _)) = signature.split_first_chunk::<32>() else { return false };
    if is_of_small_order(owner) || is_of_small_order(r) {
        return false;
    }
    let Ok(key) = PKey::public_key_from_raw_bytes(owner, Id::ED25519) else { return false };
    let mut verifier = Verifier::new_without_digest(&key).unwrap();
    verifier.verify_oneshot(signature, message).unwrap_or(false)
}

/// Whether 32 bytes are one of the 8 points whose order divides 8, in any form. Their `y` are 0, 1, -1 and
/// two more, modulo 2^255 - 19.
fn is_of_small_order(point: &[u8]) -> bool {
    let number = |hex| BigNum::from_hex_str(hex).unwrap();
    let field = number("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");
    let order_8 = number("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826");
    let mut bytes: Vec<u8> = point.iter().rev().copied().collect();
    bytes[0] &= 0x7f;
    let (y, zero, one) = (BigNum::from_slice(&bytes).unwrap(), number("0"), number("1"));
    let negative = |y: &BigNum| &field - y;
    [negative(&order_8), negative(&one), negative(&zero), &field + &one, order_8, zero, one]
        .contains(&y)
}

fn ethereum(owner: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", hash.len());
    let digest = keccak(&[prefix.as_bytes(), hash].concat());
    recover(digest, signature).is_some_and(|key| key.serialize_uncompressed()[..] == *owner)
}

fn typed_ethereum(owner: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let text = String::from_utf8_lossy(owner).to_lowercase();
    let address: Vec<u8> = (2..text.len().min(42))
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect();
    let Ok(address) = <[u8; 20]>::try_from(address) else { return false };
    recover(eip712_digest(&address, hash), signature)
        .is_some_and(|key| ethereum_address(&key) == address)
}

fn recover(digest: [u8; 32], signature: &[u8]) -> Option<PublicKey> {
    let recovery = match *signature.get(64)? {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return None,
    };
    let signature =
        RecoverableSignature::from_compact(signature[..64].try_into().ok()?, recovery).ok()?;
    signature.recover_ecdsa(Message::from_digest(digest)).ok()
}

/// The last 20 bytes of the hash of a public key.
pub fn ethereum_address(key: &PublicKey) -> [u8; 20] {
    let mut address = [0; 20];
    address.copy_from_slice(&keccak(&key.serialize_uncompressed()[1..])[12..]);
    address
}

/// What arbundles' typed signer has a wallet sign (EIP-712): `Bundlr(bytes Transaction hash, address
/// address)` in the domain `Bundlr`, version 1.
pub fn eip712_digest(address: &[u8; 20], hash: &[u8]) -> [u8; 32] {
    let domain =
        [keccak(b"EIP712Domain(string name,string version)"), keccak(b"Bundlr"), keccak(b"1")];
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    let document = [keccak(b"Bundlr(bytes Transaction hash,address address)"), keccak(hash), word];
    let (domain, document) = (keccak(&domain.concat()), keccak(&document.concat()));
    keccak(&[&b"\x19\x01"[..], &domain, &document].concat())
}

fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}
