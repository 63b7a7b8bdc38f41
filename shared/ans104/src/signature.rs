//! The signature types of ANS-104: their numbers, names and field lengths.

use std::fmt;

/// How an item is signed. The number is the first field of the item (ANS-104 §2, arbundles).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum SignatureType {
    /// RSA-4096-PSS with SHA-256; the owner is the modulus.
    Arweave = 1,
    /// Ed25519 over the signing hash; also what Solana, Near and Algorand keys sign with.
    Ed25519 = 2,
    /// secp256k1 over the EIP-191 text hash; the owner is the uncompressed public key.
    Ethereum = 3,
    /// Ed25519 over the lower-case hex text of the signing hash, for wallets that only sign text.
    HexSolana = 4,
    /// secp256k1 over an EIP-712 document; the owner is the `0x…` address text.
    TypedEthereum = 7,
}

impl SignatureType {
    /// All that are supported.
    pub const ALL: [Self; 5] =
        [Self::Arweave, Self::Ed25519, Self::Ethereum, Self::HexSolana, Self::TypedEthereum];

    /// Length of the signature in bytes.
    #[must_use]
    pub const fn signature_len(self) -> usize {
        match self {
            Self::Arweave => 512,
            Self::Ed25519 | Self::HexSolana => 64,
            Self::Ethereum | Self::TypedEthereum => 65,
        }
    }

    /// Length of the owner in bytes.
    #[must_use]
    pub const fn owner_len(self) -> usize {
        match self {
            Self::Arweave => 512,
            Self::Ed25519 | Self::HexSolana => 32,
            Self::Ethereum => 65,
            Self::TypedEthereum => 42,
        }
    }

    /// The number as decimal text, which is how it is hashed.
    pub(crate) const fn decimal(self) -> &'static str {
        match self {
            Self::Arweave => "1",
            Self::Ed25519 => "2",
            Self::Ethereum => "3",
            Self::HexSolana => "4",
            Self::TypedEthereum => "7",
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arweave => "arweave",
            Self::Ed25519 => "ed25519",
            Self::Ethereum => "ethereum",
            Self::HexSolana => "hex solana",
            Self::TypedEthereum => "typed ethereum",
        })
    }
}

/// A signature type that items here cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedSignatureType {
    /// Aptos, type 5: known, refused.
    #[error("signature type 5 (aptos) is not supported")]
    Aptos,
    /// Aptos with several keys, type 6: known, refused.
    #[error("signature type 6 (multi-signature aptos) is not supported")]
    MultiAptos,
    /// Not a signature type at all.
    #[error("unknown signature type {0}")]
    Unknown(u16),
}

impl TryFrom<u16> for SignatureType {
    type Error = UnsupportedSignatureType;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        match number {
            1 => Ok(Self::Arweave),
            2 => Ok(Self::Ed25519),
            3 => Ok(Self::Ethereum),
            4 => Ok(Self::HexSolana),
            5 => Err(UnsupportedSignatureType::Aptos),
            6 => Err(UnsupportedSignatureType::MultiAptos),
            7 => Ok(Self::TypedEthereum),
            other => Err(UnsupportedSignatureType::Unknown(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        for kind in SignatureType::ALL {
            assert_eq!(SignatureType::try_from(kind as u16), Ok(kind));
            assert_eq!(kind.decimal(), (kind as u16).to_string());
        }
    }

    #[test]
    fn refuses_aptos_by_name_and_the_rest_by_number() {
        let refusal = |number: u16| SignatureType::try_from(number).unwrap_err().to_string();
        assert_eq!(refusal(5), "signature type 5 (aptos) is not supported");
        assert_eq!(refusal(6), "signature type 6 (multi-signature aptos) is not supported");
        assert_eq!(refusal(0), "unknown signature type 0");
        assert_eq!(refusal(257), "unknown signature type 257");
    }
}
