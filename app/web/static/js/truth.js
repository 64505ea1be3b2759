// One truth about each answer, told to all open pages and tabs of this browser, and asked of the service again.

import { call } from "./api.js";
import { owner } from "./owner.js";

const channel = "BroadcastChannel" in self ? new BroadcastChannel("haja-answers") : null;
const here = new EventTarget();

const told = new Map(); // by answer: how often

/** How often the truth about an answer was told. What is asked now may be older than what is told meanwhile. */
export const timesTold = (id) => told.get(id) ?? 0;

function announce(answer) {
  told.set(answer.id, timesTold(answer.id) + 1);
  here.dispatchEvent(new CustomEvent("answer", { detail: answer }));
}

channel?.addEventListener("message", ({ data }) => data.owner === owner && announce(data.answer));

/** Tell what an answer is now; `since`: the times told when it was asked. */
export function tellTruth(answer, since = timesTold(answer.id)) {
  if (since !== timesTold(answer.id)) return void askTruth(answer.id);
  announce(answer);
  channel?.postMessage({ owner, answer });
}

/** Hear of answers that have changed, wherever that was. Gives what ends it. */
export function onTruth(listener) {
  const hear = ({ detail }) => listener(detail);
  here.addEventListener("answer", hear);
  return () => here.removeEventListener("answer", hear);
}

/** Ask the service what an answer is by now: others may have judged it. Gives whether it is gone. */
export async function askTruth(id) {
  const since = timesTold(id);
  try {
    tellTruth(await call("GET", `/v1/classifications/${id}`), since);
    return false;
  } catch (problem) {
    return problem.code === "classification-not-found"; // whatever else: what is shown is the newest that is known here
  }
}
