//! RSA-4096 keys with two or four primes, which sign items of type 1.
//!
//! A signature is one exponentiation for each prime, put together by the Chinese remainder theorem.
//! Its cost grows with the cube of a prime's length, so four primes of 1,024 bits sign three times as
//! fast as two of 2,048, under a public key that looks the same. Four is the most that OpenSSL admits
//! for 4,096 bits; with three it is slower than with two, so no other number is accepted.

mod der;
mod parts;

use super::WalletError;
use super::jwk::{Jwk, Secret};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer, Verifier};
use parts::Parts;
use zeroize::Zeroizing;

/// A key that is ready to sign.
pub(super) struct RsaKey(PKey<Private>);

impl RsaKey {
    /// Signs with a salt as long as the digest, 32 bytes.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.0)?;
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        signer.sign_oneshot_to_vec(message)
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &self.0)?;
        verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
        verifier.verify_oneshot(signature, message)
    }
}

/// A new key with two primes, as JSON.
pub(super) fn generate_two() -> Result<Zeroizing<String>, WalletError> {
    Parts::from_primes(&parts::two_primes()?)?.to_jwk()
}

/// A new key with four primes, as JSON.
pub(super) fn generate_four() -> Result<Zeroizing<String>, WalletError> {
    Parts::from_primes(&parts::four_primes()?)?.to_jwk()
}

/// The key and its owner bytes (the modulus).
pub(super) fn load(jwk: &Jwk<'_>) -> Result<(RsaKey, Vec<u8>), WalletError> {
    let parts = Parts::from_jwk(jwk)?;
    parts.check()?;
    let key = RsaKey(PKey::from_rsa(Rsa::private_key_from_der(&der::private_key(&parts))?)?);
    // Catches what arithmetic on the fields cannot: factors that are not prime.
    let message = b"what a wallet signs has to verify";
    match key.sign(message).and_then(|signature| key.verifies(message, &signature)) {
        Ok(true) => Ok((key, parts.n.to_vec())),
        Ok(false) | Err(_) => Err(WalletError::field("p", "or another factor of n is not prime")),
    }
}
