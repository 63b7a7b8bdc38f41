// One entry: its message, its assignment, its data, and every check on it.

import { Problem, findJson, getBytes, getPage } from "./api.js";
import { canHash, isId } from "./bytes.js";
import { bad, mismatch, ok, worst } from "./check.js";
import { dataView } from "./data.js";
import { announce, copier, el, facts, present, section } from "./dom.js";
import { remember } from "./find.js";
import { SCHEMES, parseItem, readableAnchor, tagOf } from "./item.js";
import { Follower, checkNode, placeOf } from "./schedule.js";
import { count, heightText, size, time, value } from "./text.js";
import { badge, cannotCheck, verdictList } from "./verdict.js";

const idLink = (id, kind = "message") => (id ? el("a", { href: `#/${kind}/${id}`, class: "id" }, id) : null);
const copied = (text, what) => el("span", { class: "copied" }, el("span", { class: "id" }, text), " ", copier(text, what));

/** The table of an item's tags. */
export const tagTable = (tags) =>
  tags.length === 0
    ? el("p", { class: "empty" }, "No tags.")
    : el(
        "table",
        { class: "tags" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Name"), el("th", { scope: "col" }, "Value"))),
        el("tbody", {}, tags.map((tag) => el("tr", {}, el("th", { scope: "row" }, value(tag.name)), el("td", {}, value(tag.value))))),
      );

// Bytes that cannot be parsed are judged by the checks, not here.
function parsed(bytes) {
  try {
    return bytes && parseItem(bytes);
  } catch {
    return null;
  }
}

const itemFacts = (json, item, bytes) =>
  facts(
    ["Id", copied(json.id, "id")],
    ["Owner", copied(json.owner.address, "owner's address")],
    ["Signed as", item && SCHEMES[item.type].name],
    ["Target", json.target ? idLink(json.target, "find") : null],
    ["Anchor", item ? readableAnchor(item) && value(readableAnchor(item)) : json.anchor && value(json.anchor)],
    ["Size", bytes ? size(bytes.length) : null],
    ["Public key", value(json.owner.key, { max: 60 })],
    ["Signature", value(json.signature, { max: 60 })],
  );

function messageSection(node, bytes) {
  const { message, assignment } = node;
  if (!message) {
    const id = placeOf(assignment).message;
    return section("Message", el("p", {}, "This item was only assigned: its bytes lie on Arweave, not at this scheduler."), facts(["Id", copied(id, "id")]));
  }
  const item = parsed(bytes);
  return section("Message", itemFacts(message, item, bytes), el("h3", {}, `Tags (${count(message.tags.length)})`), tagTable(message.tags), el("h3", {}, "Data"), dataView(message.id, item?.data ?? null, message.data));
}

function assignmentSection({ assignment }, bytes) {
  const place = placeOf(assignment);
  return section(
    "Assignment",
    facts(
      ["Process", idLink(place.process, "process")],
      ["Nonce", Number.isNaN(place.nonce) ? "none" : count(place.nonce)],
      ["Epoch", value(place.epoch ?? "none")],
      ["Time", time(place.timestamp)],
      ["Block height", Number.isNaN(place.height) ? "none" : heightText(place.height)],
      ["Hash chain", value(place.chain ?? "none")],
      ["Excluded fields", place.excluded.length ? value(place.excluded.join(", ")) : null],
    ),
    itemFacts(assignment, parsed(bytes), bytes),
    el("h3", {}, `Tags (${count(assignment.tags.length)})`),
    tagTable(assignment.tags),
  );
}

// The entry before, the entry after and the first of the schedule, if there are any. Each is asked for by itself: together
// with this one they may be too large for one answer.
async function neighbours({ process, nonce }, signal) {
  if (!Number.isSafeInteger(nonce) || !isId(process)) return [];
  const at = async (wanted) => (wanted < 0 ? undefined : (await getPage(process, { after: wanted - 1, to: wanted, limit: 1, signal })).nodes[0]);
  return Promise.all([at(nonce - 1), at(nonce + 1), at(0)]);
}

// A server may answer with another entry than the one that was asked for, and that one may well verify.
function isAnswer({ assignment }, { id, within }) {
  const { process, message = process } = placeOf(assignment);
  if (id !== assignment.id && id !== message) return bad("Answer", `another entry than the one asked for: ${mismatch(id, message)}`);
  if (within && within !== process) return bad("Answer", `from another process than the one asked for: ${mismatch(within, process)}`);
  return ok("Answer", "the entry that was asked for");
}

const title = ({ message, assignment }, id) => {
  if (id === assignment.id) return "Assignment";
  const type = tagOf(message, "Type");
  return message && type === "Process" && !tagOf(assignment, "Message") ? "Process" : "Message";
};

async function verdicts(panel, asked, node, { before, first }, bytes, signal) {
  const place = placeOf(node.assignment);
  const isOwn = !tagOf(node.assignment, "Message");
  const imported = !(await findJson(`processes/${place.process}`, { signal }));
  const follower = new Follower(place.process, { imported });
  if (place.nonce !== 0) follower.startAfter(before, first);
  const checked = await checkNode(follower, node, (id) => getBytes(id, { signal }), bytes);
  const answer = isAnswer(node, asked);
  const state = worst([answer, ...checked.all]);
  const overall = { ok: "All of it verifies", bad: "Something is wrong", unknown: "Not all of it can be checked" }[state];
  announce(overall);
  panel.replaceChildren(
    el("p", { class: "overall" }, badge(state, overall)),
    verdictList("Its place", [answer, ...checked.place]),
    verdictList("Assignment", checked.assignment.verdicts),
    checked.message ? verdictList(isOwn ? "Process" : "Message", checked.message.verdicts) : "",
  );
}

const steps = (before, next) =>
  el(
    "nav",
    { "aria-label": "Entries beside this one", class: "pager" },
    before ? el("a", { href: `#/message/${before.assignment.id}`, rel: "prev" }, "← Entry before") : el("span", {}),
    next ? el("a", { href: `#/message/${next.assignment.id}`, rel: "next" }, "Entry after →") : el("span", {}),
  );

/** Shows the entry of a message or assignment. */
export async function entry(main, { id, query, signal }) {
  main.replaceChildren(el("p", { class: "loading" }, "Loading the entry…"));
  const within = query.get("process-id");
  const node = await findJson(within ? `${id}?process-id=${encodeURIComponent(within)}` : `${id}?limit=1`, { signal });
  if (!node) throw new Problem("This scheduler knows no message or assignment with this id.", { status: 404 });
  if (node.edges) return location.replace(`#/process/${id}`);
  const place = placeOf(node.assignment);
  const [[before, next, first], message, assignment] = await Promise.all([
    neighbours(place, signal),
    node.message && getBytes(node.message.id, { signal }),
    getBytes(node.assignment.id, { signal }),
  ]);
  const kind = title(node, id);
  remember(id, "message", kind);
  const panel = el("div", {}, cannotCheck() ?? el("p", { class: "loading" }, "Checking…"));
  present(
    main,
    el("h1", {}, kind, " ", el("small", {}, `nonce ${Number.isNaN(place.nonce) ? "?" : count(place.nonce)}`)),
    el("p", { class: "crumbs" }, "in process ", el("a", { href: `#/process/${place.process}?after=${Math.max(place.nonce - 10, -1)}`, class: "id" }, place.process)),
    steps(before, next),
    section("Checks", panel),
    messageSection(node, message),
    assignmentSection(node, assignment),
  );
  if (canHash) await verdicts(panel, { id, within }, node, { before, first }, { message, assignment }, signal);
}
