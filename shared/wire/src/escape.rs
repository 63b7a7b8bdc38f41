//! A JSON string from bytes, in one pass.
//!
//! Data may be anything: what is no UTF-8 becomes U+FFFD, as in the reference. Most of what is served is
//! plain ASCII, so eight bytes are looked at together, and runs are copied as they are.

/// Eight times the same byte.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Bytes that are looked at together.
const WORD: usize = 8;
/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Writes `text` with its quotes. What is no UTF-8 is replaced as by [`String::from_utf8_lossy`].
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (plain, after) = rest.split_at(plain_len(rest));
        out.extend_from_slice(plain);
        let (special, after) = after.split_at(special_len(after));
        match special {
            [byte] if byte.is_ascii() => escaped(out, *byte),
            _ => lossy(out, special),
        }
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes from the start stand for themselves: ASCII but for controls, quote and backslash.
fn plain_len(text: &[u8]) -> usize {
    let (words, last) = text.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bits(u64::from_le_bytes(*word));
        if special != 0 {
            return index * WORD + (special.trailing_zeros() / u8::BITS) as usize;
        }
    }
    let special = last.iter().position(|byte| is_special(*byte));
    text.len() - last.len() + special.unwrap_or(last.len())
}

/// The high bit of each special byte. Those above the first one may be wrong, as differences borrow.
const fn special_bits(word: u64) -> u64 {
    let (quote, backslash) = (word ^ each(b'"'), word ^ each(b'\\'));
    let below_space = word.wrapping_sub(each(b' '));
    let is_quote = quote.wrapping_sub(each(1));
    let is_backslash = backslash.wrapping_sub(each(1));
    // A byte of 0x80 and more is special by itself, so nothing has to be taken out of the differences.
    (word | below_space | is_quote | is_backslash) & each(0x80)
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\' || !byte.is_ascii()
}

/// One escaped byte, or all that follows of what is not ASCII.
fn special_len(text: &[u8]) -> usize {
    match text.first() {
        Some(byte) if byte.is_ascii() => 1,
        _ => text.iter().position(u8::is_ascii).unwrap_or(text.len()),
    }
}

fn escaped(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            return out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                hex(byte >> 4),
                hex(byte & 15),
            ]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn lossy(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(REPLACEMENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    fn by_serde(text: &[u8]) -> String {
        serde_json::to_string(&String::from_utf8_lossy(text)).unwrap()
    }

    #[test]
    fn every_byte_at_every_place_is_what_serde_writes() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut text = *b"between brackets, a ";
                text[place] = byte;
                assert_eq!(written(&text), by_serde(&text), "{byte} at {place}");
            }
        }
    }

    #[test]
    fn what_is_no_utf8_is_replaced_where_it_is() {
        for text in [
            &b"caf\xc3"[..],
            b"\xc3\x28 \xe2\x82 \xf0\x9f\x98\x80 \xf0\x9f\x98",
            "grüße, 世界 \u{1f600}\u{7f}\u{2028}".as_bytes(),
            b"\xed\xa0\x80\xff\xfe",
            b"",
        ] {
            assert_eq!(written(text), by_serde(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_what_serde_writes(text: Vec<u8>) {
            prop_assert_eq!(written(&text), by_serde(&text));
        }

        #[test]
        fn any_text_is_what_serde_writes(text in "(?s)[ -~\"\\\\]{0,40}.{0,20}") {
            prop_assert_eq!(written(text.as_bytes()), by_serde(text.as_bytes()));
        }
    }
}
