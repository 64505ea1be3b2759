// What is being written about answers. Each stroke is kept on this phone, and goes to the service by itself: shortly
// after, when the page is left, when the network returns, and with the next page that is opened.

import { call } from "./api.js";
import { drafted, draftIds, dropDraft, keepDraft } from "./memory.js";
import { tellTruth, timesTold } from "./truth.js";

const PAUSE_MS = 800;
const timers = new Map();
const states = new EventTarget();

/** What was written about an answer and is not in the service yet: {note?, place?, status?}. */
export const draftOf = (id) => drafted(id) ?? {};

/** Hear {id, state: "waiting" | "saved" | "refused", problem} of drafts. */
export const onDraft = (listener) => states.addEventListener("draft", ({ detail }) => listener(detail));

const report = (id, state, problem = null) =>
  states.dispatchEvent(new CustomEvent("draft", { detail: { id, state, problem } }));

/** Keep what was written, and save it when the person pauses. */
export function write(id, fields) {
  keepDraft(id, { ...draftOf(id), ...fields });
  clearTimeout(timers.get(id));
  timers.set(id, setTimeout(() => save(id), PAUSE_MS));
}

/** Save a draft now. */
export async function save(id) {
  clearTimeout(timers.get(id));
  const fields = draftOf(id);
  if (!Object.keys(fields).length) return;
  const since = timesTold(id);
  try {
    const answer = await call("PATCH", `/v1/classifications/${id}`, fields, { keepalive: true });
    // What was written meanwhile is still to be saved.
    const left = Object.entries(draftOf(id)).filter(([name, value]) => fields[name] !== value);
    if (left.length) keepDraft(id, Object.fromEntries(left));
    else dropDraft(id);
    tellTruth(answer, since);
    if (!left.length) report(id, "saved");
  } catch (problem) {
    report(id, problem.passes ? "waiting" : "refused", problem);
  }
}

const saveAll = () => draftIds().forEach(save);

/** Save what is left of earlier pages, now and whenever there may be a connection again. */
export function saveDraftsAlways() {
  addEventListener("online", saveAll);
  addEventListener("pagehide", saveAll);
  document.addEventListener("visibilitychange", saveAll);
  saveAll();
}
