// Verdicts on the page.

import { canHash } from "./bytes.js";
import { el } from "./dom.js";
import { visible } from "./text.js";

const WORDS = { ok: "verified", bad: "wrong", unknown: "not checkable" };
const MARKS = { ok: "✓", bad: "✗", unknown: "?" };

/** One state, as a mark with its word. */
export const badge = (state, word = WORDS[state]) =>
  el("span", { class: `badge ${state}` }, el("span", { "aria-hidden": "true" }, MARKS[state]), " ", el("span", { class: "word" }, word));

/** A list of verdicts under a heading. */
export const verdictList = (title, verdicts) =>
  el(
    "div",
    { class: "verdicts" },
    el("h3", {}, title),
    el(
      "ul",
      {},
      verdicts.map(({ what, state, detail }) =>
        el("li", { class: state }, badge(state, what), el("span", { class: "detail" }, ": ", visible(detail))),
      ),
    ),
  );

/** What is wrong, in a line each. */
export const faults = (verdicts) =>
  el(
    "ul",
    { class: "faults" },
    verdicts
      .filter(({ state }) => state !== "ok")
      .map(({ what, state, detail }) => el("li", { class: state }, `${what}: `, visible(detail))),
  );

/** Why nothing can be checked here, or null if it can. */
export const cannotCheck = () =>
  canHash
    ? null
    : el(
        "p",
        { class: "note unknown", role: "note" },
        "Nothing is verified on this page: browsers allow cryptography only over https and on localhost.",
      );
