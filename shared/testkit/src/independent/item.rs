//! An item as its JSON shows it, and the bytes that its owner signed.

use super::verifies;
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384};

/// The fields of an item, read from JSON.
pub struct JsonItem {
    /// As shown.
    pub id: String,
    /// The address as shown.
    pub address: String,
    /// The key as shown.
    pub owner_text: String,
    /// The public key.
    pub owner: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// Empty if there is none.
    pub target: Vec<u8>,
    /// Empty if there is none.
    pub anchor: Vec<u8>,
    /// Names and values.
    pub tags: Vec<(String, String)>,
    /// Of a message.
    pub data: Option<String>,
}

impl JsonItem {
    /// Reads the fields.
    ///
    /// # Errors
    /// The field that is not what the contract says.
    pub fn read(json: &Value) -> Result<Self, String> {
        let text = |value: &Value, name: &str| {
            value[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{name} is {}", value[name]))
        };
        let owner_text = text(&json["owner"], "key")?;
        let tags = json["tags"].as_array().ok_or("tags are no array")?;
        let tags = tags.iter().map(|tag| Ok((text(tag, "name")?, text(tag, "value")?)));
        Ok(Self {
            id: text(json, "id")?,
            address: text(&json["owner"], "address")?,
            owner: unb64(&owner_text)?,
            owner_text,
            signature: unb64(&text(json, "signature")?)?,
            target: unb64(json["target"].as_str().unwrap_or_default())?,
            anchor: json["anchor"].as_str().unwrap_or_default().as_bytes().to_vec(),
            tags: tags.collect::<Result<_, String>>()?,
            data: json["data"].as_str().map(str::to_owned),
        })
    }

    /// The id is SHA-256 of the signature, the address SHA-256 of the key.
    ///
    /// # Errors
    /// Which one is not.
    pub fn check_id_and_address(&self) -> Result<(), String> {
        if self.id != b64(&Sha256::digest(&self.signature)) {
            return Err("the id is not the hash of the signature".to_owned());
        }
        if self.address != address_of(&self.owner) {
            return Err("the address is not the hash of the key".to_owned());
        }
        Ok(())
    }

    /// Whether the signature verifies over the fields as shown.
    pub fn signature_verifies(&self) -> bool {
        let data = self.data.as_deref().unwrap_or_default().as_bytes();
        let closed = avro(&self.tags);
        // JSON does not tell whether the tags ended with Avro's closing zero.
        let open = closed.strip_suffix(&[0]).unwrap_or_default();
        [&closed[..], open].iter().any(|tags| {
            types(self.owner.len()).iter().any(|scheme| {
                let hash = deep_hash(&[
                    b"dataitem",
                    b"1",
                    scheme.to_string().as_bytes(),
                    &self.owner,
                    &self.target,
                    &self.anchor,
                    tags,
                    data,
                ]);
                verifies(*scheme, &self.owner, &hash, &self.signature)
            })
        })
    }
}

/// The signature types whose owners have this length.
const fn types(owner: usize) -> &'static [u16] {
    match owner {
        512 => &[1],
        65 => &[3],
        42 => &[7],
        32 => &[2, 4],
        _ => &[],
    }
}

/// The deep hash of a list of blobs (SHA-384 tree, ANS-104 §2.1).
pub fn deep_hash(blobs: &[&[u8]]) -> [u8; 48] {
    let mut hash = Sha384::digest(format!("list{}", blobs.len()));
    for blob in blobs {
        let tag = Sha384::digest(format!("blob{}", blob.len()));
        let leaf = Sha384::digest([&tag[..], &Sha384::digest(blob)[..]].concat());
        hash = Sha384::digest([&hash[..], &leaf[..]].concat());
    }
    hash.into()
}

/// Tags as an Avro array of one block; no tags are no bytes.
fn avro(tags: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    if tags.is_empty() {
        return out;
    }
    zigzag(&mut out, tags.len());
    for text in tags.iter().flat_map(|(name, value)| [name, value]) {
        zigzag(&mut out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
    out.push(0);
    out
}

fn zigzag(out: &mut Vec<u8>, number: usize) {
    let mut left = number << 1;
    while left >= 128 {
        out.push((left % 128) as u8 + 128);
        left /= 128;
    }
    out.push(left as u8);
}

/// The address of a key.
pub fn address_of(owner: &[u8]) -> String {
    b64(&Sha256::digest(owner))
}

/// Base64url without padding.
pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The bytes of a base64url text.
///
/// # Errors
/// It is none.
pub fn unb64(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| format!("{text:?} is not base64url"))
}
