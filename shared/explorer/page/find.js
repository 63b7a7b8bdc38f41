// The start page, and finding out what an id is.

import { findJson, getJson } from "./api.js";
import { isId } from "./bytes.js";
import { el, facts, present, section } from "./dom.js";
import { heightText, time, visible } from "./text.js";

const RECENT = "rota-explorer-recent";
const RECENT_MAX = 8;
const LABEL_MAX = 40;

// Storage may be switched off, full, or hold what another version wrote.
function recent() {
  try {
    const kept = JSON.parse(localStorage.getItem(RECENT) ?? "[]");
    return kept.filter(({ id, kind }) => isId(id) && ["process", "message"].includes(kind)).slice(0, RECENT_MAX);
  } catch {
    return [];
  }
}

/** Remembers what was looked at, on this device only. */
export function remember(id, kind, label) {
  const rest = recent().filter((other) => other.id !== id);
  try {
    const kept = { id, kind, label: label.slice(0, LABEL_MAX) };
    localStorage.setItem(RECENT, JSON.stringify([kept, ...rest].slice(0, RECENT_MAX)));
  } catch {
    // It is a convenience.
  }
}

/** The route that shows an id: "process" or "message"; null if nobody knows it. */
async function kindOf(id, signal) {
  if (await findJson(`processes/${id}`, { signal })) return "process";
  const found = await findJson(`${id}?limit=1`, { signal });
  if (!found) return null;
  // A process that was imported without its own assignment answers with a page, too.
  return found.edges ? "process" : "message";
}

function recentList() {
  const entries = recent();
  if (entries.length === 0) return null;
  const items = entries.map(({ id, kind, label }) =>
    el("li", {}, el("a", { href: `#/${kind}/${id}` }, el("span", { class: "kind value", dir: "auto" }, visible(String(label).slice(0, LABEL_MAX))), " ", el("span", { class: "id" }, id))),
  );
  const forget = ({ currentTarget }) => {
    try {
      localStorage.removeItem(RECENT);
    } catch {
      // Nothing was kept, then.
    }
    currentTarget.closest("section").remove();
  };
  return section("Recently seen", el("ul", { class: "recent" }, items), el("button", { type: "button", click: forget }, "Forget these"));
}

/** The start page. */
export async function home(main, { signal }) {
  const about = el("div", {}, el("p", { class: "loading" }, "Asking the scheduler…"));
  present(
    main,
    el("h1", {}, "Look into a schedule"),
    el("p", { class: "lead" }, "Paste the id of a process, a message or an assignment above. Every link and signature is checked in this browser, not by the server."),
    section("This scheduler", about),
    recentList() ?? "",
  );
  const [{ address }, { timestamp, block_height }] = await Promise.all([getJson("", { signal }), getJson("timestamp", { signal })]);
  about.replaceChildren(
    facts(["Wallet address", el("span", { class: "id" }, address)], ["Its time", time(Number(timestamp))], ["Arweave block height", heightText(Number(block_height))]),
  );
}

/** Goes to what an id is. */
export async function find(main, { id, signal }) {
  if (!isId(id)) {
    present(main, el("h1", {}, "That is no id"), el("p", {}, "An id is 32 bytes in base64url: 43 letters, digits, hyphens and underscores."));
    return;
  }
  main.replaceChildren(el("p", { class: "loading" }, `Looking for ${id}…`));
  const kind = await kindOf(id, signal);
  if (kind) location.replace(`#/${kind}/${id}`);
  else present(main, el("h1", {}, "Nothing has this id"), el("p", {}, "This scheduler knows no process, message or assignment ", el("span", { class: "id" }, id), "."));
}
