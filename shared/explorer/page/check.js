// What can be said of one item: that it is what its id and its owner say, and that the JSON shows what was signed.
//
// A verdict is {what, state, detail}; states are "ok", "bad" (proven wrong) and "unknown" (cannot be told here).

import { Problem } from "./api.js";
import { b64, sha256, shownAs, unb64 } from "./bytes.js";
import { SCHEMES, addressOf, idOf, itemsOf, parseItem, shownAnchor } from "./item.js";
import { verifies } from "./signature.js";

const verdict = (state) => (what, detail) => ({ what, state, detail });
export const ok = verdict("ok");
export const bad = verdict("bad");
export const unknown = verdict("unknown");

/** The worst state of some verdicts. */
export const worst = (verdicts) =>
  ["bad", "unknown"].find((state) => verdicts.some((verdict) => verdict.state === state)) ?? "ok";

/** "expected …, found …", the way every mismatch is told. */
export const mismatch = (expected, found) => `expected ${expected}, found ${found}`;

async function checkNames(json) {
  const id = b64(await sha256(unb64(json.signature)));
  const address = await addressOf(unb64(json.owner.key));
  return [
    id === json.id
      ? ok("Id", "is SHA-256 of the signature")
      : bad("Id", `${mismatch(id, json.id)}: it is not SHA-256 of the signature`),
    ...(address === json.owner.address
      ? []
      : [bad("Owner", `${mismatch(address, json.owner.address)}: the address is not SHA-256 of the key`)]),
  ];
}

async function checkSignature(item, options) {
  const scheme = SCHEMES[item.type].name;
  if (await verifies(item, options)) return ok("Signature", `${scheme}, verified in this browser`);
  return bad("Signature", `does not verify (${scheme})`);
}

// Where the JSON shows something else than the signed bytes.
function* differences(json, item) {
  const fields = [
    ["owner key", json.owner.key, b64(item.owner)],
    ["target", json.target || "", b64(item.target)],
    ["signature", json.signature, b64(item.signature)],
    ["number of tags", json.tags.length, item.tags.length],
  ];
  // With show-anchor a server may show an anchor that is no text; without, it shows null.
  const anchor = shownAnchor(item);
  if (json.anchor !== null || anchor !== null) fields.push(["anchor", json.anchor, anchor ?? b64(item.anchor)]);
  if (json.data !== undefined && json.data !== null) fields.push(["data", json.data, shownAs(item.data)]);
  item.tags.forEach(({ name, value }, at) => {
    const shown = json.tags[at] ?? { name: "nothing", value: "" };
    fields.push([`tag ${at + 1}`, `${shown.name}: ${shown.value}`, `${name}: ${value}`]);
  });
  for (const [what, shown, signed] of fields) {
    if (shown !== signed) yield mismatch(`${what} ${cut(signed)}`, cut(shown));
  }
}

const cut = (value) => {
  const text = String(value);
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
};

async function checkBytes(json, bytes) {
  let item;
  try {
    item = parseItem(bytes);
  } catch (error) {
    return { verdicts: [bad("Bytes", `are no item: ${error.message}`)] };
  }
  const id = await idOf(item);
  const differs = [...differences(json, item)];
  return {
    item,
    verdicts: [
      id === json.id ? ok("Bytes", "have this id") : bad("Bytes", mismatch(json.id, id)),
      await checkSignature(item),
      differs.length
        ? bad("JSON", `shows something else than was signed: ${differs.join("; ")}`)
        : ok("JSON", "shows what was signed"),
    ],
  };
}

// Which of its schemes an owner of 32 bytes used shows only by trying: quickly all of them first.
async function checkJson(json) {
  const items = itemsOf(json);
  let first;
  for (const quick of items.length > 1 ? [true, false] : [false]) {
    for (const item of items) {
      const signature = await checkSignature(item, { quick });
      if (signature.state === "ok") return { item, verdicts: [signature, ok("JSON", "shows what was signed")] };
      first ??= signature;
    }
  }
  const none = bad("Signature", "the owner's key belongs to no scheme that is known here");
  return { item: items[0], verdicts: [first ?? none] };
}

// JSON shows bytes that are no text as U+FFFD, and such an anchor as null.
const isLossy = (json) => json.anchor === null || (json.data ?? "").includes("\ufffd");

// The JSON alone does not verify: the bytes decide. What the server does not give just now proves nothing.
async function decide(json, checked, fetchBytes) {
  const undecided = (why) => ({ item: checked.item, verdicts: [unknown("Signature", why)] });
  let bytes;
  try {
    bytes = await fetchBytes(json.id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return undecided(`JSON does not show all bytes, and the server did not give them: ${error.message}`);
  }
  if (bytes) return checkBytes(json, bytes);
  return isLossy(json) ? undecided("JSON does not show all bytes, and the server has none to show") : checked;
}

/**
 * Checks one half of a node. `bytes` are the item's own; without them the JSON is enough where it verifies, and
 * where it does not, `fetchBytes` is asked (it gives null where there are none). Gives {item, verdicts}.
 */
export async function checkItem(json, { bytes, fetchBytes = async () => null }) {
  try {
    const names = await checkNames(json);
    let checked = bytes ? await checkBytes(json, bytes) : await checkJson(json);
    if (!bytes && worst(checked.verdicts) === "bad") checked = await decide(json, checked, fetchBytes);
    return { item: checked.item, verdicts: [...names, ...checked.verdicts] };
  } catch (error) {
    if (error.name !== "Error" && error.name !== "TypeError") throw error;
    return { verdicts: [bad("JSON", `cannot be an item: ${error.message}`)] };
  }
}
