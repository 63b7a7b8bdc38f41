// The five signature schemes (contract §1).

import { bytesOf, concat, hex, same, unhex } from "./bytes.js";
import { mayProve, verifyCofactored } from "./ed25519.js";
import { signedHash } from "./item.js";
import { keccak256 } from "./keccak.js";
import { verifyPss } from "./rsa.js";
import { recover } from "./secp256k1.js";

// What the browser takes, the servers take, once both points may prove something. It is the quicker one by far, but what
// it does not take proves nothing: it asks for more than they do (see ed25519.js), and older ones do not know Ed25519.
async function byBrowser(owner, message, signature) {
  try {
    const key = await crypto.subtle.importKey("raw", owner, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, message);
  } catch {
    return false;
  }
}

async function ed25519(owner, message, signature, { quick }) {
  if (!mayProve(owner) || !mayProve(signature.subarray(0, 32))) return false;
  return (await byBrowser(owner, message, signature)) || (!quick && verifyCofactored(owner, message, signature));
}

const address = (key) => keccak256(key.subarray(1)).subarray(12);

// EIP-191.
function ethereum(owner, hash, signature) {
  const prefix = bytesOf(`\x19Ethereum Signed Message:\n${hash.length}`);
  const key = recover(keccak256(concat(prefix, hash)), signature);
  return key !== null && same(key, owner);
}

// EIP-712: `Bundlr(bytes Transaction hash,address address)` in the domain `Bundlr`, version 1, as arbundles has it.
function typedEthereum(owner, hash, signature) {
  const text = new TextDecoder().decode(owner);
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) return false;
  const claimed = unhex(text.slice(2));
  const named = (name) => keccak256(bytesOf(name));
  const domain = concat(named("EIP712Domain(string name,string version)"), named("Bundlr"), named("1"));
  const type = named("Bundlr(bytes Transaction hash,address address)");
  const document = concat(type, keccak256(hash), new Uint8Array(12), claimed);
  const digest = keccak256(concat([0x19, 0x01], keccak256(domain), keccak256(document)));
  const key = recover(digest, signature);
  return key !== null && same(address(key), claimed);
}

/** Whether an item's owner signed it. With `quick` only a yes is sure. */
export async function verifies(item, { quick = false } = {}) {
  const { type, owner, signature } = item;
  const hash = await signedHash(item);
  switch (type) {
    case 1:
      return verifyPss(owner, hash, signature);
    case 2:
      return ed25519(owner, hash, signature, { quick });
    case 3:
      return ethereum(owner, hash, signature);
    case 4:
      return ed25519(owner, bytesOf(hex(hash)), signature, { quick });
    case 7:
      return typedEthereum(owner, hash, signature);
    default:
      return false;
  }
}
