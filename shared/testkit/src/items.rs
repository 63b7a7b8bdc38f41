//! Items in few words. By default a user's Ed25519 key signs, and the data is new each time, so that no
//! two items are the same one.

use bytes::Bytes;
use rota_ans104::{
    Address, Item, SignError, SignatureType, Signer, UnsignedItem, Wallet, WalletKind,
};
use rota_schedule::ProcessId;
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, SecretKey};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A module id for spawns: nothing here runs it.
pub const MODULE: &str = "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no";

/// The one wallet of its kind that tests sign with; made on first use.
pub fn wallet(kind: WalletKind) -> &'static Wallet {
    static WALLETS: [OnceLock<Wallet>; 4] = [const { OnceLock::new() }; 4];
    WALLETS[kind as usize].get_or_init(|| Wallet::generate(kind).unwrap())
}

/// The user who signs unless somebody else is named.
pub fn user() -> &'static Wallet {
    wallet(WalletKind::Ed25519)
}

/// A signer of each of the five schemes.
pub fn signers() -> Vec<Box<dyn Signer>> {
    vec![
        Box::new(By(wallet(WalletKind::Rsa))),
        Box::new(By(wallet(WalletKind::Ed25519))),
        Box::new(By(wallet(WalletKind::Secp256k1))),
        Box::new(hex_solana()),
        Box::new(typed_ethereum()),
    ]
}

/// Signs as type 4: Ed25519 over the hex text.
pub fn hex_solana() -> impl Signer {
    HexSolana(user())
}

/// Signs as type 7: EIP-712.
pub fn typed_ethereum() -> impl Signer {
    TypedEthereum::new(SecretKey::from_secret_bytes([7; 32]).unwrap())
}

/// Signs with the identity point, whose one signature fits any content: all its items share one id. No server
/// may take them.
pub fn keyless() -> impl Signer {
    Keyless
}

/// A process of this scheduler's making.
pub fn spawn() -> ItemBuilder {
    ItemBuilder::new(None)
        .tag("Data-Protocol", "ao")
        .tag("Variant", "ao.TN.1")
        .tag("Type", "Process")
        .tag("Module", MODULE)
        .tag("Scheduler", MODULE)
}

/// A message for a process.
pub fn message(process: ProcessId) -> ItemBuilder {
    ItemBuilder::new(Some(*process.as_bytes()))
        .tag("Data-Protocol", "ao")
        .tag("Variant", "ao.TN.1")
        .tag("Type", "Message")
}

/// A message that a Messenger Unit pushed from process `from`.
pub fn pushed(process: ProcessId, from: &str) -> ItemBuilder {
    message(process).tag("From-Process", from)
}

/// An item in the making.
#[derive(Clone, Debug)]
pub struct ItemBuilder(UnsignedItem);

impl ItemBuilder {
    /// No tags yet; data that no other item has.
    pub fn new(target: Option<[u8; 32]>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let data = format!("data {}", COUNT.fetch_add(1, Ordering::Relaxed)).into();
        Self(UnsignedItem { target, data, ..UnsignedItem::default() })
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, name: &str, value: &str) -> Self {
        self.0.tags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes all tags of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.tags.retain(|(tag, _)| tag != name);
        self
    }

    /// Gives the tag of one name another one.
    #[must_use]
    pub fn rename(mut self, name: &str, to: &str) -> Self {
        for (tag, _) in self.0.tags.iter_mut().filter(|(tag, _)| tag == name) {
            to.clone_into(tag);
        }
        self
    }

    /// Turns the order of the tags round.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        self.0.tags.reverse();
        self
    }

    /// Sets the data.
    #[must_use]
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.0.data = data.into();
        self
    }

    /// Sets the anchor.
    #[must_use]
    pub fn anchor(mut self, anchor: [u8; 32]) -> Self {
        self.0.anchor = Some(anchor);
        self
    }

    /// Signs as [`user`].
    pub fn sign(&self) -> Item {
        self.sign_as(user())
    }

    /// Signs as [`user`], with tags that end without Avro's closing zero.
    pub fn sign_with_open_tags(&self) -> Item {
        let (kind, owner) = (user().signature_type(), user().owner());
        sealed(|signature| self.0.with_signature_and_open_tags(kind, owner, signature).unwrap())
    }

    /// Signs as [`user`], however long all tags are together.
    pub fn sign_without_limit(&self) -> Item {
        let (kind, owner) = (user().signature_type(), user().owner());
        sealed(|signature| self.0.with_signature(kind, owner, signature).unwrap())
    }

    /// Signs as somebody else.
    pub fn sign_as(&self, signer: &dyn Signer) -> Item {
        self.0.sign(signer).unwrap()
    }
}

/// Fills in [`user`]'s signature over all other fields.
fn sealed(assemble: impl Fn(&[u8]) -> Item) -> Item {
    let draft = assemble(&[0; 64]);
    assemble(&user().sign(&draft.signing_hash()).unwrap())
}

/// The same Ethereum-signed item with another recovery byte, which needs no key: 0 or 1 for 27 or 28.
pub fn ethereum_twin(item: &Item) -> Bytes {
    let mut bytes = item.bytes().to_vec();
    // Behind the type, and r and s.
    bytes[2 + 64] -= 27;
    bytes.into()
}

/// A wallet by reference.
struct By(&'static Wallet);

impl Signer for By {
    fn signature_type(&self) -> SignatureType {
        self.0.signature_type()
    }

    fn owner(&self) -> &[u8] {
        self.0.owner()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message)
    }

    fn address(&self) -> Address {
        Signer::address(self.0)
    }
}

struct Keyless;

impl Keyless {
    /// The identity point of Ed25519.
    const POINT: [u8; 32] = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
}

impl Signer for Keyless {
    fn signature_type(&self) -> SignatureType {
        SignatureType::Ed25519
    }

    fn owner(&self) -> &[u8] {
        &Self::POINT
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok([Self::POINT, [0; 32]].concat())
    }
}

struct HexSolana(&'static Wallet);

impl Signer for HexSolana {
    fn signature_type(&self) -> SignatureType {
        SignatureType::HexSolana
    }

    fn owner(&self) -> &[u8] {
        self.0.owner()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let text: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        self.0.sign(text.as_bytes())
    }
}

struct TypedEthereum {
    secret: SecretKey,
    owner: String,
}

impl TypedEthereum {
    fn new(secret: SecretKey) -> Self {
        let address = crate::independent::ethereum_address(&secret.public_key());
        let digits: String = address.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { secret, owner: format!("0x{digits}") }
    }
}

impl Signer for TypedEthereum {
    fn signature_type(&self) -> SignatureType {
        SignatureType::TypedEthereum
    }

    fn owner(&self) -> &[u8] {
        self.owner.as_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let address = crate::independent::ethereum_address(&self.secret.public_key());
        let digest = crate::independent::eip712_digest(&address, message);
        let signature = RecoverableSignature::sign_ecdsa_recoverable(
            Message::from_digest(digest),
            &self.secret,
        );
        let (recovery, compact) = signature.serialize_compact();
        Ok([&compact[..], &[27 + recovery.to_u8()]].concat())
    }
}
