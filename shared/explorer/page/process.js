// A process: what it is, its schedule page by page, and the check of all of it.

import { Problem, findJson, getBytes, getJson, getNewer, getPage } from "./api.js";
import { canHash, isId } from "./bytes.js";
import { dataView } from "./data.js";
import { announce, copier, el, facts, present, section } from "./dom.js";
import { tagTable } from "./entry.js";
import { remember } from "./find.js";
import { tagOf } from "./item.js";
import { Follower, checkNode, placeOf } from "./schedule.js";
import { count, plural, short, time, value } from "./text.js";
import { badge, cannotCheck, faults } from "./verdict.js";

const SIZES = [25, 50, 100];
const VERIFY_LIMIT = 200;
const FAULTS_MAX = 20;
const POLL_MS = 2000;

/** Waits, or throws when the page is left. */
const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const leave = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal.removeEventListener("abort", leave), resolve()), ms);
    signal.addEventListener("abort", leave, { once: true });
  });

const link = (id, { after, limit, follow }) => {
  const query = new URLSearchParams({ after: String(Math.max(after, -1)), limit: String(limit) });
  if (follow) query.set("follow", "1");
  return `#/process/${id}?${query}`;
};

// What the process is, from its own entry, which is checked like any other; `own` is undefined for an imported schedule.
function about(id, own, newest, checked) {
  const process = own?.message;
  const last = placeOf(newest.assignment);
  return section(
    "Process",
    facts(
      ["Id", el("span", {}, el("span", { class: "id" }, id), " ", copier(id, "process id"))],
      ["Name", process && tagOf(process, "Name") ? value(tagOf(process, "Name")) : null],
      ["Owner", process ? el("span", { class: "id" }, process.owner.address) : null],
      ["Module", process ? value(tagOf(process, "Module") ?? "none") : null],
      ["Scheduler", process ? value(tagOf(process, "Scheduler") ?? "none") : null],
      ["Spawned", own ? time(placeOf(own.assignment).timestamp) : null],
      ["Own assignment", own ? el("a", { href: `#/message/${own.assignment.id}`, class: "id" }, own.assignment.id) : null],
      ["Newest entry", el("span", {}, `nonce ${count(last.nonce)}, `, time(last.timestamp))],
      ["Scheduled by", el("span", { class: "id" }, newest.assignment.owner.address)],
      ["Check", own && canHash ? checked : null],
    ),
    own ? null : el("p", { class: "note" }, "This schedule was imported: it has no assignment of the process's own."),
    process && el("details", {}, el("summary", {}, `Tags (${count(process.tags.length)}) and data`), tagTable(process.tags), dataView(id, null, process.data)),
  );
}

// Who signed it. `From-Process` is a tag like any other: whoever signs may write any process there.
function sender(message) {
  const said = tagOf(message, "From-Process");
  const owner = short(message.owner.address);
  if (said === undefined) return owner;
  return [owner, el("span", { class: "said" }, " says ", isId(said) ? short(said) : value(said, { max: 40 }))];
}

/** A row, its place for the badge, and what the filter looks at. */
function row({ message, assignment }) {
  const place = placeOf(assignment);
  const action = tagOf(message, "Action") ?? tagOf(message, "Type");
  const state = el("td", { class: "state" }, canHash ? "…" : "–");
  const open = el("a", { href: `#/message/${assignment.id}`, "aria-label": `Entry with nonce ${place.nonce}` }, count(place.nonce));
  const shown = el(
    "tr",
    {},
    el("th", { scope: "row" }, open),
    el("td", { class: "when" }, time(place.timestamp, { short: true })),
    el("td", {}, message ? value(action ?? "none", { max: 80 }) : el("em", {}, "only assigned")),
    el("td", { class: "from" }, message ? sender(message) : ""),
    state,
  );
  const tags = [...(message?.tags ?? []), ...assignment.tags].map((tag) => `${tag.name}: ${tag.value}`);
  const words = [message?.id, message?.owner.address, assignment.id, ...tags].join("\n").toLowerCase();
  return { shown, state, words };
}

// Checks a process's own entry, and puts what comes of it into `checked`.
async function checkOwn(id, own, checked, signal) {
  const { all, state } = await checkNode(new Follower(id), own, (item) => getBytes(item, { signal }));
  checked.replaceChildren(badge(state), state === "ok" ? "" : faults(all));
}

async function checkRows(rows, nodes, follower, signal) {
  for (const [at, node] of nodes.entries()) {
    if (signal.aborted) return;
    const { all, state } = await checkNode(follower, node, (id) => getBytes(id, { signal }));
    rows[at].state.replaceChildren(badge(state));
    if (state !== "ok") rows[at].shown.after(el("tr", { class: "why" }, el("td", { colspan: "5" }, faults(all))));
  }
}

/** The schedule of a process, as far as it is shown. */
class Schedule {
  constructor(id, { after, limit, follow, newest, imported, signal }) {
    Object.assign(this, { id, after, limit, isFollowing: follow, imported, signal });
    this.head = placeOf(newest.assignment).nonce;
    this.body = el("tbody");
    this.pager = el("nav", { class: "pager", "aria-label": "Pages of the schedule" });
    this.note = el("p", { class: "note", role: "status" });
    this.live = el("p", { class: "note", role: "status" });
    this.filter = el("input", { type: "search", id: "filter", autocomplete: "off", input: () => this.#filtered() });
    this.rows = [];
  }

  /** Everything but the rows. */
  view() {
    const heads = [["Nonce"], ["Time (UTC)", "when"], ["Action"], ["From", "from"], ["Check", "state"]];
    return section(
      "Schedule",
      this.#tools(),
      this.live,
      this.note,
      el("table", { class: "schedule" }, el("thead", {}, el("tr", {}, heads.map(([name, kind]) => el("th", { scope: "col", class: kind }, name)))), this.body),
      this.pager,
    );
  }

  #tools() {
    const to = (place) => (location.hash = link(this.id, { limit: this.limit, ...place }));
    const jump = el("input", { id: "jump", name: "jump", autocomplete: "off", placeholder: "nonce, ms or 2026-01-31 12:00" });
    const go = async (event) => {
      event.preventDefault();
      const after = await this.#place(jump.value.trim()).catch((error) => error);
      if (typeof after === "number") to({ after });
      else this.note.textContent = after.message;
    };
    const sizes = el("select", { id: "size", change: ({ target }) => to({ after: this.after, limit: Number(target.value) }) });
    sizes.append(...SIZES.map((size) => el("option", { value: String(size), selected: size === this.limit }, String(size))));
    const follow = el("input", { type: "checkbox", id: "follow", checked: this.isFollowing });
    follow.addEventListener("change", () => to({ after: follow.checked ? this.head - this.limit : this.after, follow: follow.checked }));
    return el(
      "div",
      { class: "tools" },
      el("form", { submit: go }, el("label", { for: "jump" }, "Go to"), jump, el("button", {}, "Go")),
      el("span", {}, el("label", { for: "filter" }, "Filter this page"), this.filter),
      el("span", {}, el("label", { for: "size" }, "Entries per page"), sizes),
      el("span", { class: "check" }, follow, el("label", { for: "follow" }, "Follow the newest")),
    );
  }

  // After which nonce to show what was asked for: a nonce, milliseconds, or a date in UTC.
  async #place(text) {
    if (/^\d{1,12}$/.test(text)) return Number(text) - 1;
    const ms = /^\d{13,16}$/.test(text) ? Number(text) : Date.parse(/[Zz]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text.replace(" ", "T")}${text.length > 10 ? "Z" : ""}`);
    if (Number.isNaN(ms)) throw new Problem("Go to a nonce, to milliseconds, or to a time like 2026-01-31 12:00 (UTC).");
    const page = await getJson(`${this.id}?from=${Math.max(ms - 1, 0)}&limit=1`, { signal: this.signal });
    const first = page.edges[0]?.node;
    if (!first) throw new Problem("No entry is as new as that.");
    return placeOf(first.assignment).nonce - 1;
  }

  /** Loads the page, scrolls to it if it was `asked` for, and checks it. */
  async load({ asked = false } = {}) {
    const { before, nodes, more } = await this.#page();
    this.more = more;
    this.rows = nodes.map(row);
    this.body.replaceChildren(...this.rows.map(({ shown }) => shown));
    this.first = nodes.length ? placeOf(nodes[0].assignment).nonce : this.after + 1;
    this.last = nodes.length ? placeOf(nodes.at(-1).assignment).nonce : this.after;
    this.head = Math.max(this.head, this.last);
    this.#paging();
    this.#filtered();
    if (asked) document.getElementById("s-schedule").scrollIntoView();
    const follower = new Follower(this.id, this);
    if (this.after >= 0) follower.startAfter(before);
    if (canHash) await checkRows(this.rows, nodes, follower, this.signal);
  }

  // The nodes of the page, and the one before it, which the first link is checked by. Where that one is so large
  // that it fills an answer of its own, the page is asked for without it.
  async #page() {
    const ask = (context) =>
      getPage(this.id, { after: this.after - context, limit: this.limit + context, signal: this.signal });
    if (this.after < 0) return { before: null, ...(await ask(0)) };
    const { nodes, more } = await ask(1);
    const before = nodes[0] && placeOf(nodes[0].assignment).nonce === this.after ? nodes[0] : null;
    if (nodes.length === 1 && before && more) return { before, ...(await ask(0)) };
    return { before, nodes: before ? nodes.slice(1) : nodes, more };
  }

  #paging() {
    const { id, limit } = this;
    const step = (text, after, is) => (is ? el("a", { href: link(id, { after, limit }), "data-step": text }, text) : el("span", { "aria-disabled": "true" }, text));
    this.pager.replaceChildren(
      step("« Oldest", -1, this.first > 0),
      step("‹ Older", this.first - 1 - limit, this.first > 0),
      el("span", { class: "where" }, this.rows.length ? `${count(this.first)} to ${count(this.last)} of ${count(this.head)}` : "nothing here"),
      step("Newer ›", this.last, this.more),
      step("Newest »", this.head - limit, this.more),
    );
  }

  #filtered() {
    const wanted = this.filter.value.trim().toLowerCase();
    const fits = this.rows.filter(({ shown, words }) => !(shown.hidden = !words.includes(wanted)));
    this.note.textContent = wanted ? `${plural(fits.length, "entry", "entries")} of the ${count(this.rows.length)} on this page fit the filter.` : "";
  }

  // The same again would be read out again.
  #tell(text) {
    if (this.live.textContent !== text) this.live.textContent = text;
  }

  /** Asks for the newest entry, gently, until the page is left. */
  async follow() {
    const seen = {};
    for (;;) {
      let wait = POLL_MS;
      try {
        const newest = document.hidden ? null : await getNewer(this.id, seen, this.signal);
        const nonce = newest && placeOf(newest.assignment).nonce;
        if (newest && nonce > this.last) {
          this.head = nonce;
          this.after = Math.max(nonce - this.limit, -1);
          await this.load();
          announce(`Newest entry: nonce ${nonce}`);
        }
        this.#tell("Following: new entries appear by themselves.");
      } catch (error) {
        if (this.signal.aborted) throw error;
        wait = (error.retryAfter ?? 10) * 1000;
        this.#tell(`${error.message} Asking again in ${plural(wait / 1000, "second")}.`);
      }
      await pause(wait, this.signal);
    }
  }
}

/** Checks everything from the first entry to nonce `head`; `progress` hears of each page. Gives what it came to. */
export async function verifyAll(process, { imported, head, signal, progress }) {
  const follower = new Follower(process, { imported });
  const total = { entries: 0, wrong: 0, unknown: 0, faults: [] };
  for (let [after, more] = [-1, true]; more; ) {
    const page = await getPage(process, { after, to: head, limit: VERIFY_LIMIT, signal });
    const places = page.nodes.map(({ assignment }) => placeOf(assignment).nonce);
    for (const node of page.nodes) {
      const { all, state } = await checkNode(follower, node, (id) => getBytes(id, { signal }));
      total.entries += 1;
      if (state === "bad") total.wrong += 1;
      if (state === "unknown") total.unknown += 1;
      if (state !== "ok" && total.faults.length < FAULTS_MAX) total.faults.push({ node, all });
    }
    progress(total.entries);
    const last = places.at(-1);
    if (page.more && !(last > after)) throw new Problem("The server's pages do not go on.");
    if (!page.more && last !== head) throw new Problem(`The server's pages end with nonce ${last ?? after}, its newest entry has nonce ${head}.`);
    [after, more] = [last, page.more];
  }
  return total;
}

function told({ entries, wrong, unknown, faults: found }, seconds) {
  const took = `(${seconds.toFixed(1)} s)`;
  const state = wrong ? "bad" : unknown ? "unknown" : "ok";
  const text = {
    bad: `${plural(entries, "entry", "entries")}: ${count(wrong)} wrong ${took}`,
    unknown: `${plural(entries, "entry", "entries")}: ${count(unknown)} cannot be checked completely ${took}`,
    ok: `${plural(entries, "entry", "entries")}: all links and signatures verify ${took}`,
  }[state];
  announce(text);
  const list = found.map(({ node, all }) => {
    const { nonce } = placeOf(node.assignment);
    return el("li", {}, el("a", { href: `#/message/${node.assignment.id}` }, `nonce ${nonce}`), faults(all));
  });
  return [el("p", { class: "overall" }, badge(state, text)), list.length ? el("ul", { class: "found" }, list) : ""];
}

function verifier(id, { imported, newest, signal }) {
  const head = placeOf(newest.assignment).nonce;
  const result = el("div", { id: "verified" });
  const start = el("button", { type: "button", id: "verify", disabled: !canHash }, "Verify the whole schedule");
  start.addEventListener("click", async () => {
    const cancel = new AbortController();
    const stop = el("button", { type: "button", click: () => cancel.abort() }, "Cancel");
    const bar = el("progress", { max: String(head + 1), value: "0", "aria-label": "Entries checked" });
    const at = el("span", {}, "0");
    const progress = (entries) => ((bar.value = entries), (at.textContent = `${count(entries)} of ${count(head + 1)}`));
    result.replaceChildren(el("p", { class: "running" }, bar, " ", at, " ", stop));
    start.disabled = true;
    const started = performance.now();
    try {
      const both = AbortSignal.any([signal, cancel.signal]);
      const total = await verifyAll(id, { imported, head, signal: both, progress });
      result.replaceChildren(...told(total, (performance.now() - started) / 1000));
    } catch (error) {
      if (signal.aborted) return;
      const text = cancel.signal.aborted ? `Cancelled after ${at.textContent} entries.` : `Stopped after ${at.textContent} entries: ${error.message}`;
      announce(text);
      result.replaceChildren(el("p", { class: "note" }, text));
    }
    start.disabled = false;
  });
  return el("div", { class: "verifier" }, cannotCheck(), start, result);
}

/** Shows a process. */
export async function process(main, { id, query, signal }) {
  main.replaceChildren(el("p", { class: "loading" }, "Loading the process…"));
  const [flat, newest] = await Promise.all([findJson(`processes/${id}`, { signal }), findJson(`${id}/latest`, { signal })]);
  if (!newest) throw new Problem("This scheduler knows no process with this id.", { status: 404 });
  const own = flat ? (await getPage(id, { after: -1, limit: 1, signal })).nodes[0] : undefined;
  remember(id, "process", tagOf(own?.message, "Name") || "Process");
  const size = Number(query.get("limit"));
  const limit = SIZES.includes(size) ? size : SIZES[0];
  const follow = query.has("follow");
  const asked = query.has("after") ? Number(query.get("after")) : -1;
  const after = Number.isSafeInteger(asked) && asked > -1 ? asked : -1;
  const schedule = new Schedule(id, { after, limit, follow, newest, imported: !flat, signal });
  const name = tagOf(own?.message, "Name");
  const checked = el("div", {}, "…");
  present(
    main,
    el("h1", {}, name ? value(name, { max: 80 }) : "Process"),
    about(id, own, newest, checked),
    section("Whole schedule", verifier(id, { imported: !flat, newest, signal })),
    schedule.view(),
  );
  const judged = own && canHash && checkOwn(id, own, checked, signal);
  await Promise.all([judged, schedule.load({ asked: query.has("after") })]);
  if (follow) await schedule.follow();
}
