// The service's API. A call gives its data, or throws: Problem (the service says what is wrong), Gone (it does not
// answer) or an AbortError (the caller stopped it).

import { loadKey, saveKey } from "./store.js";

const TRIES = 5;

let key = loadKey();

/** What calls are sent with from now on, where the service asks for a key. */
export function useKey(value) {
  key = value;
  saveKey(value);
}

const withKey = (headers = {}) => (key ? { ...headers, Authorization: `Bearer ${key}` } : headers);

export class Problem extends Error {
  /** `kind`: what docs/service.md calls it; `retryAfter`: seconds until it is worth trying again, where that is said. */
  constructor(status, detail, kind = "", retryAfter = null) {
    super(detail);
    this.status = status;
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

export class Gone extends Error {}

/** What is to be thrown where a module cannot be loaded: it comes from the same server. */
export const gone = () => {
  throw new Gone();
};

async function call(method, path, { body, signal } = {}) {
  let response;
  let content;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: withKey(body === undefined ? {} : { "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    content = await response.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Gone();
  }
  const json = /\bjson\b/.test(response.headers.get("Content-Type") ?? "");
  // A proxy before a service that is down answers in its place, in HTML.
  if (!json && [502, 503, 504].includes(response.status)) throw new Gone();
  let data = null;
  try {
    data = json && content ? JSON.parse(content) : null;
  } catch {
    throw new Problem(response.status, `${response.status}: the answer is no JSON`);
  }
  if (response.ok) return data;
  const detail = data?.detail || data?.title || `${response.status} ${response.statusText}`;
  const kind = String(data?.type ?? "").split("/").at(-1);
  throw new Problem(response.status, detail, kind, Number(response.headers.get("Retry-After")) || null);
}

const place = (database) => `databases/${encodeURIComponent(database)}`;

export const databases = () => call("GET", "databases");
export const schema = (database) => call("GET", `${place(database)}/schema`);
export const refresh = (database) => call("POST", `${place(database)}/refresh`);
export const toSql = (request, signal) => call("POST", "text2sql", { body: request, signal });
export const ask = (request, signal) => call("POST", "ask", { body: request, signal });
export const execute = (request, signal) => call("POST", "execute", { body: request, signal });
export const feedback = (said) => call("POST", "feedback", { body: said });

/** Stops an execution; it may have ended by itself. `keepalive` lets the call outlive the page. */
export function stop(id) {
  fetch(`executions/${id}`, { method: "DELETE", keepalive: true, headers: withKey() }).catch(() => {});
}

/** A name for a call. crypto.randomUUID is for secure origins only, and the page may be read over plain HTTP. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export async function alive() {
  try {
    return (await fetch("healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/**
 * Sends a call, and again where the service says when to come back (its queue is full, say, or the key was used too
 * often), TRIES times in all.
 * `waiting(problem, seconds, attempt, TRIES)` is told each second; `signal` ends it.
 */
export async function patiently(send, signal, waiting) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const later = error instanceof Problem && [429, 503].includes(error.status) && error.retryAfter;
      if (!later || attempt === TRIES) throw error;
      for (let left = Math.ceil(error.retryAfter); left > 0; left--) {
        waiting(error, left, attempt + 1, TRIES);
        await second(signal);
      }
    }
  }
}

function second(signal) {
  return new Promise((resolve, reject) => {
    const stopped = () => {
      clearTimeout(timer);
      reject(new DOMException("stopped", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stopped);
      resolve();
    }, 1000);
    if (signal.aborted) stopped();
    else signal.addEventListener("abort", stopped, { once: true });
  });
}
