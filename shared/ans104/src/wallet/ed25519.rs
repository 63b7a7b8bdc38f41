//! Ed25519 keys (RFC 8037), which sign items of type 2.

use super::WalletError;
use super::jwk::{self, Jwk};
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

/// A key that is ready to sign; it wipes itself when dropped.
pub(super) struct EdKey(SigningKey);

impl EdKey {
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }
}

/// A new key, as JSON.
pub(super) fn generate() -> Result<Zeroizing<String>, WalletError> {
    let secret = jwk::random_32()?;
    let public = SigningKey::from_bytes(&secret).verifying_key();
    let (x, d) = (jwk::text(public.as_bytes()), jwk::text(secret.as_slice()));
    jwk::write(&Jwk {
        kty: "OKP",
        crv: Some("Ed25519"),
        x: Some(&x),
        d: Some(&d),
        ..Jwk::default()
    })
}

/// The key and its owner bytes.
pub(super) fn load(jwk: &Jwk<'_>) -> Result<(EdKey, Vec<u8>), WalletError> {
    let key = SigningKey::from_bytes(&*jwk::bytes_32("d", jwk.d)?);
    let owner = key.verifying_key().as_bytes().to_vec();
    if *jwk::bytes("x", jwk.x)? != owner {
        return Err(WalletError::field("x", "is not the public key of d"));
    }
    Ok((EdKey(key), owner))
}
