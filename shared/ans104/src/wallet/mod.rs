//! Wallets: keys that sign items, kept as JSON Web Keys (RFC 7517, 7518 §6.3, 8037, 8812).
//!
//! A wallet that loads has been checked: its public part belongs to its private part and what it
//! signs verifies. Key material is wiped when a wallet is dropped and never shown; the only way out is
//! [`Wallet::to_jwk`] and [`Wallet::save_new`].

mod ec;
mod ed25519;
mod file;
mod jwk;
mod rsa;

use crate::{Address, SignError, SignatureType, Signer};
use jwk::KeyType;
use openssl::error::ErrorStack;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// How large a wallet file may be, in bytes.
pub const JWK_BYTES_MAX: u64 = 64 * 1024;

/// What kind of key a wallet holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WalletKind {
    /// RSA-4096 with two primes, as every Arweave wallet has.
    Rsa,
    /// RSA-4096 with four primes: looks the same to everybody else and signs three times as fast.
    Rsa4Prime,
    /// secp256k1; signs as an Ethereum key.
    Secp256k1,
    /// Ed25519.
    Ed25519,
}

impl WalletKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Rsa, Self::Rsa4Prime, Self::Secp256k1, Self::Ed25519];
}

impl fmt::Display for WalletKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rsa => "rsa",
            Self::Rsa4Prime => "rsa-4prime",
            Self::Secp256k1 => "secp256k1",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// A name that is no [`WalletKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown wallet kind: expected rsa, rsa-4prime, secp256k1 or ed25519")]
pub struct UnknownWalletKind;

impl FromStr for WalletKind {
    type Err = UnknownWalletKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "rsa" => Ok(Self::Rsa),
            "rsa-4prime" => Ok(Self::Rsa4Prime),
            "secp256k1" => Ok(Self::Secp256k1),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(UnknownWalletKind),
        }
    }
}

/// Why there is no wallet.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The file could not be read, or not be created; an existing one is never overwritten.
    #[error("wallet file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Not the JSON of a key. The parser's own message is withheld: it can quote the key.
    #[error("not a json web key, at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A field is missing, malformed, or does not belong to the rest of the key.
    #[error("wallet field {field} {problem}")]
    Field {
        /// The field's name in the key.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The system gave no randomness.
    #[error("no randomness from the system")]
    Random(#[source] getrandom::Error),
    /// The cryptographic library failed.
    #[error("openssl failed")]
    Backend(#[from] ErrorStack),
}

impl WalletError {
    const fn field(field: &'static str, problem: &'static str) -> Self {
        Self::Field { field, problem }
    }
}

/// A key that signs items. Signs on many threads at once.
pub struct Wallet {
    key: Key,
    owner: Vec<u8>,
    address: Address,
    jwk: Zeroizing<String>,
}

/// A key that is ready to sign.
enum Key {
    Rsa { key: rsa::RsaKey, four_primes: bool },
    Secp256k1(ec::EcKey),
    Ed25519(ed25519::EdKey),
}

impl Wallet {
    /// Makes a new key. RSA takes a second or so of CPU time.
    ///
    /// # Errors
    /// [`WalletError::Random`] or [`WalletError::Backend`].
    pub fn generate(kind: WalletKind) -> Result<Self, WalletError> {
        let jwk = match kind {
            WalletKind::Rsa => rsa::generate_two()?,
            WalletKind::Rsa4Prime => rsa::generate_four()?,
            WalletKind::Secp256k1 => ec::generate()?,
            WalletKind::Ed25519 => ed25519::generate()?,
        };
        Self::from_jwk(&jwk)
    }

    /// Reads and checks a key in JSON.
    ///
    /// # Errors
    /// [`WalletError::Json`], or [`WalletError::Field`] with the first field that is wrong.
    pub fn from_jwk(text: &str) -> Result<Self, WalletError> {
        let jwk = jwk::parse(text)?;
        let (key, owner) = match jwk.key_type()? {
            KeyType::Rsa => {
                let (key, owner) = rsa::load(&jwk)?;
                (Key::Rsa { key, four_primes: jwk.oth.is_some() }, owner)
            }
            KeyType::Secp256k1 => {
                let (key, owner) = ec::load(&jwk)?;
                (Key::Secp256k1(key), owner)
            }
            KeyType::Ed25519 => {
                let (key, owner) = ed25519::load(&jwk)?;
                (Key::Ed25519(key), owner)
            }
        };
        let address = Address::of_owner(&owner);
        Ok(Self { key, owner, address, jwk: Zeroizing::new(text.to_owned()) })
    }

    /// Reads and checks the key in a file.
    ///
    /// # Errors
    /// [`WalletError::File`], else as [`Wallet::from_jwk`].
    pub fn load(path: &Path) -> Result<Self, WalletError> {
        let text = file::read(path).map_err(|source| at(path, source))?;
        Self::from_jwk(&text)
    }

    /// The key as JSON, private part included.
    #[must_use]
    pub fn to_jwk(&self) -> Zeroizing<String> {
        self.jwk.clone()
    }

    /// Writes the key to a new file that only its owner can read, and waits until it is on disk.
    ///
    /// # Errors
    /// [`WalletError::File`], also if there is a file of that name.
    pub fn save_new(&self, path: &Path) -> Result<(), WalletError> {
        file::write_new(path, self.jwk.as_bytes()).map_err(|source| at(path, source))
    }

    /// Whether nobody but its owner may read or write the file.
    ///
    /// # Errors
    /// If the file's metadata cannot be read.
    pub fn file_is_private(path: &Path) -> io::Result<bool> {
        file::is_private(path)
    }

    /// What kind of key this is.
    #[must_use]
    pub fn kind(&self) -> WalletKind {
        match self.key {
            Key::Rsa { four_primes: false, .. } => WalletKind::Rsa,
            Key::Rsa { four_primes: true, .. } => WalletKind::Rsa4Prime,
            Key::Secp256k1(_) => WalletKind::Secp256k1,
            Key::Ed25519(_) => WalletKind::Ed25519,
        }
    }

    /// The address of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }
}

impl From<serde_json::Error> for WalletError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}

fn at(path: &Path, source: io::Error) -> WalletError {
    WalletError::File { path: path.to_owned(), source }
}

impl Signer for Wallet {
    fn signature_type(&self) -> SignatureType {
        match self.key {
            Key::Rsa { .. } => SignatureType::Arweave,
            Key::Secp256k1(_) => SignatureType::Ethereum,
            Key::Ed25519(_) => SignatureType::Ed25519,
        }
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match &self.key {
            Key::Rsa { key, .. } => key.sign(message).map_err(|error| SignError::Key(error.into())),
            Key::Secp256k1(key) => Ok(key.sign(message)),
            Key::Ed25519(key) => Ok(key.sign(message)),
        }
    }

    fn address(&self) -> Address {
        self.address
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet")
            .field("kind", &self.kind())
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
