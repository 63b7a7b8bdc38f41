//! Writes an RSA private key in the DER of PKCS #1 (RFC 8017 §A.1.2), which OpenSSL reads with all
//! its primes; there is no other way in for more than two.

use super::Secret;
use super::parts::{Parts, Prime};
use zeroize::Zeroizing;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
/// More than the longest key takes, so that no buffer moves and leaves a copy behind.
const DER_BYTES_MAX: usize = 8 * 1024;

/// `RSAPrivateKey`: version 0 with two primes, 1 with more.
pub(super) fn private_key(parts: &Parts) -> Secret {
    let (first_two, others) = parts.primes.split_at(2.min(parts.primes.len()));
    let mut fields = buffer();
    put_integer(&mut fields, &[u8::from(!others.is_empty())]);
    for number in [&parts.n, &parts.e, &parts.d] {
        put_integer(&mut fields, number);
    }
    for number in first_two.iter().map(|prime| &prime.prime) {
        put_integer(&mut fields, number);
    }
    for number in first_two.iter().map(|prime| &prime.exponent) {
        put_integer(&mut fields, number);
    }
    for number in first_two.iter().skip(1).map(|prime| &prime.coefficient) {
        put_integer(&mut fields, number);
    }
    if !others.is_empty() {
        put(&mut fields, SEQUENCE, &other_primes(others));
    }
    let mut key = buffer();
    put(&mut key, SEQUENCE, &fields);
    key
}

/// The content of `OtherPrimeInfos`.
fn other_primes(primes: &[Prime]) -> Secret {
    let mut infos = buffer();
    for Prime { prime, exponent, coefficient } in primes {
        let mut info = buffer();
        for number in [prime, exponent, coefficient] {
            put_integer(&mut info, number);
        }
        put(&mut infos, SEQUENCE, &info);
    }
    infos
}

fn buffer() -> Secret {
    Zeroizing::new(Vec::with_capacity(DER_BYTES_MAX))
}

/// A non-negative number: no leading zeros, but one if the sign bit were set.
fn put_integer(out: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let sign_bit = digits.first().is_none_or(|byte| byte & 0x80 != 0);
    put_header(out, INTEGER, digits.len() + usize::from(sign_bit));
    if sign_bit {
        out.push(0);
    }
    out.extend_from_slice(digits);
}

fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    put_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// Tag and length: one byte below 128, else the number of length bytes and then those.
fn put_header(out: &mut Vec<u8>, tag: u8, len: usize) {
    out.push(tag);
    let bytes = len.to_be_bytes();
    let length = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    if len >= 0x80 {
        out.push(0x80 | length.len() as u8);
    }
    out.extend_from_slice(if len == 0 { &[0] } else { length });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_take_their_shortest_form() {
        let integer = |number: &[u8]| {
            let mut out = Vec::new();
            put_integer(&mut out, number);
            out
        };
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
        assert_eq!(integer(&[0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[1; 127])[..2], [2, 127]);
        assert_eq!(integer(&[1; 128])[..3], [2, 0x81, 128]);
        assert_eq!(integer(&[1; 512])[..4], [2, 0x82, 2, 0]);
    }
}
