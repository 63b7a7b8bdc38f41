// The rules of a schedule (contract §2): nonces without a gap, the hash chain, time that moves on, one scheduler.

import { bad, checkItem, mismatch, ok, unknown, worst } from "./check.js";
import { b64, concat, sha256, unb64 } from "./bytes.js";
import { addressOf, tagOf } from "./item.js";

/** What an assignment says of its place, from its JSON. */
export function placeOf(assignment) {
  const number = (name) => {
    const text = tagOf(assignment, name) ?? "";
    return /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  };
  return {
    process: tagOf(assignment, "Process"),
    message: tagOf(assignment, "Message"),
    nonce: number("Nonce"),
    epoch: tagOf(assignment, "Epoch"),
    chain: tagOf(assignment, "Hash-Chain"),
    timestamp: number("Timestamp"),
    height: number("Block-Height"),
    // A lone name is written twice, for the sake of today's Compute Units.
    excluded: [...new Set(assignment.tags.filter(({ name }) => name === "Exclude").map(({ value }) => value))],
  };
}

// The address that belongs to a key, whatever the server says of it.
const addressByKey = async ({ key }) => {
  try {
    return await addressOf(unb64(key));
  } catch {
    return `key ${key}`;
  }
};

/**
 * Follows a schedule entry by entry. It starts before the first entry, or with `start` after one that is known.
 * `imported`: schedules from before the rule may hold equal timestamps.
 */
export class Follower {
  constructor(process, { imported = false } = {}) {
    this.process = process;
    this.imported = imported;
    this.before = null;
    this.signer = null;
    this.isStart = true;
  }

  /** Goes on after `node`, without a look at what came before it. `first` is the schedule's first node, if it is at hand. */
  startAfter(node, first) {
    this.isStart = false;
    this.signer = first?.assignment.owner ?? null;
    this.before = node ? { ...placeOf(node.assignment), id: node.assignment.id } : null;
  }

  /** Another one that goes on from the same place. */
  copy() {
    return Object.assign(new Follower(this.process), this);
  }

  /** The verdicts on the next node's place. The one after it may be asked for before they are there. */
  async follow({ message, assignment }) {
    const place = placeOf(assignment);
    const { before, isStart } = this;
    this.before = { ...place, id: assignment.id };
    if (isStart) this.signer = assignment.owner;
    this.isStart = false;
    const from = { before, isStart };
    const scheduler = this.#scheduler(assignment);
    return [this.#belongs(place, message), await this.#link(place, from), this.#time(place, from), this.#nonce(place, from), await scheduler];
  }

  #belongs(place, message) {
    if (place.process !== this.process) {
      return bad("Process", mismatch(this.process, place.process ?? "no tag Process"));
    }
    const assigned = place.message ?? this.process;
    if (message && message.id !== assigned) {
      return bad("Message", `another item than the one assigned: ${mismatch(assigned, message.id)}`);
    }
    return ok("Process", "the tags name this process and this message");
  }

  #nonce({ nonce }, { before, isStart }) {
    if (!isStart && !before) return unknown("Nonce", "the entry before is not at hand");
    const expected = isStart ? 0 : before.nonce + 1;
    return nonce === expected ? ok("Nonce", `${nonce} follows`) : bad("Nonce", mismatch(expected, nonce));
  }

  async #link({ chain }, { before, isStart }) {
    if (!isStart && !before) return unknown("Hash chain", "the entry before is not at hand");
    let from;
    try {
      from = isStart ? unb64(this.process) : concat(unb64(before.id), unb64(before.chain));
    } catch {
      return bad("Hash chain", "the entry before has none to go on from");
    }
    const expected = b64(await sha256(from));
    if (chain !== expected) return bad("Hash chain", mismatch(expected, chain ?? "none"));
    const of = isStart ? "of the process id" : "of the assignment before and its chain";
    return ok("Hash chain", `is SHA-256 ${of}`);
  }

  #time({ timestamp }, { before, isStart }) {
    if (Number.isNaN(timestamp)) return bad("Time", "the timestamp is no number");
    if (!before) return isStart ? ok("Time", "is the first") : unknown("Time", "the entry before is not at hand");
    const after = timestamp - before.timestamp;
    if (after > 0) return ok("Time", `${after} ms after the entry before`);
    if (after === 0 && this.imported) return ok("Time", "the same as before: an imported schedule may have that");
    return bad("Time", `expected more than ${before.timestamp} ms, found ${timestamp} ms`);
  }

  // One key signs a whole schedule: that of its first entry. `rota verify` has the same rule.
  async #scheduler({ id, owner }) {
    const { signer } = this;
    if (!signer) return unknown("Scheduler", "the first entry is not at hand");
    if (signer.key === owner.key) return ok("Scheduler", owner.address);
    const [other, first] = await Promise.all([owner, signer].map(addressByKey));
    return bad("Scheduler", `assignment ${id} is signed by ${other}, the first entry of the schedule by ${first}`);
  }
}

/** All verdicts on a node: {message, assignment, place, state}; `bytes` as for `checkItem`, by half. */
export async function checkNode(follower, node, fetchBytes, bytes = {}) {
  const placed = follower.follow(node);
  const half = (json, name) => json && checkItem(json, { bytes: bytes[name], fetchBytes });
  const [assignment, message] = await Promise.all([half(node.assignment, "assignment"), half(node.message, "message")]);
  const place = await placed;
  const all = [...place, ...assignment.verdicts, ...(message?.verdicts ?? [])];
  return { place, assignment, message, all, state: worst(all) };
}
