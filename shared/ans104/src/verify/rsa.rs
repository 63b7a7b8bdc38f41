//! Type 1: RSA-4096-PSS with SHA-256 and MGF1-SHA-256, public exponent 65,537.
//!
//! The salt length is read from the signature: wallets use both 32 bytes and the maximum (478), and a
//! verifier that insists on one refuses honest items.

use super::VerifyError;
use crate::SignatureType;
use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};

/// The public exponent of every Arweave key.
pub(crate) const PUBLIC_EXPONENT: u32 = 65_537;

/// Checks a signature against a modulus.
pub(super) fn verify(owner: &[u8], message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
    if !is_modulus(owner) {
        return Err(VerifyError::Owner(SignatureType::Arweave));
    }
    let key = public_key(owner)?;
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key)?;
    verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
    // When verifying, OpenSSL takes this value (-2) as "whatever the signature has".
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::MAXIMUM_LENGTH)?;
    // A signature beyond the modulus is an error to OpenSSL; to us it is one that does not match.
    match verifier.verify_oneshot(signature, message) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(VerifyError::Mismatch),
    }
}

/// Whether the bytes are an odd number of exactly 4,096 bits.
pub(crate) fn is_modulus(owner: &[u8]) -> bool {
    owner.len() == SignatureType::Arweave.owner_len()
        && owner.first().is_some_and(|byte| byte & 0x80 != 0)
        && owner.last().is_some_and(|byte| byte & 1 != 0)
}

fn public_key(modulus: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let exponent = BigNum::from_u32(PUBLIC_EXPONENT)?;
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(modulus)?, exponent)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::sign::Signer;

    const MESSAGE: &[u8] = &[42; 48];

    #[test]
    fn any_salt_length_passes() {
        let rsa = Rsa::generate(4096).unwrap();
        let owner = rsa.n().to_vec();
        let key = PKey::from_rsa(rsa).unwrap();
        for salt in [0, 20, 32, 478].map(RsaPssSaltlen::custom) {
            let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(salt).unwrap();
            let signature = signer.sign_oneshot_to_vec(MESSAGE).unwrap();
            assert!(verify(&owner, MESSAGE, &signature).is_ok());
            let other = verify(&owner, b"other", &signature);
            assert!(matches!(other, Err(VerifyError::Mismatch)));
        }
    }

    #[test]
    fn a_signature_beyond_the_modulus_does_not_match() {
        let mut owner = [0x80; 512];
        owner[511] = 1;
        assert!(matches!(verify(&owner, MESSAGE, &[0xff; 512]), Err(VerifyError::Mismatch)));
        assert!(matches!(verify(&owner, MESSAGE, &[0; 512]), Err(VerifyError::Mismatch)));
    }

    #[test]
    fn an_owner_is_an_odd_number_of_4096_bits() {
        let (mut short, mut even) = ([0xff; 512], [0xff; 512]);
        short[0] = 0x7f;
        even[511] = 0xfe;
        for owner in [&short[..], &even, &[0; 512], &[]] {
            let result = verify(owner, MESSAGE, &[1; 512]);
            assert!(matches!(result, Err(VerifyError::Owner(SignatureType::Arweave))));
        }
    }
}
