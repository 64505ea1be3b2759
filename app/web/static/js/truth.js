// One truth about each answer, told to all open pages and tabs of this browser, and asked of the service again.

import { call } from "./api.js";
import { owner } from "./owner.js";

const channel = "BroadcastChannel" in self ? new BroadcastChannel("haja-answers") : null;
const here = new EventTarget();

const announce = (answer) => here.dispatchEvent(new CustomEvent("answer", { detail: answer }));
channel?.addEventListener("message", ({ data }) => data.owner === owner && announce(data.answer));

/** Tell what an answer is now. */
export function tellTruth(answer) {
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
  try {
    tellTruth(await call("GET", `/v1/classifications/${id}`));
    return false;
  } catch (problem) {
    return problem.code === "classification-not-found"; // whatever else: what is shown is the newest that is known here
  }
}
