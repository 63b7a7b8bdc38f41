//! Base64url without padding, as Arweave and ao write ids, keys and signatures (RFC 4648 §5).
//!
//! Decoding is strict: no padding, no whitespace, no stray bits after the last byte, so one value has
//! one text.

use base64_simd::{Out, URL_SAFE_NO_PAD};

/// Length in characters of 32 bytes.
pub const ID_CHARS: usize = 43;

/// A text that is not what it should be in base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum B64Error {
    /// A foreign character, padding, an impossible length, or stray bits at the end.
    #[error("not base64url without padding")]
    Malformed,
    /// An id of another length.
    #[error("expected {ID_CHARS} characters of base64url, got {chars}")]
    Length {
        /// How many bytes of text there were.
        chars: usize,
    },
}

/// The text of `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Appends the text of `bytes`, growing `out` geometrically (for JSON writers).
pub fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    // The library reserves exactly what it needs, which would move a page once per field.
    out.reserve(URL_SAFE_NO_PAD.encoded_length(bytes.len()));
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}

/// The bytes of `text`.
///
/// # Errors
/// [`B64Error::Malformed`] if `text` is not the one text of some bytes.
pub fn decode(text: &str) -> Result<Vec<u8>, B64Error> {
    URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| B64Error::Malformed)
}

/// The 32 bytes of an id, from exactly 43 characters.
///
/// # Errors
/// [`B64Error::Length`] for any other length, [`B64Error::Malformed`] as for [`decode`].
pub fn decode_32(text: &str) -> Result<[u8; 32], B64Error> {
    if text.len() != ID_CHARS {
        return Err(B64Error::Length { chars: text.len() });
    }
    let mut id = [0; 32];
    URL_SAFE_NO_PAD
        .decode(text.as_bytes(), Out::from_slice(&mut id))
        .map_err(|_| B64Error::Malformed)?;
    Ok(id)
}

/// Calls `f` with the text of an id, without allocating.
pub(crate) fn with_id_text<R>(id: &[u8; 32], f: impl FnOnce(&str) -> R) -> R {
    let mut text = [0; ID_CHARS];
    f(URL_SAFE_NO_PAD.encode_as_str(id, Out::from_slice(&mut text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn knows_the_alphabet_of_rfc_4648() {
        assert_eq!(encode(&[0xfb, 0xef, 0xff]), "--__");
        assert_eq!(encode(b"foobar"), "Zm9vYmFy");
        assert_eq!(encode(b"f"), "Zg");
        assert_eq!(decode("Zm8"), Ok(b"fo".to_vec()));
        assert_eq!(decode(""), Ok(Vec::new()));
    }

    #[test]
    fn refuses_every_other_spelling() {
        for text in ["Zg==", "Zh", "Zm9=", "Z", "Zm+v", "Zm/v", " Zm8", "Zm8\n", "Zmé"] {
            assert_eq!(decode(text), Err(B64Error::Malformed), "{text:?}");
        }
    }

    #[test]
    fn an_id_has_43_characters_and_no_stray_bits() {
        let text = encode(&[0xff; 32]);
        assert_eq!(decode_32(&text), Ok([0xff; 32]));
        assert_eq!(decode_32(&text[1..]), Err(B64Error::Length { chars: 42 }));
        assert_eq!(decode_32(&format!("{text}A")), Err(B64Error::Length { chars: 44 }));
        let stray = format!("{}9", &text[..42]);
        assert_eq!(decode_32(&stray), Err(B64Error::Malformed));
    }

    proptest! {
        #[test]
        fn round_trips(bytes: Vec<u8>, before: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(&text), Ok(bytes.clone()));
            let mut out = before.clone();
            append(&mut out, &bytes);
            prop_assert_eq!(out, [before, text.into_bytes()].concat());
        }

        #[test]
        fn what_decodes_encodes_to_the_same_text(text in "[A-Za-z0-9_-]{0,90}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
