// Ed25519 with the cofactored equation, 8(sB - R - kA) = 0, which decides what a schedule holds: the servers and noble
// (so arbundles, too) take what it takes. Browsers check sB - R - kA = 0, which refuses a few signatures more. As at the
// servers, a point must be written in one way, and must not be of small order: one signature would then fit any content.

import { concat, numberOf, sha512 } from "./bytes.js";
import { mod, power } from "./field.js";

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
const D2 = (2n * D) % P;
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n, P);
const SIGN = 1n << 255n;
// The y of the 8 points of small order: of order 4, 1, 2, and twice 8.
const ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER = new Set([0n, 1n, P - 1n, ORDER_8, P - ORDER_8]);
// Extended coordinates: x / z, y / z, x y / z.
const NOTHING = [0n, 1n, 1n, 0n];
const point = (x, y) => [x, y, 1n, (x * y) % P];
const BASE = point(
  0x216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51an,
  0x6666666666666666666666666666666666666666666666666666666666666658n,
);

const littleEndian = (bytes) => numberOf(bytes.slice().reverse());

// Complete: the same formula doubles, and knows no exception (RFC 8032 §5.1.4).
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = ((y1 - x1) * (y2 - x2)) % P;
  const b = ((y1 + x1) * (y2 + x2)) % P;
  const c = (((t1 * t2) % P) * D2) % P;
  const d = 2n * z1 * z2;
  const [e, f, g, h] = [b - a, (d - c) % P, (d + c) % P, b + a];
  return [(e * f) % P, (g * h) % P, (f * g) % P, (e * h) % P];
}

const minus = ([x, y, z, t]) => [-x, y, z, -t];
const isNothing = ([x, y, z]) => x % P === 0n && (y - z) % P === 0n;

// a · A + b · B, bit by bit of both at once.
function combine(a, A, b, B) {
  const both = add(A, B);
  let sum = NOTHING;
  for (let bit = 252n; bit >= 0n; bit--) {
    sum = add(sum, sum);
    const [inA, inB] = [(a >> bit) & 1n, (b >> bit) & 1n];
    if (inA || inB) sum = add(sum, inA && inB ? both : inA ? A : B);
  }
  return sum;
}

/** Whether 32 bytes may be a point that proves something: y is reduced, and the point is not of small order. */
export function mayProve(bytes) {
  const y = littleEndian(bytes) % SIGN;
  return y < P && !SMALL_ORDER.has(y);
}

// The point that 32 bytes mean, or null.
function decode(bytes) {
  if (!mayProve(bytes)) return null;
  const number = littleEndian(bytes);
  const y = number % SIGN;
  const [u, v] = [mod(y * y - 1n, P), (D * y * y + 1n) % P];
  // x² = u / v, by one power (RFC 8032 §5.1.3).
  const v3 = (v * v * v) % P;
  let x = (u * v3 * power((u * v3 * v3 * v) % P, (P - 5n) / 8n, P)) % P;
  const square = (v * x * x) % P;
  if (square === mod(-u, P)) x = (x * ROOT_OF_MINUS_ONE) % P;
  else if (square !== u) return null;
  const isOdd = number >= SIGN ? 1n : 0n;
  return point((x & 1n) === isOdd ? x : mod(-x, P), y);
}

/** Whether the signature holds by the servers' rules (shared/ans104/src/verify/ed25519.rs). */
export async function verifyCofactored(owner, message, signature) {
  if (owner.length !== 32 || signature.length !== 64) return false;
  const s = littleEndian(signature.subarray(32));
  const r = signature.subarray(0, 32);
  const [A, R] = [decode(owner), decode(r)];
  if (A === null || R === null || s >= ORDER) return false;
  const k = littleEndian(await sha512(concat(r, owner, message))) % ORDER;
  let left = add(combine(s, BASE, k, minus(A)), minus(R));
  for (let doubled = 0; doubled < 3; doubled++) left = add(left, left);
  return isNothing(left);
}
