// ANS-104 items: reading them from their bytes, rebuilding them from a node's JSON, and what their owners sign.

import { b64, bytesOf, concat, hex, sha256, sha384, textOf, unb64 } from "./bytes.js";

/** Signature types: lengths in bytes, and the names that people know. */
export const SCHEMES = {
  1: { name: "Arweave (RSA-PSS)", signature: 512, owner: 512 },
  2: { name: "Ed25519", signature: 64, owner: 32 },
  3: { name: "Ethereum (secp256k1, EIP-191)", signature: 65, owner: 65 },
  4: { name: "Solana (Ed25519 over hexadecimal text)", signature: 64, owner: 32 },
  7: { name: "typed Ethereum (secp256k1, EIP-712)", signature: 65, owner: 42 },
};

/** A reader that never goes beyond the end. */
class Reader {
  constructor(bytes) {
    this.rest = bytes;
  }

  take(length, what) {
    if (length > this.rest.length) throw new Error(`the bytes end within the ${what}`);
    const taken = this.rest.subarray(0, length);
    this.rest = this.rest.subarray(length);
    return taken;
  }

  number(length, what) {
    const bytes = this.take(length, what);
    const number = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(number)) throw new Error(`the ${what} is absurd`);
    return number;
  }

  optional(what) {
    const flag = this.number(1, `${what} flag`);
    if (flag > 1) throw new Error(`the ${what} flag is ${flag}`);
    return flag ? this.take(32, what) : new Uint8Array();
  }

  // Avro's long: zigzag, seven bits a byte.
  long() {
    let [value, factor] = [0, 1];
    for (let count = 0; count < 8; count++) {
      const byte = this.number(1, "tags");
      value += (byte & 127) * factor;
      factor *= 128;
      if (byte < 128) return value % 2 ? -(value + 1) / 2 : value / 2;
    }
    throw new Error("a number in the tags is absurd");
  }

  text() {
    const length = this.long();
    if (length < 0) throw new Error("a length in the tags is negative");
    const text = textOf(this.take(length, "tags"));
    if (text === null) throw new Error("a tag is not UTF-8");
    return text;
  }
}

/** Reads the tags of an item: an Avro array of {name, value}. The end of the bytes ends it, with a closing zero or without. */
export function parseTags(bytes) {
  const reader = new Reader(bytes);
  const tags = [];
  while (reader.rest.length > 0) {
    const count = reader.long();
    if (count === 0) break;
    if (Math.abs(count) + tags.length > 128) throw new Error("more than 128 tags");
    const size = count < 0 ? reader.long() : null;
    const before = reader.rest.length;
    for (let left = Math.abs(count); left > 0; left--) {
      tags.push({ name: reader.text(), value: reader.text() });
    }
    if (size !== null && before - reader.rest.length !== size) throw new Error("a block of tags is not as long as it says");
  }
  if (reader.rest.length > 0) throw new Error("bytes are left over after the tags");
  return tags;
}

/** Reads an item; throws with what is wrong. */
export function parseItem(bytes) {
  const reader = new Reader(bytes);
  const type = reader.number(2, "signature type");
  const scheme = SCHEMES[type];
  if (!scheme) throw new Error(`signature type ${type} is not known here`);
  const item = { type, signature: reader.take(scheme.signature, "signature") };
  item.owner = reader.take(scheme.owner, "owner");
  item.target = reader.optional("target");
  item.anchor = reader.optional("anchor");
  const count = reader.number(8, "tag count");
  item.tagBytes = reader.take(reader.number(8, "tag length"), "tags");
  item.tags = parseTags(item.tagBytes);
  if (item.tags.length !== count) throw new Error(`${count} tags are announced, ${item.tags.length} are there`);
  item.data = reader.rest;
  return item;
}

const long = (number) => {
  const bytes = [];
  let left = number * 2;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return [...bytes, left];
};

/** Tags as everybody writes them: one block. */
export function encodeTags(tags) {
  if (tags.length === 0) return new Uint8Array();
  const texts = tags.flatMap(({ name, value }) => [bytesOf(name), bytesOf(value)]);
  return concat(long(tags.length), ...texts.flatMap((text) => [long(text.length), text]), [0]);
}

/**
 * The items that a node's JSON may stand for: it does not say how they are signed, so one for each type that has an
 * owner of this length. Bytes that are not text do not survive JSON: the signature then does not verify.
 */
export function itemsOf(json) {
  const owner = unb64(json.owner.key);
  const types = Object.keys(SCHEMES).map(Number).filter((type) => SCHEMES[type].owner === owner.length);
  const tagBytes = encodeTags(json.tags);
  const rest = {
    signature: unb64(json.signature),
    owner,
    target: unb64(json.target ?? ""),
    anchor: bytesOf(json.anchor ?? ""),
    tagBytes,
    tags: json.tags,
    data: bytesOf(json.data ?? ""),
  };
  return types.map((type) => ({ type, ...rest }));
}

async function blob(bytes) {
  const tag = sha384(bytesOf(`blob${bytes.length}`));
  const content = sha384(bytes);
  return sha384(concat(await tag, await content));
}

/** The deep hash (SHA-384 tree, ANS-104 §2.1) of a list of byte strings. */
export async function deepHash(blobs) {
  const leaves = blobs.map(blob);
  let hash = await sha384(bytesOf(`list${blobs.length}`));
  for (const leaf of leaves) hash = await sha384(concat(hash, await leaf));
  return hash;
}

/** The 48 bytes that the owner of an item signs. */
export const signedHash = (item) =>
  deepHash([
    bytesOf("dataitem"),
    bytesOf("1"),
    bytesOf(String(item.type)),
    item.owner,
    item.target,
    item.anchor,
    item.tagBytes,
    item.data,
  ]);

/** An item's id: SHA-256 of its signature, base64url. */
export const idOf = async (item) => b64(await sha256(item.signature));

/** The address of a key, base64url. */
export const addressOf = async (owner) => b64(await sha256(owner));

/** The value of the first tag of this name. */
export const tagOf = (item, name) => item?.tags.find((tag) => tag.name === name)?.value;

/** The anchor as the servers show it: text, or null. */
export const shownAnchor = (item) => (item.anchor.length ? textOf(item.anchor) : null);

/** The anchor for people: text where it is, else hexadecimal. */
export const readableAnchor = (item) => shownAnchor(item) ?? (item.anchor.length ? `0x${hex(item.anchor)}` : null);
