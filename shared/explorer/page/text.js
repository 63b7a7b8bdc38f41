// Text that strangers wrote. It only ever becomes text nodes; what would be invisible or would reorder its
// surroundings is shown as what it is.

import { el } from "./dom.js";

const SHOWN_MAX = 300;
const STEP = 64 * 1024;

// Controls (but tab and line feed), soft hyphen, zero-width and bidi marks, line separators, fillers, tag characters.
const ODD =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffd]|[\u{e0000}-\u{e007f}]|[\ud800-\udfff]/gu;

const codeOf = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** The pieces of a text: strings, and marks for odd characters. */
export function visible(text) {
  const pieces = [];
  let at = 0;
  for (const { 0: character, index } of text.matchAll(ODD)) {
    if (index > at) pieces.push(text.slice(at, index));
    pieces.push(el("span", { class: "odd", title: `character ${codeOf(character)}` }, codeOf(character)));
    at = index + character.length;
  }
  pieces.push(text.slice(at));
  return pieces;
}

// Not within a surrogate pair.
const cutAt = (text, at) => (/[\udc00-\udfff]/.test(text[at] ?? "") ? at - 1 : at);

/** A value, isolated from its surroundings, cut if it is long, with a button that shows more. */
export function value(text, { max = SHOWN_MAX, tag = "span", what = "characters" } = {}) {
  const box = el(tag, { class: "value", dir: "auto" });
  let shown = 0;
  const grow = (by) => {
    const end = cutAt(text, Math.min(shown + by, text.length));
    box.append(...visible(text.slice(shown, end)));
    shown = end;
  };
  grow(max);
  if (text.length <= shown) return box;
  const more = el("button", { type: "button", class: "more" });
  const label = () => {
    const left = text.length - shown;
    more.textContent = left <= STEP ? `Show all (${count(left)} more ${what})` : `Show more (${count(left)} more ${what})`;
  };
  more.addEventListener("click", () => {
    grow(STEP);
    if (shown < text.length) label();
    else more.remove();
  });
  label();
  return el("span", { class: "cut" }, box, " ", more);
}

/** A number with separators between its thousands. */
export const count = (number) => number.toLocaleString("en");

/** A block height. A scheduler without a gateway knows none, and says 0. */
export const heightText = (height) => (height === 0 ? "no gateway: height unknown" : count(height));

/** "1 entry", "2 entries". */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A size with its unit. */
export function size(bytes) {
  if (bytes < 1024) return plural(bytes, "byte");
  const [divisor, unit] = bytes < 1024 ** 2 ? [1024, "KiB"] : [1024 ** 2, "MiB"];
  return `${(bytes / divisor).toFixed(1)} ${unit} (${count(bytes)} bytes)`;
}

/** A time in milliseconds since 1970 as people read it, in UTC. */
export function time(ms, { short = false } = {}) {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return "no time";
  const iso = date.toISOString();
  const [day, clock] = iso.slice(0, -1).split("T");
  const hour = short ? clock : `${clock} UTC`;
  return el("time", { datetime: iso, title: `${ms} ms` }, el("span", {}, day), " ", el("span", {}, hour));
}

/** The first and last characters of an id, which is there whole for search, copying and screen readers. */
export const short = (id) =>
  el("span", { class: "id", title: id }, el("span", { "aria-hidden": "true" }, `${id.slice(0, 8)}…${id.slice(-4)}`), el("span", { class: "hidden" }, id));
