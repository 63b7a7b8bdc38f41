// The public key that an ECDSA signature over secp256k1 names (SEC 1 §4.1.6).

import { concat, numberBytes, numberOf } from "./bytes.js";
import { inverse, mod, power } from "./field.js";

const P = 2n ** 256n - 2n ** 32n - 977n;
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const G = [
  0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n,
  0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8n,
  1n,
];
const NOTHING = [0n, 1n, 0n];

// Jacobian coordinates: (x / z², y / z³).
function double([x, y, z]) {
  if (z === 0n) return NOTHING;
  const square = (y * y) % P;
  const s = (4n * x * square) % P;
  const m = (3n * x * x) % P;
  const x2 = mod(m * m - 2n * s, P);
  return [x2, mod(m * (s - x2) - 8n * square * square, P), (2n * y * z) % P];
}

function add(one, other) {
  if (one[2] === 0n) return other;
  if (other[2] === 0n) return one;
  const [z1, z2] = [(one[2] * one[2]) % P, (other[2] * other[2]) % P];
  const [u1, u2] = [(one[0] * z2) % P, (other[0] * z1) % P];
  const [s1, s2] = [(one[1] * z2 * other[2]) % P, (other[1] * z1 * one[2]) % P];
  if (u1 === u2) return s1 === s2 ? double(one) : NOTHING;
  const [h, r] = [mod(u2 - u1, P), mod(s2 - s1, P)];
  const [h2, h3] = [(h * h) % P, (h * h * h) % P];
  const x = mod(r * r - h3 - 2n * u1 * h2, P);
  return [x, mod(r * (u1 * h2 - x) - s1 * h3, P), (h * one[2] * other[2]) % P];
}

// a · A + b · B, bit by bit of both at once.
function combine(a, A, b, B) {
  const both = add(A, B);
  let sum = NOTHING;
  for (let bit = 255n; bit >= 0n; bit--) {
    sum = double(sum);
    const [inA, inB] = [(a >> bit) & 1n, (b >> bit) & 1n];
    if (inA || inB) sum = add(sum, inA && inB ? both : inA ? A : B);
  }
  return sum;
}

/**
 * Recovers the key from a digest of 32 bytes and a signature of 65: r, s, v (27 or 28).
 * Gives 65 bytes (0x04, x, y), or null if there is no such key. v has no other form, and `s` lies in the lower half
 * (EIP-2): else anybody could turn an item into one with another id.
 */
export function recover(digest, signature) {
  const [r, s] = [numberOf(signature.subarray(0, 32)), numberOf(signature.subarray(32, 64))];
  const odd = signature[64] - 27;
  if ((odd !== 0 && odd !== 1) || r === 0n || r >= N || s === 0n || s > N / 2n) return null;
  const square = (r * r * r + 7n) % P;
  let y = power(square, (P + 1n) / 4n, P);
  if ((y * y) % P !== square) return null;
  if (Number(y & 1n) !== odd) y = P - y;
  const back = inverse(r, N);
  const hash = numberOf(digest);
  const [x1, y1, z1] = combine(mod(-hash * back, N), G, (s * back) % N, [r, y, 1n]);
  if (z1 === 0n) return null;
  const z = inverse(z1, P);
  const [kx, ky] = [(x1 * z * z) % P, (y1 * z * z * z) % P];
  return concat([4], numberBytes(kx, 32), numberBytes(ky, 32));
}
