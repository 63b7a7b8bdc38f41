//! Types 2 and 4: Ed25519 over the signing hash, or over its hex text.
//!
//! The equation is the cofactored one, `8(sB - R - kA) = 0` with `k` over the re-encoded points, as in
//! noble, which arbundles calls. The cofactorless check of `ed25519-dalek` refuses some signatures that
//! noble takes; then a Compute Unit and this crate would disagree about an item. `s` must be reduced
//! (RFC 8032 §5.1.7), so nobody can change the signature, and the id, of somebody else's item.

use super::VerifyError;
use crate::SignatureType;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

/// Checks a signature over `message`; `scheme` is only named in the error.
pub(super) fn verify(
    scheme: SignatureType,
    owner: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let key = point(owner).ok_or(VerifyError::Owner(scheme))?;
    match equation_holds(key, message, signature) {
        Some(true) => Ok(()),
        Some(false) | None => Err(VerifyError::Mismatch),
    }
}

/// The lower-case hex text of a hash.
pub(super) fn hex_text(hash: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// `None` if the signature is not a point and a reduced scalar.
fn equation_holds(key: EdwardsPoint, message: &[u8], signature: &[u8]) -> Option<bool> {
    let (r, s) = signature.split_first_chunk::<32>()?;
    let r = point(r)?;
    let s = Option::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let k = Sha512::new()
        .chain_update(r.compress().as_bytes())
        .chain_update(key.compress().as_bytes())
        .chain_update(message)
        .finalize();
    let k = Scalar::from_bytes_mod_order_wide(&k.into());
    let expected_r = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key, &s);
    Some((expected_r - r).is_small_order())
}

fn point(bytes: &[u8]) -> Option<EdwardsPoint> {
    CompressedEdwardsY::from_slice(bytes).ok()?.decompress()
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
    use curve25519_dalek::traits::Identity;

    const MESSAGE: &[u8] = b"message";

    /// The order of the group, little-endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// Owner and signature, whose `R` is off by `torsion`, a point of small order.
    fn signed(torsion: EdwardsPoint) -> (Vec<u8>, Vec<u8>) {
        let (secret, nonce) = (Scalar::from(5_u64), Scalar::from(7_u64));
        let key = (&secret * ED25519_BASEPOINT_TABLE).compress();
        let r = (&nonce * ED25519_BASEPOINT_TABLE + torsion).compress();
        let k =
            Sha512::new().chain_update(r.0).chain_update(key.0).chain_update(MESSAGE).finalize();
        let s = nonce + Scalar::from_bytes_mod_order_wide(&k.into()) * secret;
        (key.0.to_vec(), [r.0, s.to_bytes()].concat())
    }

    fn passes(owner: &[u8], message: &[u8], signature: &[u8]) -> bool {
        verify(SignatureType::Ed25519, owner, message, signature).is_ok()
    }

    #[test]
    fn takes_what_the_cofactored_equation_takes() {
        for torsion in [EdwardsPoint::identity(), EIGHT_TORSION[1], EIGHT_TORSION[4]] {
            let (owner, signature) = signed(torsion);
            assert!(passes(&owner, MESSAGE, &signature));
            assert!(!passes(&owner, b"massage", &signature));
        }
    }

    #[test]
    fn s_has_one_form() {
        let (owner, mut signature) = signed(EdwardsPoint::identity());
        let mut carry = 0;
        for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!passes(&owner, MESSAGE, &signature));
    }

    #[test]
    fn an_owner_off_the_curve_is_no_key() {
        let result = verify(SignatureType::HexSolana, &[2; 32], MESSAGE, &[0; 64]);
        assert!(matches!(result, Err(VerifyError::Owner(SignatureType::HexSolana))));
    }

    #[test]
    fn hex_is_lower_case() {
        assert_eq!(hex_text(&[0x00, 0x9f, 0xe1]), "009fe1");
    }
}
