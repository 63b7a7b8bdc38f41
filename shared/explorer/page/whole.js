// The check of a whole schedule, from its first entry to the newest. It is loaded when somebody wants it.

import { Problem, getBytes, getPage, patiently } from "./api.js";
import { announce, el } from "./dom.js";
import { Follower, checkNode, placeOf } from "./schedule.js";
import { count, plural } from "./text.js";
import { badge, faults } from "./verdict.js";

const PAGE = 200;
// So many entries are checked at once: the browser's cryptography has threads of its own.
const TOGETHER = 8;
const FAULTS_MAX = 20;

/** Checks everything from the first entry to nonce `head`. Where it stopped it can go on: it counts whole pages only. */
export class Verification {
  constructor(process, { imported, head }) {
    Object.assign(this, { process, head, after: -1, isDone: false, ms: 0 });
    this.follower = new Follower(process, { imported });
    this.total = { entries: 0, wrong: 0, unknown: 0, faults: [] };
  }

  /** Goes on until the end, or throws; `progress` hears of each page, `waiting` of each pause. */
  async run({ signal, progress, waiting }) {
    const started = performance.now();
    try {
      while (!this.isDone) {
        await this.#page(signal, waiting);
        progress(this.total.entries);
      }
    } finally {
      this.ms += performance.now() - started;
    }
  }

  async #page(signal, waiting) {
    const { process, head, after } = this;
    const { nodes, more } = await patiently(() => getPage(process, { after, to: head, limit: PAGE, signal }), { signal, waiting });
    const follower = this.follower.copy();
    const judged = [];
    for (let at = 0; at < nodes.length; at += TOGETHER) {
      signal.throwIfAborted();
      const some = nodes.slice(at, at + TOGETHER);
      judged.push(...(await Promise.all(some.map((node) => checkNode(follower, node, (id) => getBytes(id, { signal }))))));
    }
    const last = nodes.length ? placeOf(nodes.at(-1).assignment).nonce : after;
    if (more && !(last > after)) throw new Problem("The server's pages do not go on.");
    this.#count(nodes, judged);
    Object.assign(this, { follower, after: last > after ? last : after, isDone: !more && last === head });
    if (!more && !this.isDone) throw new Problem(`The server's pages end with nonce ${last}, its newest entry has nonce ${head}.`);
  }

  #count(nodes, judged) {
    const { total } = this;
    judged.forEach(({ all, state }, at) => {
      total.entries += 1;
      if (state === "bad") total.wrong += 1;
      if (state === "unknown") total.unknown += 1;
      if (state !== "ok" && total.faults.length < FAULTS_MAX) total.faults.push({ node: nodes[at], all });
    });
  }
}

function told({ total: { entries, wrong, unknown, faults: found }, ms }) {
  const took = `(${(ms / 1000).toFixed(1)} s)`;
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

function stopped({ total: { wrong } }, far, why) {
  const found = wrong ? `, ${count(wrong)} wrong so far` : "";
  const text = why ? `Stopped after ${far} entries${found}: ${why}` : `Cancelled after ${far} entries${found}.`;
  announce(text);
  return text;
}

/**
 * Checks the whole schedule and shows it in `result`; `start`, the button that did it, rests meanwhile. With a
 * `verification` it goes on with that one.
 */
export async function verify(process, { imported, head, signal, start, result, verification = new Verification(process, { imported, head }) }) {
  // Whoever works here by keyboard finds the focus on what comes next.
  const show = (next, ...children) => {
    const isHere = document.activeElement === start || result.contains(document.activeElement);
    result.replaceChildren(...children);
    start.disabled = next.id === "cancel";
    if (isHere) next.focus();
  };
  const cancel = new AbortController();
  const stop = el("button", { type: "button", id: "cancel", click: () => cancel.abort() }, "Cancel");
  const bar = el("progress", { max: String(head + 1), "aria-label": "Entries checked" });
  const at = el("span");
  const far = () => `${count(verification.total.entries)} of ${count(head + 1)}`;
  const progress = (entries) => ((bar.value = entries), (at.textContent = far()));
  const waiting = ({ message }, seconds) => (at.textContent = `${far()}. ${message} Asking again in ${plural(seconds, "second")}.`);
  progress(verification.total.entries);
  show(stop, el("p", { class: "running" }, bar, " ", at, " ", stop));
  try {
    await verification.run({ signal: AbortSignal.any([signal, cancel.signal]), progress, waiting });
    show(start, ...told(verification));
  } catch (error) {
    if (signal.aborted) return;
    const text = stopped(verification, far(), cancel.signal.aborted ? null : error.message);
    const go = () => verify(process, { imported, head, signal, start, result, verification });
    const further = el("button", { type: "button", id: "continue", click: go }, "Continue");
    show(further, el("p", { class: "note" }, text), further);
  }
}
