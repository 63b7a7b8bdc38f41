//! The page's own cryptography against what others wrote, inside the browser.

use crate::page::Page;
use crate::scene::Scene;
use rota_ans104::{Item, UnsignedItem, b64};
use rota_testkit::{independent, signers, vectors};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

/// The longest that the quickest of some RSA signatures may take in the page, in ms: other tests run meanwhile.
const RSA_MS_MAX: f64 = 25.0;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the page says of items: their fields and whether their owners signed them, as they are and with the
/// last byte turned.
async fn judged(page: &Page, items: &[impl AsRef<[u8]>]) -> Vec<Value> {
    let items: Vec<String> = items.iter().map(|item| b64::encode(item.as_ref())).collect();
    let judged = page
        .run(&format!(
            "const {{ parseItem, idOf }} = await load('item.js');
             const {{ verifies }} = await load('signature.js');
             const {{ b64, hex }} = await load('bytes.js');
             const judge = async (text) => {{
               const bytes = unb64(text);
               const item = parseItem(bytes);
               const flipped = bytes.slice();
               flipped[flipped.length - 1] ^= 1;
               let turned;
               try {{ turned = await verifies(parseItem(flipped)); }} catch {{ turned = false; }}
               return {{ id: await idOf(item), owner: b64(item.owner), target: b64(item.target), anchor: hex(item.anchor),
                 tags: item.tags, data: b64(item.data), verifies: await verifies(item), turned }};
             }};
             return Promise.all({}.map(judge));",
            json!(items)
        ))
        .await;
    judged.as_array().unwrap().clone()
}

#[tokio::test]
async fn hashes_are_those_of_their_standards() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let hashes = page
        .run(
            "const { keccak256 } = await load('keccak.js');
             const { deepHash } = await load('item.js');
             const { hex, bytesOf } = await load('bytes.js');
             const bytes = new Uint8Array(300).fill(97);
             const long = [0, 3, 135, 136, 137, 300].map((length) => keccak256(bytes.subarray(0, length)));
             return [...long, await deepHash([bytesOf('a'), bytesOf('')])].map(hex);",
        )
        .await;
    let keccak = |length| hex(&Keccak256::digest(&[b'a'; 300][..length]));
    let mut expected: Vec<String> = [0, 3, 135, 136, 137, 300].map(keccak).to_vec();
    expected.push(hex(&independent::deep_hash(&[b"a", b""])));
    assert_eq!(hashes, json!(expected));
}

#[tokio::test]
async fn items_of_arbundles_are_read_and_judged_as_arbundles_does() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let vectors = vectors::arbundles();
    let items: Vec<_> = vectors.iter().map(|vector| vector.bytes.clone()).collect();
    for (vector, judged) in vectors.iter().zip(judged(&page, &items).await) {
        let index = &vector.index;
        let text = |name: &str| index[name].as_str().unwrap_or_default();
        for (field, wanted) in [
            ("id", text("id")),
            ("owner", text("owner_b64u")),
            ("target", text("target")),
            ("anchor", text("anchor_hex")),
            ("data", text("data_b64u")),
        ] {
            assert_eq!(judged[field], wanted, "{} of {}", field, vector.name);
        }
        assert_eq!(judged["tags"], index["tags"], "{}", vector.name);
        assert_eq!(judged["verifies"], index["arbundles_verifies"], "{}", vector.name);
        assert_eq!(judged["turned"], false, "{}", vector.name);
    }
}

#[tokio::test]
async fn cases_at_the_edge_are_judged_as_the_servers_judge_them() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/cases");
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "bin"));
    assert_eq!(names.len(), 10);
    let items: Vec<_> = names.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for ((name, bytes), judged) in names.iter().zip(&items).zip(judged(&page, &items).await) {
        let item = Item::parse(bytes.clone().into()).unwrap();
        let tags: Vec<_> =
            item.tags().map(|tag| json!({"name": tag.name, "value": tag.value})).collect();
        assert_eq!(judged["tags"], json!(tags), "{name:?}");
        assert_eq!(judged["verifies"], item.verify().is_ok(), "{name:?}");
        assert_eq!(judged["turned"], false, "{name:?}");
    }
}

#[tokio::test]
async fn items_of_a_scheduler_and_of_every_scheme_verify() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let mut items: Vec<Item> =
        vectors::bundles(vectors::PROCESS).into_iter().take(8).flatten().collect();
    let unsigned = UnsignedItem { data: vec![7; 1000].into(), ..UnsignedItem::default() };
    items.extend(signers().iter().map(|signer| unsigned.sign(&**signer).unwrap()));
    let bytes: Vec<_> = items.iter().map(Item::bytes).collect();
    for (item, judged) in items.iter().zip(judged(&page, &bytes).await) {
        assert_eq!(judged["id"], item.id().to_string());
        assert_eq!(
            (&judged["verifies"], &judged["turned"]),
            (&json!(true), &json!(false)),
            "{}",
            item.id()
        );
    }
}

/// With `N - s` for `s` it is as good to mathematics, and another id: the servers refuse it, so the page must.
#[tokio::test]
async fn a_signature_that_anybody_can_make_of_another_does_not_verify() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let vectors = vectors::arbundles();
    let named = vectors.iter().filter(|vector| vector.name.to_lowercase().contains("ethereum"));
    let items: Vec<String> = named.map(|vector| b64::encode(&vector.bytes)).collect();
    assert!(items.len() >= 2);
    let told = page
        .run(&format!(
            "const {{ parseItem }} = await load('item.js');
             const {{ verifies }} = await load('signature.js');
             const {{ concat, numberBytes, numberOf }} = await load('bytes.js');
             const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
             return Promise.all({}.map(async (text) => {{
               const item = parseItem(unb64(text));
               const [s, v] = [numberOf(item.signature.subarray(32, 64)), item.signature[64]];
               const twin = concat(item.signature.subarray(0, 32), numberBytes(N - s, 32), [v % 2 ? v + 1 : v - 1]);
               return [await verifies(item), await verifies({{ ...item, signature: twin }})];
             }}));",
            json!(items)
        ))
        .await;
    assert_eq!(told, json!(vec![[true, false]; items.len()]));
}

/// Both are in the wild, and neither is named anywhere.
#[tokio::test]
async fn any_length_of_salt_verifies_and_fast_enough() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let told = page
        .run(
            "const { verifyPss } = await load('rsa.js');
             const params = { name: 'RSA-PSS', modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' };
             const { publicKey, privateKey } = await crypto.subtle.generateKey(params, true, ['sign', 'verify']);
             const owner = unb64((await crypto.subtle.exportKey('jwk', publicKey)).n);
             const message = new Uint8Array(48).fill(3);
             const good = [], wrong = [];
             for (const saltLength of [0, 1, 32, 400, 478]) {
               const signature = new Uint8Array(await crypto.subtle.sign({ name: 'RSA-PSS', saltLength }, privateKey, message));
               good.push(await verifyPss(owner, message, signature));
               wrong.push(await verifyPss(owner, new Uint8Array(48), signature));
               signature[100] ^= 1;
               wrong.push(await verifyPss(owner, message, signature));
             }
             wrong.push(await verifyPss(owner, message, new Uint8Array(512).fill(255)));
             wrong.push(await verifyPss(owner, message, new Uint8Array(511)));
             const short = await crypto.subtle.generateKey({ ...params, modulusLength: 2048 }, true, ['sign', 'verify']);
             const modulus = unb64((await crypto.subtle.exportKey('jwk', short.publicKey)).n);
             const signed = await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, short.privateKey, message);
             const padded = (bytes) => { const whole = new Uint8Array(512); whole.set(bytes, 256); return whole; };
             wrong.push(await verifyPss(padded(modulus), message, padded(new Uint8Array(signed))));
             const signature = new Uint8Array(await crypto.subtle.sign({ name: 'RSA-PSS', saltLength: 32 }, privateKey, message));
             const times = [];
             for (let round = 0; round < 20; round++) {
               const started = performance.now();
               await verifyPss(owner, message, signature);
               times.push(performance.now() - started);
             }
             return { good, wrong, ms: Math.min(...times) };",
        )
        .await;
    assert_eq!(told["good"], json!([true, true, true, true, true]));
    assert!(told["wrong"].as_array().unwrap().iter().all(|wrong| *wrong == false), "{told}");
    let ms = told["ms"].as_f64().unwrap();
    crate::page::note(&format!("one RSA-PSS signature in the page: {ms:.2} ms"));
    assert!(ms < RSA_MS_MAX, "{ms} ms");
}

#[tokio::test]
async fn what_is_no_item_is_said_to_be_none() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    let good = vectors::arbundles()[0].bytes.clone();
    let mut odd: Vec<Vec<u8>> =
        [0, 1, 2, 513, 1026, 1027, 1060, 1070].map(|length| good[..length].to_vec()).to_vec();
    odd.push([&[9, 0], &good[2..]].concat());
    odd.push([&good[..1026], &[2], &good[1027..]].concat());
    // Two tags of which one is there; and one in a block that is said to be longer than it is.
    let head = [&[2, 0][..], &[1; 96], &[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]].concat();
    for tags in [&[4, 2, b'a', 2, b'b'][..], &[1, 10, 2, b'a', 2, b'b', 0]] {
        let length = (tags.len() as u64).to_le_bytes();
        odd.push([&head[..], &length, tags].concat());
    }
    let odd: Vec<String> = odd.iter().map(|bytes| b64::encode(bytes)).collect();
    let script = format!(
        "const {{ parseItem }} = await load('item.js');
         return {}.map((text) => {{ try {{ parseItem(unb64(text)); return 'an item'; }} catch (error) {{ return error.message; }} }});",
        json!(odd)
    );
    for (bytes, told) in odd.iter().zip(page.run(&script).await.as_array().unwrap()) {
        assert_ne!(told, "an item", "{bytes}");
    }
}
