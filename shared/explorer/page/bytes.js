// Bytes, base64url and hashes. Hashes come from the browser (WebCrypto), which has them only in secure contexts.

/** Whether this page may use WebCrypto: over https, or on localhost. */
export const canHash = Boolean(globalThis.crypto?.subtle);

const utf8 = new TextEncoder();

/** The UTF-8 of a text. */
export const bytesOf = (text) => utf8.encode(text);

/** Base64url without padding. */
export function b64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of a base64url text; throws if it is none. */
export function unb64(text) {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) throw new Error("not base64url");
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

/** Whether a text is 32 bytes in base64url. */
export const isId = (text) => /^[\w-]{42}[AEIMQUYcgkosw048]$/.test(text);

/** Several arrays of bytes as one. */
export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Whether two arrays hold the same bytes. */
export const same = (one, other) =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

/** Lower-case hexadecimal digits. */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The bytes of hexadecimal digits. */
export const unhex = (digits) =>
  Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** The big-endian number that bytes are. */
export const numberOf = (bytes) => BigInt(`0x${hex(bytes) || "0"}`);

/** A number as big-endian bytes of this length. */
export const numberBytes = (number, length) => unhex(number.toString(16).padStart(length * 2, "0"));

const digest = async (name, bytes) => new Uint8Array(await crypto.subtle.digest(name, bytes));

/** SHA-256. */
export const sha256 = (bytes) => digest("SHA-256", bytes);

/** SHA-384. */
export const sha384 = (bytes) => digest("SHA-384", bytes);

/** SHA-512. */
export const sha512 = (bytes) => digest("SHA-512", bytes);

/** Text as the servers show it: invalid UTF-8 becomes U+FFFD. */
export const shownAs = (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);

/** Text, or null where the bytes are no UTF-8. */
export function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
