// Keccak-256 as Ethereum has it (padding 0x01, not SHA-3's 0x06). For a few hundred bytes an item: plain, not fast.

const RATE = 136;
const ROUNDS = 24;
const WORD = (1n << 64n) - 1n;

const rotate = (lane, by) => ((lane << BigInt(by)) | (lane >> BigInt(64 - by))) & WORD;

// Round constants and rotations, by the recurrences of the Keccak reference (§1.2).
const constants = [];
const rotations = new Array(25).fill(0);
const moves = [];
{
  let register = 1;
  for (let round = 0; round < ROUNDS; round++) {
    let constant = 0n;
    for (let bit = 0; bit < 7; bit++) {
      if (register & 1) constant |= 1n << BigInt((1 << bit) - 1);
      register = (register << 1) ^ (register & 0x80 ? 0x171 : 0);
    }
    constants.push(constant);
  }
  let [x, y] = [1, 0];
  for (let step = 0; step < 24; step++) {
    rotations[x + 5 * y] = (((step + 1) * (step + 2)) / 2) % 64;
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  for (let at = 0; at < 25; at++) {
    const [column, row] = [at % 5, Math.floor(at / 5)];
    moves.push(row + 5 * ((2 * column + 3 * row) % 5));
  }
}

function permute(lanes) {
  for (let round = 0; round < ROUNDS; round++) {
    const parity = [0, 1, 2, 3, 4].map(
      (x) => lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20],
    );
    const moved = new Array(25);
    for (let at = 0; at < 25; at++) {
      const x = at % 5;
      const lane = lanes[at] ^ parity[(x + 4) % 5] ^ rotate(parity[(x + 1) % 5], 1);
      moved[moves[at]] = rotations[at] ? rotate(lane, rotations[at]) : lane;
    }
    for (let at = 0; at < 25; at++) {
      const row = at - (at % 5);
      const next = moved[row + ((at + 1) % 5)];
      lanes[at] = moved[at] ^ (~next & WORD & moved[row + ((at + 2) % 5)]);
    }
    lanes[0] ^= constants[round];
  }
}

/** The Keccak-256 hash of bytes: 32 bytes. */
export function keccak256(bytes) {
  const padded = new Uint8Array((Math.floor(bytes.length / RATE) + 1) * RATE);
  padded.set(bytes);
  padded[bytes.length] = 1;
  padded[padded.length - 1] |= 0x80;
  const view = new DataView(padded.buffer);
  const lanes = new Array(25).fill(0n);
  for (let block = 0; block < padded.length; block += RATE) {
    for (let lane = 0; lane < RATE / 8; lane++) {
      lanes[lane] ^= view.getBigUint64(block + lane * 8, true);
    }
    permute(lanes);
  }
  const hash = new DataView(new ArrayBuffer(32));
  for (let lane = 0; lane < 4; lane++) hash.setBigUint64(lane * 8, lanes[lane], true);
  return new Uint8Array(hash.buffer);
}
