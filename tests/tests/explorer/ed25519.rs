//! Ed25519 signatures of which browsers and servers may think differently: the page must think as the servers do.

use crate::page::Page;
use crate::scene::Scene;
use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use rota_ans104::{Item, SignError, SignatureType, Signer, UnsignedItem, b64};
use rota_testkit::message;
use serde_json::json;
use sha2::{Digest as _, Sha512};

/// The order of the group, little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// No point has this `y`.
const OFF_THE_CURVE: [u8; 32] = [2; 32];
/// What a browser without Ed25519 does.
const WITHOUT_ED25519: &str = "
    const { importKey } = SubtleCrypto.prototype;
    SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {
      if ((algorithm.name ?? algorithm) === 'Ed25519') return Promise.reject(new DOMException('none', 'NotSupportedError'));
      return importKey.call(this, format, key, algorithm, ...rest);
    };";

/// A signer that writes any owner and any `R`, and `s = nonce + k * secret`.
#[derive(Clone)]
struct Odd {
    kind: SignatureType,
    owner: [u8; 32],
    r: [u8; 32],
    nonce: Scalar,
    secret: Scalar,
    /// `s` is larger than the order.
    is_beyond: bool,
    /// The points are hashed as they are written, not as what they mean.
    as_written: bool,
}

impl Odd {
    /// What everybody does.
    fn usual() -> Self {
        let (secret, nonce) = (Scalar::from(5_u64), Scalar::from(7_u64));
        let kind = SignatureType::Ed25519;
        let (owner, r) = (written(multiple(secret)), written(multiple(nonce)));
        Self { kind, owner, r, nonce, secret, is_beyond: false, as_written: false }
    }

    /// Of an owner of small order, whose signatures need no secret; `R` is nothing and `s` is 0.
    fn nobody(owner: [u8; 32]) -> Self {
        let r = written(EdwardsPoint::identity());
        Self { owner, r, nonce: Scalar::ZERO, secret: Scalar::ZERO, ..Self::usual() }
    }
}

impl Signer for Odd {
    fn signature_type(&self) -> SignatureType {
        self.kind
    }

    fn owner(&self) -> &[u8] {
        &self.owner
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
        let message = if self.kind == SignatureType::Ed25519 { message } else { hex.as_bytes() };
        let hashed = |bytes: [u8; 32]| {
            let point = CompressedEdwardsY(bytes).decompress().filter(|_| !self.as_written);
            point.map_or(bytes, written)
        };
        let k = Sha512::new()
            .chain_update(hashed(self.r))
            .chain_update(hashed(self.owner))
            .chain_update(message)
            .finalize();
        let k = Scalar::from_bytes_mod_order_wide(&k.into());
        let mut s = (self.nonce + k * self.secret).to_bytes();
        let mut carry = 0;
        for (byte, order) in s.iter_mut().zip(ORDER).take(if self.is_beyond { 32 } else { 0 }) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = (sum & 0xff) as u8;
            carry = sum >> 8;
        }
        Ok([self.r, s].concat())
    }
}

fn multiple(scalar: Scalar) -> EdwardsPoint {
    &scalar * ED25519_BASEPOINT_TABLE
}

fn written(point: EdwardsPoint) -> [u8; 32] {
    point.compress().0
}

/// Points of small order as nobody should write them: `y` from the field's order on, or a sign where `x` is 0.
fn badly_written() -> Vec<[u8; 32]> {
    let small = |first: u8, rest: u8, last: u8| {
        let mut bytes = [rest; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    vec![
        small(0xed, 0xff, 0x7f), // 0, of order 4
        small(0xed, 0xff, 0xff),
        small(0xee, 0xff, 0x7f), // 1, nothing
        small(0xee, 0xff, 0xff),
        small(1, 0, 0x80),
        small(0xec, 0xff, 0xff), // -1, of order 2
    ]
}

/// Signatures that the servers take.
fn taken() -> Vec<Odd> {
    let usual = Odd::usual();
    let (key, commitment) = (multiple(usual.secret), multiple(usual.nonce));
    let mut all = vec![usual.clone()];
    for (at, torsion) in EIGHT_TORSION.into_iter().enumerate() {
        let (mixed_key, mixed_r) = (written(key + torsion), written(commitment + torsion));
        let other = written(commitment + EIGHT_TORSION[(at * 3 + 1) % 8]);
        all.push(Odd { r: mixed_r, ..usual.clone() });
        all.push(Odd { owner: mixed_key, ..usual.clone() });
        all.push(Odd { owner: mixed_key, r: other, ..usual.clone() });
    }
    all
}

/// Signatures that they refuse.
fn refused() -> Vec<Odd> {
    let (usual, nobody) = (Odd::usual(), Odd::nobody(written(EdwardsPoint::identity())));
    let mut all = vec![
        Odd { is_beyond: true, ..usual.clone() },
        Odd { is_beyond: true, ..nobody.clone() },
        Odd { nonce: usual.nonce + Scalar::ONE, ..usual.clone() },
        Odd { nonce: Scalar::ONE, ..nobody.clone() },
        Odd { owner: usual.r, ..usual.clone() },
        Odd { r: OFF_THE_CURVE, ..nobody },
        Odd::nobody(OFF_THE_CURVE),
    ];
    let small_order = EIGHT_TORSION.map(written).into_iter().chain(badly_written());
    for small in small_order {
        // No key signs with such an owner: of anybody's R, the number behind it is enough.
        let nobody = Odd::nobody(small);
        all.push(Odd { r: usual.r, nonce: usual.nonce, ..nobody.clone() });
        all.push(Odd { r: written(EIGHT_TORSION[3]), ..nobody.clone() });
        all.push(Odd { as_written: true, ..nobody.clone() });
        all.push(nobody);
        // A key signed with such an R.
        let commitment = Odd { r: small, nonce: Scalar::ZERO, ..usual.clone() };
        all.push(Odd { as_written: true, ..commitment.clone() });
        all.push(commitment);
    }
    all
}

/// The same as items of both types.
fn items(signers: &[Odd]) -> Vec<Item> {
    let unsigned = UnsignedItem { data: "data".into(), ..UnsignedItem::default() };
    let kinds = [SignatureType::Ed25519, SignatureType::HexSolana];
    let all = signers.iter().flat_map(|signer| kinds.map(|kind| Odd { kind, ..signer.clone() }));
    all.map(|signer| unsigned.sign(&signer).unwrap()).collect()
}

/// What the page says of items, and what the browser says of them by itself.
async fn judged(page: &Page, items: &[Item]) -> (Vec<bool>, Vec<bool>) {
    let items: Vec<String> = items.iter().map(|item| b64::encode(item.bytes())).collect();
    let script = format!(
        "const {{ parseItem }} = await load('item.js');
         const {{ verifies }} = await load('signature.js');
         const items = {}.map((text) => parseItem(unb64(text)));
         const all = (options) => Promise.all(items.map((item) => verifies(item, options)));
         return [await all(), await all({{ quick: true }})];",
        json!(items)
    );
    serde_json::from_value::<(Vec<bool>, Vec<bool>)>(page.run(&script).await).unwrap()
}

/// A page in a browser that does not know Ed25519.
async fn without_ed25519(url: &str) -> Page {
    let page = Page::new().await;
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({"source": WITHOUT_ED25519})).await;
    page.go(url).await;
    page
}

/// Types 2 and 4, each good and bad one, as the servers' own verifier has it.
#[tokio::test]
async fn the_page_takes_what_the_servers_take_with_the_browser_s_help_and_without() {
    let (taken, refused) = (items(&taken()), items(&refused()));
    assert!(taken.iter().all(|item| item.clone().verify().is_ok()), "the verifier is the judge");
    assert!(refused.iter().all(|item| item.clone().verify().is_err()), "the verifier is the judge");
    let scene = Scene::new().await;
    let pages = [scene.open("").await, without_ed25519(&scene.url("")).await];
    for (page, knows_it) in pages.iter().zip([true, false]) {
        let (good, by_browser) = judged(page, &taken).await;
        assert!(good.iter().all(|good| *good), "{good:?}");
        assert_eq!(by_browser[0], knows_it);
        assert!(by_browser.contains(&false), "nothing here shows the difference");
        let (good, by_browser) = judged(page, &refused).await;
        assert!(!good.contains(&true) && !by_browser.contains(&true), "{good:?} {by_browser:?}");
    }
}

/// Without this anybody could make a good schedule show something wrong.
#[tokio::test]
async fn a_schedule_with_a_signature_that_browsers_refuse_verifies() {
    let scene = Scene::new().await;
    scene.of_every_kind().await;
    let off = Odd { r: written(multiple(Odd::usual().nonce) + EIGHT_TORSION[1]), ..Odd::usual() };
    let solana = Odd { kind: SignatureType::HexSolana, ..off.clone() };
    for signer in [off, solana] {
        scene.post(&message(scene.process).sign_as(&signer)).await;
    }
    let url = scene.url(&format!("process/{}", scene.process));
    for page in [Page::open(&url).await, without_ed25519(&url).await] {
        page.wait("document.querySelectorAll('.schedule .badge').length === 10").await;
        assert_eq!(page.count(".schedule .badge.ok").await, 10, "{}", page.text(".schedule").await);
        page.click("#verify").await;
        page.shows("10 entries: all links and signatures verify").await;
        assert_eq!(page.complaints(), [""; 0]);
    }
}
