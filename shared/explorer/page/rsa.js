// RSA-PSS with SHA-256 (RFC 8017 §8.1.2). WebCrypto wants the length of the salt named, and both 32 bytes and the
// maximum are in the wild; decoding the message tells it, so any is taken.

import { concat, numberBytes, numberOf, same, sha256 } from "./bytes.js";

const HASH = 32;

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

/** Whether `signature` over `message` was made with the key of modulus `owner` and exponent 65537. */
export async function verifyPss(owner, message, signature) {
  const n = numberOf(owner);
  const opened = signature.length === owner.length ? open(signature, n) : null;
  if (opened === null) return false;
  const bits = n.toString(2).length - 1;
  const length = Math.ceil(bits / 8);
  if (opened >> BigInt(bits) !== 0n) return false;
  const encoded = numberBytes(opened, length);
  const masked = encoded.subarray(0, length - HASH - 1);
  const hash = encoded.subarray(length - HASH - 1, length - 1);
  if (encoded[length - 1] !== 0xbc) return false;
  const block = (await mask(hash, masked.length)).map((byte, at) => byte ^ masked[at]);
  block[0] &= 0xff >> (8 * length - bits);
  const start = block.findIndex((byte) => byte !== 0);
  if (start < 0 || block[start] !== 1) return false;
  const salt = block.subarray(start + 1);
  const digest = await sha256(message);
  return same(await sha256(concat(new Uint8Array(8), digest, salt)), hash);
}
