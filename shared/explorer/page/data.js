// The data of a message: as text, as JSON, as hexadecimal digits, or saved to a file. It is never rendered.

import { el } from "./dom.js";
import { size, value } from "./text.js";
import { shownAs, textOf } from "./bytes.js";

const TEXT_MAX = 4096;
const ROW = 16;
const ROWS_MAX = 64;
const JSON_MAX = 1024 * 1024;
const DEPTH_MAX = 32;

// How deep the deepest value of a JSON text lies.
function depth(json) {
  let [now, deepest] = [0, 0];
  for (const [mark] of json.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}]/g)) {
    if (mark === "[" || mark === "{") deepest = Math.max(deepest, ++now);
    else if (mark === "]" || mark === "}") now -= 1;
  }
  return deepest;
}

// Each value is indented by its depth: without a bound on that, a message of a megabyte becomes gigabytes.
function pretty(text) {
  if (text.length > JSON_MAX || !/^\s*[[{]/.test(text)) return null;
  try {
    const json = JSON.parse(text);
    return depth(text) > DEPTH_MAX ? null : JSON.stringify(json, null, 2);
  } catch {
    return null;
  }
}

function hexRows(bytes, from, rows) {
  const lines = [];
  for (let at = from; at < Math.min(bytes.length, from + rows * ROW); at += ROW) {
    const row = bytes.subarray(at, at + ROW);
    const digits = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const plain = Array.from(row, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${digits.padEnd(ROW * 3 - 1)}  ${plain}\n`);
  }
  return lines.join("");
}

function hexView(bytes) {
  const text = el("pre", { class: "hex" }, hexRows(bytes, 0, ROWS_MAX));
  let shown = ROWS_MAX;
  if (bytes.length <= shown * ROW) return text;
  const more = el("button", { type: "button", class: "more" }, "Show 1,024 more rows");
  more.addEventListener("click", () => {
    text.append(hexRows(bytes, shown * ROW, 1024));
    shown += 1024;
    if (shown * ROW >= bytes.length) more.remove();
  });
  return el("div", {}, text, more);
}

function save(bytes, id) {
  const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
  el("a", { href: url, download: `${id}.data` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The viewer. `bytes` are the data of the item, or null where only JSON shows it (as `text`). */
export function dataView(id, bytes, text) {
  const known = bytes ?? new TextEncoder().encode(text);
  if (known.length === 0) return el("p", { class: "empty" }, "No data.");
  const plain = bytes ? textOf(bytes) : text;
  const json = plain === null ? null : pretty(plain);
  const views = [
    json !== null && ["JSON", () => value(json, { max: TEXT_MAX, tag: "pre" })],
    ["Text", () => value(plain ?? shownAs(bytes), { max: TEXT_MAX, tag: "pre" })],
    bytes && ["Hex", () => hexView(bytes)],
  ].filter(Boolean);
  const shown = el("div", { id: "data-view" });
  const buttons = views.map(([name, make]) =>
    el("button", { type: "button", "aria-controls": "data-view", "aria-pressed": "false", click: () => choose(name, make) }, name),
  );
  const choose = (name, make) => {
    shown.replaceChildren(make());
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.textContent === name));
  };
  choose(...(plain === null && bytes ? views.at(-1) : views[0]));
  const note = plain === null ? ", not UTF-8" : bytes ? "" : ", as JSON shows it";
  return el(
    "div",
    { class: "data" },
    el("div", { class: "bar" }, el("span", {}, `${size(known.length)}${note}`), el("span", { class: "views" }, buttons), bytes && el("button", { type: "button", click: () => save(bytes, id) }, "Download")),
    shown,
  );
}
