// The explorer: which page the fragment of the URL names, and what is around all of them.

import { Problem } from "./api.js";
import { isId } from "./bytes.js";
import { el } from "./dom.js";
import { entry } from "./entry.js";
import { find, home } from "./find.js";
import { listen } from "./keys.js";
import { process } from "./process.js";
import { plural } from "./text.js";

const PAGES = { process, message: entry, find };
const main = document.getElementById("main");
const search = document.getElementById("search");
let current = new AbortController();

/** What the fragment names: #/kind/id?query. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [kind = "", id = ""] = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { kind, id, query: new URLSearchParams(query) };
}

const HEADINGS = { 0: "No answer", 404: "Not found", 429: "Too busy", 503: "Not available just now" };

function failed(error) {
  const { status = 0, retryAfter = null, trace = null, message } = error instanceof Problem ? error : { message: `This page failed: ${error.message}` };
  const left = el("span", {});
  main.replaceChildren(
    el("h1", {}, HEADINGS[status] ?? "That did not work"),
    el("p", { class: "note bad", role: "alert" }, message),
    el("p", {}, el("button", { type: "button", id: "again", click: show }, "Try again"), " ", left),
    trace ? el("p", { class: "empty" }, "Trace id ", el("span", { class: "id" }, trace)) : "",
  );
  if (retryAfter) countDown(retryAfter, left, current.signal);
}

function countDown(seconds, left, signal) {
  if (signal.aborted) return;
  if (seconds <= 0) return show();
  left.textContent = `Trying again in ${plural(seconds, "second")}.`;
  setTimeout(() => countDown(seconds - 1, left, signal), 1000);
}

async function show() {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const { kind, id, query } = route();
  document.title = id ? `${kind} ${id.slice(0, 8)}… · rota explorer` : "rota explorer";
  search.value = isId(id) ? id : search.value;
  const page = Object.hasOwn(PAGES, kind) ? PAGES[kind] : home;
  try {
    if (kind !== "find" && id && !isId(id)) return await find(main, { id, signal });
    await page(main, { id, query, signal });
  } catch (error) {
    if (!signal.aborted) failed(error);
  }
}

window.addEventListener("hashchange", async () => {
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
  await show();
});
window.addEventListener("online", () => document.getElementById("again")?.click());
document.getElementById("finder").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = search.value.trim();
  const hash = `#/find/${encodeURIComponent(id)}`;
  if (location.hash === hash) show();
  else location.hash = hash;
});
document.getElementById("help-open").addEventListener("click", () => document.getElementById("help").showModal());
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment names the page
  main.focus();
});
listen();
show();
