// Calls of the REST interface. Whatever goes wrong becomes a Problem, which says whether to try again.

import { owner } from "./owner.js";

export class Problem extends Error {
  constructor({ status = 0, code = navigator.onLine ? "unreachable" : "no-network", detail = null, errors = null }, retryAfter = 0) {
    super(code);
    Object.assign(this, { status, code, detail, errors, retryAfter });
  }

  /** Nobody is signed in any more, or somebody else is since this page was loaded. */
  get signedOut() {
    return this.status === 401 || this.code === "csrf-token-invalid";
  }

  /** The same request may well succeed later. */
  get passes() {
    return this.signedOut || this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Not this request's fault: others would fail as well. */
  get concernsAll() {
    return this.signedOut || [0, 429, 502, 503, 504, 507].includes(this.status);
  }
}

const PATIENCE_MS = 60_000;

/** The JSON of a good answer. What is none came from something between, such as a hotspot that asks for a login. */
function contentOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem({});
  }
}

function problemOf(status, text, retryAfter) {
  let problem;
  try {
    problem = new Problem({ ...JSON.parse(text), status }, Number(retryAfter) || 0);
  } catch {
    problem = new Problem({ status, code: "internal-error" }, Number(retryAfter) || 0);
  }
  if (problem.signedOut) dispatchEvent(new Event("haja-signed-out"));
  return problem;
}

/** What shows that a request comes from these pages, and whose page it is: the service does nothing if somebody else is
 *  signed in. The token is read each time, for it changes when somebody signs in. */
function proof() {
  const token = /(?:^|; )haja_csrf=([0-9a-f]+)/.exec(document.cookie)?.[1];
  return { "X-Haja-Owner": owner, ...(token ? { "X-CSRF-Token": token } : {}) };
}

/**
 * Send JSON, or nothing; gives the answer's JSON. `keepalive`: also where the page is left meanwhile. `key`: an
 * Idempotency-Key, for what must not happen twice when it is sent again.
 */
export async function call(method, address, body, { keepalive = false, key } = {}) {
  let answer;
  let text;
  try {
    answer = await fetch(address, {
      method,
      headers: {
        ...proof(),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(key ? { "Idempotency-Key": key } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive,
      signal: AbortSignal.timeout?.(PATIENCE_MS),
    });
    text = await answer.text();
  } catch {
    throw new Problem({});
  }
  if (!answer.ok) throw problemOf(answer.status, text, answer.headers.get("Retry-After"));
  return text ? contentOf(text) : null;
}

/** Fetch a file; gives its address in this page and the name that the service gave it. However long it takes. */
export async function download(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: proof() });
    if (answer.ok) {
      const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1];
      return { address: URL.createObjectURL(await answer.blob()), name };
    }
  } catch {
    throw new Problem({});
  }
  throw problemOf(answer.status, await answer.text(), answer.headers.get("Retry-After"));
}

/** Send a form with photos under an Idempotency-Key; `onProgress` hears 0 to 1. (fetch cannot tell how far it is.) */
export function upload(address, form, key, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Idempotency-Key", key);
    for (const [name, value] of Object.entries(proof())) request.setRequestHeader(name, value);
    let quiet;
    // A connection that carries nothing any more must not hold the others up; a slow one may take its time.
    const stillAlive = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => request.abort(), PATIENCE_MS);
    };
    request.upload.onprogress = (event) => {
      stillAlive();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      const { status, responseText } = request;
      try {
        if (status >= 400) throw problemOf(status, responseText, request.getResponseHeader("Retry-After"));
        resolve(contentOf(responseText));
      } catch (problem) {
        reject(problem);
      }
    };
    request.onerror = request.onabort = () => reject(new Problem({}));
    request.onloadend = () => clearTimeout(quiet);
    stillAlive();
    request.send(form);
  });
}

/** A new Idempotency-Key. (crypto.randomUUID is missing where the page did not come over HTTPS.) */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Every item of a list that comes in pages. */
export async function all(address) {
  const items = [];
  let cursor = "";
  do {
    const page = await call("GET", `${address}?limit=200${cursor && `&cursor=${cursor}`}`);
    items.push(...page.items);
    cursor = page.next_cursor ?? "";
  } while (cursor);
  return items;
}
