// A process: what it is, and its schedule page by page.

import { Problem, findJson, getBytes, getJson, getNewer, getPage, pause } from "./api.js";
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
const POLL_MS = 2000;
// While one follows, the row that has the focus is not taken away, unless the table becomes as long as this.
const ROWS_MAX = 400;

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
  return { shown, state, words, nonce: place.nonce };
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
    const row = rows[at];
    row.state.replaceChildren(badge(state));
    if (state === "ok") continue;
    row.why = el("tr", { class: "why" }, el("td", { colspan: "5" }, faults(all)));
    row.shown.after(row.why);
  }
}

/** The schedule of a process, as far as it is shown. */
class Schedule {
  constructor(id, { after, limit, follow, first, newest, imported, signal }) {
    Object.assign(this, { id, after, limit, isFollowing: follow, firstNode: first, imported, signal });
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
    this.rows = [];
    this.body.replaceChildren();
    this.last = this.after;
    const added = this.#add(nodes, more);
    if (asked) document.getElementById("s-schedule").scrollIntoView();
    this.follower = new Follower(this.id, this);
    if (this.after >= 0) this.follower.startAfter(before, this.firstNode);
    if (canHash) await checkRows(added, nodes, this.follower, this.signal);
  }

  // Puts rows below those that are there.
  #add(nodes, more) {
    const added = nodes.map(row);
    this.rows.push(...added);
    this.body.append(...added.map(({ shown }) => shown));
    this.more = more;
    if (nodes.length) this.last = placeOf(nodes.at(-1).assignment).nonce;
    this.head = Math.max(this.head, this.last);
    this.first = this.rows[0]?.nonce ?? this.after + 1;
    this.#paging();
    this.#filtered();
    return added;
  }

  // Takes the oldest rows away, up to the one that has the focus.
  #shorten() {
    const isHeld = ({ shown, why }) => [shown, why].some((part) => part?.contains(document.activeElement));
    while (this.rows.length > this.limit && (this.rows.length > ROWS_MAX || !isHeld(this.rows[0]))) {
      const { shown, why } = this.rows.shift();
      shown.remove();
      why?.remove();
    }
    this.first = this.rows[0].nonce;
    this.#paging();
  }

  // Adds what is new up to nonce `head`; where that is more than a page, the newest page instead of all of it.
  async #grow(head) {
    if (head - this.last > this.limit) {
      this.after = head - this.limit;
      return this.load();
    }
    while (this.last < head) {
      const { last } = this;
      const { nodes, more } = await getPage(this.id, { after: last, limit: this.limit, signal: this.signal });
      if (!(nodes.length && placeOf(nodes.at(-1).assignment).nonce > last)) throw new Problem("The server's pages do not go on.");
      const added = this.#add(nodes, more);
      this.#shorten();
      if (canHash) await checkRows(added, nodes, this.follower, this.signal);
    }
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
          await this.#grow(nonce);
          announce(`Newest entry: nonce ${nonce}`);
        }
        this.#tell("Following: new entries appear by themselves.");
      } catch (error) {
        if (this.signal.aborted) throw error;
        seen.tag = null; // what is new may not be shown yet
        wait = (error.retryAfter ?? 10) * 1000;
        this.#tell(`${error.message} Asking again in ${plural(wait / 1000, "second")}.`);
      }
      await pause(wait, this.signal);
    }
  }
}

function verifier(id, { imported, newest, signal }) {
  const head = placeOf(newest.assignment).nonce;
  const result = el("div", { id: "verified" });
  let isComing = false;
  const begin = async () => {
    if (isComing) return;
    isComing = true;
    const whole = await import("./whole.js").catch(() => null);
    isComing = false;
    if (whole) await whole.verify(id, { imported, head, signal, start, result });
    else result.replaceChildren(el("p", { class: "note", role: "alert" }, "A part of this page did not come. Load the page again."));
  };
  const start = el("button", { type: "button", id: "verify", disabled: !canHash, click: begin }, "Verify the whole schedule");
  return el("div", { class: "verifier" }, cannotCheck(), start, result);
}

/** Shows a process. */
export async function process(main, { id, query, signal }) {
  main.replaceChildren(el("p", { class: "loading" }, "Loading the process…"));
  const [flat, newest] = await Promise.all([findJson(`processes/${id}`, { signal }), findJson(`${id}/latest`, { signal })]);
  if (!newest) throw new Problem("This scheduler knows no process with this id.", { status: 404 });
  const [first] = (await getPage(id, { after: -1, limit: 1, signal })).nodes;
  const own = flat ? first : undefined;
  remember(id, "process", tagOf(own?.message, "Name") || "Process");
  const size = Number(query.get("limit"));
  const limit = SIZES.includes(size) ? size : SIZES[0];
  const follow = query.has("follow");
  const asked = query.has("after") ? Number(query.get("after")) : -1;
  const after = Number.isSafeInteger(asked) && asked > -1 ? asked : -1;
  const schedule = new Schedule(id, { after, limit, follow, first, newest, imported: !flat, signal });
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
