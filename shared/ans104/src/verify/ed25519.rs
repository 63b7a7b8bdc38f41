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
