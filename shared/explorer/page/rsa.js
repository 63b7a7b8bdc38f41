// RSA-PSS with SHA-256 (RFC 8017 §8.1.2). WebCrypto wants the length of the salt named, and both 32 bytes and the
// maximum are in the wild; decoding the message tells it, so any is taken.

import { concat, numberBytes, numberOf, same, sha256 } from "./bytes.js";

const HASH = 32;
const KEY = 512;

// s^65537: sixteen squarings and one multiplication.
function open(signature, n) {
  const s = numberOf(signature);
  if (s >= n) return null;
  let power = s;
  for (let bit = 0; bit < 16; bit++) power = (power * power) % n;
  return (power * s) % n;
}

async function mask(seed, length) {
  const blocks = [];
  for (let counter = 0; counter * HASH < length; counter++) {
    blocks.push(sha256(concat(seed, numberBytes(BigInt(counter), 4))));
  }
  return concat(...(await Promise.all(blocks))).subarray(0, length);
}

/** Whether `signature` over `message` was made with the key of modulus `owner` (4,096 bits) and exponent 65537. */
export async function verifyPss(owner, message, signature) {
  const isKey = owner.length === KEY && owner[0] & 0x80 && owner[KEY - 1] & 1;
  const opened = isKey && signature.length === KEY ? open(signature, numberOf(owner)) : null;
  if (opened === null) return false;
  const encoded = numberBytes(opened, KEY);
  // What is encoded has a bit less than the modulus.
  if (encoded[0] & 0x80 || encoded[KEY - 1] !== 0xbc) return false;
  const masked = encoded.subarray(0, KEY - HASH - 1);
  const hash = encoded.subarray(KEY - HASH - 1, KEY - 1);
  const block = (await mask(hash, masked.length)).map((byte, at) => byte ^ masked[at]);
  block[0] &= 0x7f;
  const start = block.findIndex((byte) => byte !== 0);
  if (start < 0 || block[start] !== 1) return false;
  const salt = block.subarray(start + 1);
  const digest = await sha256(message);
  return same(await sha256(concat(new Uint8Array(8), digest, salt)), hash);
}
