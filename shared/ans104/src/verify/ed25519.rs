//! Types 2 and 4: Ed25519 over the signing hash, or over its hex text.
//!
//! The equation is the cofactored one, `8(sB - R - kA) = 0`, as in noble, which arbundles calls. The
//! cofactorless check of `ed25519-dalek` refuses some signatures that noble takes; then a Compute Unit
//! and this crate would disagree about an item.
//!
//! Two rules are stricter than noble's. `s` must be reduced (RFC 8032 §5.1.7) and points be written in
//! the one way of RFC 8032 §5.1.3, so nobody can change the signature, and the id, of somebody else's
//! item. `A` and `R` must not be of small order: with such an `A` the content drops out of the equation,
//! and one signature is valid for every content. Nobody has a key for such a point, and honest signers
//! never make one.

use super::VerifyError;
use crate::{Field, SignatureType};
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
    let (r, s) = signature.split_first_chunk::<32>().ok_or(VerifyError::Mismatch)?;
    let key = point(owner).ok_or(VerifyError::Owner(scheme))?;
    let commitment = point(r).ok_or(VerifyError::Mismatch)?;
    for (point, field) in [(key, Field::Owner), (commitment, Field::Signature)] {
        if point.is_small_order() {
            return Err(VerifyError::SmallOrder(field));
        }
    }
    let s = reduced(s).ok_or(VerifyError::Mismatch)?;
    let k = Sha512::new().chain_update(r).chain_update(owner).chain_update(message).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&k.into());
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, &-key, &s);
    if (expected - commitment).is_small_order() { Ok(()) } else { Err(VerifyError::Mismatch) }
}

/// The lower-case hex text of a hash.
pub(super) fn hex_text(hash: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    hash.iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The number below the order of the group that these bytes are.
fn reduced(bytes: &[u8]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(bytes.try_into().ok()?).into()
}

/// The point that is written so. A `y` from the order of the field on is refused. So `x = 0` with a sign
/// is the only second form left, and those two points are of small order.
fn point(bytes: &[u8]) -> Option<EdwardsPoint> {
    let compressed = CompressedEdwardsY::from_slice(bytes).ok()?;
    if has_reduced_y(&compressed.0) { compressed.decompress() } else { None }
}

/// Whether `y` is below 2^255 - 19. The highest bit is the sign of `x`.
fn has_reduced_y(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    let is_near_the_end = highest & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    !is_near_the_end || *lowest < 0xed
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

    /// All 8 points of small order, and their second forms: `y` from the order of the field on, and a
    /// sign where `x` is 0.
    fn small_order_bytes() -> Vec<[u8; 32]> {
        let near_the_end = |lowest, highest| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (lowest, highest);
            bytes
        };
        let mut negative_one = [0; 32];
        (negative_one[0], negative_one[31]) = (1, 0x80);
        let second_forms = [
            near_the_end(0xed, 0x7f),
            near_the_end(0xed, 0xff),
            near_the_end(0xee, 0x7f),
            near_the_end(0xee, 0xff),
            near_the_end(0xec, 0xff),
            negative_one,
        ];
        EIGHT_TORSION.map(|point| point.compress().0).into_iter().chain(second_forms).collect()
    }

    #[test]
    fn owner_of_small_order_is_refused_for_every_r() {
        let nonce = Scalar::from(7_u64);
        let usual = (&nonce * ED25519_BASEPOINT_TABLE).compress().0;
        for owner in small_order_bytes() {
            let zero = small_order_bytes().into_iter().map(|r| (r, Scalar::ZERO));
            for (r, s) in zero.chain([(usual, nonce)]) {
                let signature = [r, s.to_bytes()].concat();
                let result = verify(SignatureType::Ed25519, &owner, MESSAGE, &signature);
                let error = result.unwrap_err();
                let is_named = matches!(
                    error,
                    VerifyError::SmallOrder(Field::Owner)
                        | VerifyError::Owner(_)
                        | VerifyError::Mismatch
                );
                assert!(is_named, "{owner:?} {r:?}: {error}");
            }
        }
        let identity = EdwardsPoint::identity().compress().0;
        let result =
            verify(SignatureType::Ed25519, &identity, MESSAGE, &[identity, [0; 32]].concat());
        assert!(matches!(result, Err(VerifyError::SmallOrder(Field::Owner))));
    }

    #[test]
    fn r_of_small_order_is_refused_though_a_key_signed() {
        let secret = Scalar::from(5_u64);
        let key = (&secret * ED25519_BASEPOINT_TABLE).compress();
        for r in small_order_bytes() {
            let k = Sha512::new().chain_update(r).chain_update(key.0).chain_update(MESSAGE);
            let s = Scalar::from_bytes_mod_order_wide(&k.finalize().into()) * secret;
            assert!(!passes(&key.0, MESSAGE, &[r, s.to_bytes()].concat()), "{r:?}");
        }
    }

    #[test]
    fn y_has_one_form() {
        // y = 3 is on the curve and of large order, so only its form is wrong with p + 3.
        let mut three = [0; 32];
        three[0] = 3;
        let mut beyond = [0xff; 32];
        (beyond[0], beyond[31]) = (0xf0, 0x7f);
        let decompressed = |bytes: [u8; 32]| CompressedEdwardsY(bytes).decompress();
        assert_eq!(decompressed(beyond), decompressed(three));
        assert!(point(&three).is_some_and(|point| !point.is_small_order()));
        assert!(point(&beyond).is_none());
        let mut last = [0xff; 32];
        (last[0], last[31]) = (0xec, 0x7f);
        assert!(point(&last).is_some());
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
