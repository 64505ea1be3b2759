// Sends what waits in the outbox, oldest first, one photo at a time, from one tab at a time.

import { all, call, Problem, upload } from "./api.js";
import * as outbox from "./outbox.js";
import { prepareAll } from "./preparing.js";

const LONGEST_PAUSE_S = 60;
const progress = new EventTarget();
let running = null;
let again = false;
let failures = 0;
let timer;

/** Hear {id, share} while a photo goes up. */
export const onProgress = (listener) => progress.addEventListener("progress", (event) => listener(event.detail));

/** Send now what waits; called again while it works, it makes one more round. */
export function drain() {
  clearTimeout(timer);
  if (running) {
    again = true;
    return running;
  }
  running = alone(round).finally(() => {
    running = null;
    if (again) {
      again = false;
      drain();
    }
  });
  return running;
}

/** Start draining by itself: now, when the network returns, and when the page is looked at again. */
export function drainAlways() {
  addEventListener("online", drain);
  addEventListener("pageshow", drain);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && drain());
  drain();
}

// Without locks (a page that came over plain HTTP) two tabs may send the same photo: its key makes that harmless.
const alone = (work) => (navigator.locks ? navigator.locks.request("haja-outbox", work) : work());

const isNext = ({ state, isReady }) => state === "waiting" && isReady;

async function round() {
  prepareAll().then((made) => made && drain());
  const waiting = (await outbox.entries()).filter(isNext);
  if (!waiting.length) return;
  let pause = 0;
  try {
    // A catalog may have been renamed since, and its old name be another's.
    const names = new Map((await all("/v1/catalogs")).map(({ id, name }) => [id, name]));
    for (const { id } of waiting) {
      const problem = await send(id, names);
      if (!problem) {
        failures = 0;
        continue;
      }
      pause = Math.max(pause, problem.retryAfter, pauseAfter(failures));
      if (problem.concernsAll) break;
    }
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    await outbox.change(waiting[0].id, { problem: told(problem) }); // one says it for all
    pause = Math.max(problem.retryAfter, pauseAfter(failures));
  }
  if (pause) {
    failures += 1;
    // Phones that lost the same network must not all come back in the same second.
    timer = setTimeout(drain, pause * 1000 * (0.75 + Math.random() / 2));
  }
}

const pauseAfter = (count) => Math.min(LONGEST_PAUSE_S, 2 ** count);
const told = ({ status, code, detail }) => ({ status, code, detail });

/** Send one entry; gives the problem where it must be tried again later. */
async function send(id, names) {
  const entry = await outbox.find(id);
  if (!entry || !isNext(entry)) return null; // dropped, or sent by another tab
  const report = (share) => progress.dispatchEvent(new CustomEvent("progress", { detail: { id, share } }));
  try {
    const catalog = entry.catalogId ? names.get(entry.catalogId) : entry.catalog;
    if (!catalog) throw new Problem({ status: 404, code: "catalog-not-found" });
    const form = await formOf(entry);
    report(0);
    let answer = await upload(`/v1/catalogs/${catalog}/classifications`, form, entry.key, report);
    // Read anew: the note may have been written while the photo went up.
    const note = (await outbox.find(id))?.note;
    if (note) answer = await call("PATCH", `/v1/classifications/${answer.id}`, { note });
    await outbox.answered(id, answer);
    return null;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const state = error.passes ? "waiting" : "refused";
    await outbox.change(id, { state, problem: told(error), attempts: entry.attempts + 1 });
    return error.passes ? error : null;
  }
}

async function formOf(entry) {
  const form = new FormData();
  let bytes;
  try {
    const photo = await outbox.photoOf(entry.id);
    bytes = new Blob([await photo.arrayBuffer()], { type: photo.type });
  } catch {
    throw new Problem({ status: 410, code: "photo-unreadable" }); // the browser has lost its bytes
  }
  form.append("photo", bytes, entry.filename);
  for (const [name, value] of Object.entries(entry.fields)) form.append(name, value);
  return form;
}
