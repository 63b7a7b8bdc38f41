//! The numbers of an RSA key: made from primes, read from and written to a JSON Web Key, and held
//! against each other.

use super::{Secret, WalletError};
use crate::verify::{PUBLIC_EXPONENT, is_modulus};
use crate::wallet::jwk::{self, Jwk, OtherPrime};
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use openssl::rsa::Rsa;
use std::ops::{Deref, DerefMut};
use zeroize::Zeroizing;

/// Length of the modulus in bits.
const MODULUS_BITS: i32 = 4096;
/// Length of each of four primes in bits.
const PRIME_BITS: i32 = MODULUS_BITS / 4;

/// The numbers, big-endian.
pub(super) struct Parts {
    pub(super) n: Secret,
    pub(super) e: Secret,
    pub(super) d: Secret,
    /// Two or four.
    pub(super) primes: Vec<Prime>,
}

/// A prime factor of the modulus.
pub(super) struct Prime {
    pub(super) prime: Secret,
    /// `d` modulo the prime less one.
    pub(super) exponent: Secret,
    /// For the second prime, its inverse modulo the first; for later ones the inverse of the product of
    /// all before it, modulo it; empty for the first (RFC 8017 §3.2).
    pub(super) coefficient: Secret,
}

/// A number that is wiped when dropped and handled in constant time where OpenSSL can.
struct Num(BigNum);

impl Num {
    fn new() -> Result<Self, ErrorStack> {
        Ok(Self::of(BigNum::new()?))
    }

    fn of(mut number: BigNum) -> Self {
        number.set_const_time();
        Self(number)
    }

    fn read(bytes: &[u8]) -> Result<Self, ErrorStack> {
        BigNum::from_slice(bytes).map(Self::of)
    }

    fn secret(&self) -> Secret {
        Zeroizing::new(self.to_vec())
    }

    fn less_one(&self) -> Result<Self, ErrorStack> {
        let mut number = Self::of(BigNumRef::to_owned(&self.0)?);
        number.sub_word(1)?;
        Ok(number)
    }

    fn times(&self, other: &Self, ctx: &mut BigNumContext) -> Result<Self, ErrorStack> {
        let mut product = Self::new()?;
        product.checked_mul(self, other, ctx)?;
        Ok(product)
    }

    fn modulo(&self, modulus: &Self, ctx: &mut BigNumContext) -> Result<Self, ErrorStack> {
        let mut rest = Self::new()?;
        rest.nnmod(self, modulus, ctx)?;
        Ok(rest)
    }

    fn inverse(&self, modulus: &Self, ctx: &mut BigNumContext) -> Result<Self, ErrorStack> {
        let mut inverse = Self::new()?;
        inverse.mod_inverse(self, modulus, ctx)?;
        Ok(inverse)
    }

    /// Whether `self · other` is 1 modulo `modulus`.
    fn inverts(
        &self,
        other: &Self,
        modulus: &Self,
        ctx: &mut BigNumContext,
    ) -> Result<bool, ErrorStack> {
        let one = BigNum::from_u32(1)?;
        Ok(*self.times(other, ctx)?.modulo(modulus, ctx)?.0 == *one)
    }
}

impl Deref for Num {
    type Target = BigNum;

    fn deref(&self) -> &BigNum {
        &self.0
    }
}

impl DerefMut for Num {
    fn deref_mut(&mut self) -> &mut BigNum {
        &mut self.0
    }
}

impl Drop for Num {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Two primes, drawn by OpenSSL's own key generation.
pub(super) fn two_primes() -> Result<Vec<Secret>, ErrorStack> {
    let rsa = Rsa::generate(MODULUS_BITS.unsigned_abs())?;
    Ok([rsa.p(), rsa.q()]
        .into_iter()
        .flatten()
        .map(|prime| Zeroizing::new(prime.to_vec()))
        .collect())
}

/// Four distinct primes of 1,024 bits whose product has exactly 4,096.
pub(super) fn four_primes() -> Result<Vec<Secret>, ErrorStack> {
    let mut ctx = BigNumContext::new()?;
    loop {
        let primes = [draw_prime()?, draw_prime()?, draw_prime()?, draw_prime()?];
        let product = product(&primes, &mut ctx)?;
        let distinct = (1..primes.len()).all(|i| primes[..i].iter().all(|p| **p != *primes[i]));
        if distinct && product.num_bits() == MODULUS_BITS {
            return Ok(primes.iter().map(Num::secret).collect());
        }
    }
}

/// A prime whose predecessor the public exponent (itself prime) does not divide.
fn draw_prime() -> Result<Num, ErrorStack> {
    loop {
        let mut prime = Num::new()?;
        prime.generate_prime(PRIME_BITS, false, None, None)?;
        if prime.less_one()?.mod_word(PUBLIC_EXPONENT)? != 0 {
            return Ok(prime);
        }
    }
}

fn product(numbers: &[Num], ctx: &mut BigNumContext) -> Result<Num, ErrorStack> {
    let one = Num::of(BigNum::from_u32(1)?);
    numbers.iter().try_fold(one, |product, number| product.times(number, ctx))
}

impl Parts {
    /// The key that has these primes.
    pub(super) fn from_primes(primes: &[Secret]) -> Result<Self, ErrorStack> {
        let mut ctx = BigNumContext::new()?;
        let ctx = &mut ctx;
        let primes = primes.iter().map(|prime| Num::read(prime)).collect::<Result<Vec<_>, _>>()?;
        let orders = primes.iter().map(Num::less_one).collect::<Result<Vec<_>, _>>()?;
        let e = Num::of(BigNum::from_u32(PUBLIC_EXPONENT)?);
        let d = e.inverse(&product(&orders, ctx)?, ctx)?;
        let mut parts = Vec::with_capacity(primes.len());
        for (index, (prime, order)) in primes.iter().zip(&orders).enumerate() {
            let coefficient = match index {
                0 => Zeroizing::default(),
                1 => prime.inverse(&primes[0], ctx)?.secret(),
                _ => product(&primes[..index], ctx)?.inverse(prime, ctx)?.secret(),
            };
            let exponent = d.modulo(order, ctx)?.secret();
            parts.push(Prime { prime: prime.secret(), exponent, coefficient });
        }
        let n = product(&primes, ctx)?.secret();
        Ok(Self { n, e: e.secret(), d: d.secret(), primes: parts })
    }

    /// Reads the fields of a key without holding them against each other.
    pub(super) fn from_jwk(jwk: &Jwk<'_>) -> Result<Self, WalletError> {
        let mut primes = vec![
            Prime {
                prime: jwk::bytes("p", jwk.p)?,
                exponent: jwk::bytes("dp", jwk.dp)?,
                coefficient: Zeroizing::default(),
            },
            Prime {
                prime: jwk::bytes("q", jwk.q)?,
                exponent: jwk::bytes("dq", jwk.dq)?,
                coefficient: jwk::bytes("qi", jwk.qi)?,
            },
        ];
        if let Some(others) = &jwk.oth {
            if others.len() != 2 {
                return Err(WalletError::field("oth", "does not have two primes"));
            }
            for other in others {
                primes.push(Prime {
                    prime: jwk::bytes("oth.r", Some(other.r))?,
                    exponent: jwk::bytes("oth.d", Some(other.d))?,
                    coefficient: jwk::bytes("oth.t", Some(other.t))?,
                });
            }
        }
        let (n, e) = (jwk::bytes("n", jwk.n)?, jwk::bytes("e", jwk.e)?);
        Ok(Self { n, e, d: jwk::bytes("d", jwk.d)?, primes })
    }

    /// The key as JSON.
    pub(super) fn to_jwk(&self) -> Result<Zeroizing<String>, WalletError> {
        let texts: Vec<[Zeroizing<String>; 3]> = self
            .primes
            .iter()
            .map(|prime| {
                [&prime.prime, &prime.exponent, &prime.coefficient].map(|part| jwk::text(part))
            })
            .collect();
        let [p, q, others @ ..] = texts.as_slice() else {
            return Err(WalletError::field("q", "is missing"));
        };
        let others: Vec<_> = others.iter().map(|[r, d, t]| OtherPrime { r, d, t }).collect();
        let [n, e, d] = [&self.n, &self.e, &self.d].map(|part| jwk::text(part));
        jwk::write(&Jwk {
            kty: "RSA",
            n: Some(&n),
            e: Some(&e),
            d: Some(&d),
            p: Some(&p[0]),
            q: Some(&q[0]),
            dp: Some(&p[1]),
            dq: Some(&q[1]),
            qi: Some(&q[2]),
            oth: (!others.is_empty()).then_some(others),
            ..Jwk::default()
        })
    }

    /// Holds the numbers against each other; names the first that does not belong.
    pub(super) fn check(&self) -> Result<(), WalletError> {
        if !is_modulus(&self.n) {
            return Err(WalletError::field("n", "is not an odd number of 4,096 bits"));
        }
        let e = Num::read(&self.e)?;
        if *e.0 != *BigNum::from_u32(PUBLIC_EXPONENT)? {
            return Err(WalletError::field("e", "is not 65,537"));
        }
        let mut ctx = BigNumContext::new()?;
        let primes = self.primes.iter().map(|prime| Num::read(&prime.prime));
        let primes = primes.collect::<Result<Vec<_>, _>>()?;
        if *product(&primes, &mut ctx)?.0 != *Num::read(&self.n)?.0 {
            return Err(WalletError::field("n", "is not the product of the primes"));
        }
        for index in 0..primes.len() {
            self.check_prime(index, &primes, &e, &mut ctx)?;
        }
        Ok(())
    }

    fn check_prime(
        &self,
        index: usize,
        primes: &[Num],
        e: &Num,
        ctx: &mut BigNumContext,
    ) -> Result<(), WalletError> {
        let (prime, part) = (&primes[index], &self.primes[index]);
        let [name, exponent_name, coefficient_name] = match index {
            0 => ["p", "dp", "qi"],
            1 => ["q", "dq", "qi"],
            _ => ["oth.r", "oth.d", "oth.t"],
        };
        // A factor of 1, or one that takes all of the modulus, would still multiply to n.
        if prime.num_bits() * 4 < MODULUS_BITS || prime.num_bits() * 2 > MODULUS_BITS {
            return Err(WalletError::field(name, "is too short or too long"));
        }
        let order = prime.less_one()?;
        let exponent = Num::read(&part.exponent)?;
        if !exponent.inverts(e, &order, ctx)? {
            return Err(WalletError::field(exponent_name, "is not the inverse of e"));
        }
        if *Num::read(&self.d)?.modulo(&order, ctx)?.0 != *exponent.0 {
            return Err(WalletError::field("d", "does not belong to the primes"));
        }
        let coefficient = Num::read(&part.coefficient)?;
        let inverts = match index {
            0 => true,
            1 => coefficient.inverts(prime, &primes[0], ctx)?,
            _ => coefficient.inverts(&product(&primes[..index], ctx)?, prime, ctx)?,
        };
        if !inverts {
            return Err(WalletError::field(coefficient_name, "is not the inverse it should be"));
        }
        Ok(())
    }
}
