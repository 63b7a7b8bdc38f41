//! The JSON of a key: names, base64url, and which fields there must be.
//!
//! Fields are borrowed from the text, which the caller wipes; decoded ones are wiped here.

use super::WalletError;
use crate::b64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of a key, wiped when dropped.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// A JSON Web Key of any kind that a wallet can be. Members it does not name are ignored (RFC 7517 §4).
#[derive(Deserialize, Serialize, Default)]
pub(super) struct Jwk<'a> {
    pub(super) kty: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crv: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) y: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) n: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) e: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) d: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) q: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dq: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) qi: Option<&'a str>,
    /// The primes after the second (RFC 7518 §6.3.2.7).
    #[serde(skip_serializing_if = "Option::is_none", borrow)]
    pub(super) oth: Option<Vec<OtherPrime<'a>>>,
}

/// A prime after the second.
#[derive(Deserialize, Serialize)]
pub(super) struct OtherPrime<'a> {
    pub(super) r: &'a str,
    pub(super) d: &'a str,
    pub(super) t: &'a str,
}

/// What `kty` and `crv` say.
pub(super) enum KeyType {
    Rsa,
    Secp256k1,
    Ed25519,
}

/// Reads the JSON.
pub(super) fn parse(text: &str) -> Result<Jwk<'_>, WalletError> {
    Ok(serde_json::from_str(text)?)
}

/// Writes the JSON.
pub(super) fn write(jwk: &Jwk<'_>) -> Result<Zeroizing<String>, WalletError> {
    Ok(Zeroizing::new(serde_json::to_string(jwk)?))
}

impl Jwk<'_> {
    pub(super) fn key_type(&self) -> Result<KeyType, WalletError> {
        match (self.kty, self.crv) {
            ("RSA", _) => Ok(KeyType::Rsa),
            ("EC", Some("secp256k1")) => Ok(KeyType::Secp256k1),
            ("OKP", Some("Ed25519")) => Ok(KeyType::Ed25519),
            ("EC" | "OKP", _) => Err(WalletError::field("crv", "is not secp256k1 or Ed25519")),
            _ => Err(WalletError::field("kty", "is not RSA, EC or OKP")),
        }
    }
}

/// The bytes of a field that has to be there.
pub(super) fn bytes(name: &'static str, text: Option<&str>) -> Result<Secret, WalletError> {
    let text = text.ok_or(WalletError::field(name, "is missing"))?;
    let bytes = b64::decode(text).map_err(|_| WalletError::field(name, "is not base64url"))?;
    Ok(Zeroizing::new(bytes))
}

/// The 32 bytes of a field that has to be there.
pub(super) fn bytes_32(
    name: &'static str,
    text: Option<&str>,
) -> Result<Zeroizing<[u8; 32]>, WalletError> {
    let bytes = bytes(name, text)?;
    let bytes = bytes.as_slice().try_into();
    bytes.map(Zeroizing::new).map_err(|_| WalletError::field(name, "is not 32 bytes long"))
}

/// 32 random bytes.
pub(super) fn random_32() -> Result<Zeroizing<[u8; 32]>, WalletError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(WalletError::Random)?;
    Ok(bytes)
}

/// A field's text, wiped when dropped.
pub(super) fn text(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(b64::encode(bytes))
}
