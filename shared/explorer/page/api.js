// Questions to the server that this page came from, by URLs relative to it.

// Until the head of an answer is there; ten megabytes over a phone may take longer.
const HEAD_MS_MAX = 30_000;
const RETRY_S_MAX = 300;
// What may pass by itself: no answer at all, too busy, not there just now.
const PASSING = [0, 429, 502, 503, 504];
const TRIES_MAX = 6;
const PATIENCE_S_MAX = 60;
// A page may have a hundred megabytes, which a phone cannot hold.
const PAGE_BYTES_MAX = 4 << 20;
const base = new URL("./", location.href);

/** Why there is no answer: the status, what the server says, when to come back. */
export class Problem extends Error {
  constructor(message, { status = 0, retryAfter = null, trace = null } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
    this.trace = trace;
  }
}

async function send(path, { accept = "application/json", signal, headers = {}, ...rest } = {}) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), HEAD_MS_MAX);
  const either = signal ? AbortSignal.any([signal, limit.signal]) : limit.signal;
  const options = { headers: { accept, ...headers }, signal: either, ...rest };
  try {
    return await fetch(new URL(path, base), options);
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.signal.aborted) throw new Problem("The server did not answer within 30 seconds.");
    throw new Problem(navigator.onLine ? "The server cannot be reached." : "This device is offline.");
  } finally {
    clearTimeout(timer);
  }
}

async function problem(answer) {
  const told = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("retry-after"));
  const retryAfter = seconds > 0 ? Math.min(Math.ceil(seconds), RETRY_S_MAX) : null;
  const message = typeof told.error === "string" ? told.error : `The server answered ${answer.status}.`;
  const trace = typeof told.trace_id === "string" ? told.trace_id : null;
  return new Problem(message, { status: answer.status, retryAfter, trace });
}

// The body of an answer, or a Problem if it does not come whole.
async function whole(reading, signal) {
  try {
    return await reading;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem("The answer broke off, or is no JSON.");
  }
}

/** The JSON of a GET, or throws a Problem. */
export async function getJson(path, options) {
  const answer = await send(path, options);
  if (!answer.ok) throw await problem(answer);
  return whole(answer.json(), options?.signal);
}

/** As getJson, but null for 404. */
export const findJson = (path, options) =>
  getJson(path, options).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });

/** The exact bytes of an item or assignment, or null if the server has none. */
export async function getBytes(id, options = {}) {
  const answer = await send(`raw/${id}`, { ...options, accept: "application/octet-stream" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw await problem(answer);
  return new Uint8Array(await whole(answer.arrayBuffer(), options.signal));
}

/** A page of a schedule: its nodes after a nonce (-1 for all). */
export async function getPage(process, { after, to, limit, signal }) {
  const bound = to === undefined ? "" : `&to-nonce=${to}`;
  const size = `limit=${limit}&bytes-max=${PAGE_BYTES_MAX}`;
  const page = await getJson(`${process}?from-nonce=${after}&${size}${bound}`, { signal });
  return { nodes: page.edges.map(({ node }) => node), more: page.page_info.has_next_page };
}

/** The newest node if it is another one than at the last question, else null. `state` keeps the tag. */
export async function getNewer(process, state, signal) {
  const headers = state.tag ? { "if-none-match": state.tag } : {};
  const answer = await send(`${process}/latest`, { signal, headers, cache: "no-store" });
  if (answer.status === 304) return null;
  if (!answer.ok) throw await problem(answer);
  const newest = await whole(answer.json(), signal);
  state.tag = answer.headers.get("etag");
  return newest;
}

/** Waits, or throws when the page is left. */
export const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const leave = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal.removeEventListener("abort", leave), resolve()), ms);
    signal.addEventListener("abort", leave, { once: true });
  });

/**
 * The answer to a question that is asked again while the trouble may pass, when the server says or after 1, 2, 4 … s.
 * It throws the Problem after six times, or if the server wants to be left alone for more than a minute.
 * `waiting` hears of each pause.
 */
export async function patiently(ask, { signal, waiting }) {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      const seconds = error.retryAfter ?? 2 ** (tries - 1);
      const mayPass = error instanceof Problem && PASSING.includes(error.status);
      if (!mayPass || tries === TRIES_MAX || seconds > PATIENCE_S_MAX) throw error;
      waiting(error, seconds);
      await pause(seconds * 1000, signal);
    }
  }
}
