//! secp256k1 keys (RFC 8812), which sign items of type 3 as an Ethereum wallet does.

use super::WalletError;
use super::jwk::{self, Jwk};
use crate::verify::eip191_digest;
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, PublicKey, SecretKey};
use zeroize::Zeroizing;

/// What Ethereum adds to the recovery number.
const V_OFFSET: u8 = 27;

/// A key that is ready to sign, wiped when dropped.
pub(super) struct EcKey(SecretKey);

impl Drop for EcKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

impl EcKey {
    /// `r ‖ s ‖ v` over the text hash of the message.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let digest = Message::from_digest(eip191_digest(message));
        let (v, rs) =
            RecoverableSignature::sign_ecdsa_recoverable(digest, &self.0).serialize_compact();
        let mut signature = Vec::with_capacity(65);
        signature.extend_from_slice(&rs);
        signature.push(V_OFFSET + v.to_u8());
        signature
    }

    fn owner(&self) -> [u8; 65] {
        PublicKey::from_secret_key(&self.0).serialize_uncompressed()
    }
}

/// A new key, as JSON.
pub(super) fn generate() -> Result<Zeroizing<String>, WalletError> {
    // A number beyond the group's order turns up once in 2^128 draws.
    let (secret, key) = loop {
        let secret = jwk::random_32()?;
        if let Ok(key) = SecretKey::from_secret_bytes(*secret) {
            break (secret, EcKey(key));
        }
    };
    let owner = key.owner();
    let (x, y) = (jwk::text(&owner[1..33]), jwk::text(&owner[33..]));
    let d = jwk::text(secret.as_slice());
    jwk::write(&Jwk {
        kty: "EC",
        crv: Some("secp256k1"),
        x: Some(&x),
        y: Some(&y),
        d: Some(&d),
        ..Jwk::default()
    })
}

/// The key and its owner bytes.
pub(super) fn load(jwk: &Jwk<'_>) -> Result<(EcKey, Vec<u8>), WalletError> {
    let secret = jwk::bytes_32("d", jwk.d)?;
    let key = SecretKey::from_secret_bytes(*secret)
        .map_err(|_| WalletError::field("d", "is not within the order of the curve"))?;
    let key = EcKey(key);
    let owner = key.owner();
    if *jwk::bytes("x", jwk.x)? != owner[1..33] {
        return Err(WalletError::field("x", "is not that of the public key of d"));
    }
    if *jwk::bytes("y", jwk.y)? != owner[33..] {
        return Err(WalletError::field("y", "is not that of the public key of d"));
    }
    Ok((key, owner.to_vec()))
}
