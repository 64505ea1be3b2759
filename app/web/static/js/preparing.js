// Makes what waits ready to be sent, one photo after the other, also without network: raw photos fill a phone.

import * as outbox from "./outbox.js";
import { prepare } from "./prepare.js";

let running = Promise.resolve(0);

/** Make every photo ready that is not; gives how many that were. */
export function prepareAll() {
  running = running.catch(() => 0).then(async () => {
    const waiting = (await outbox.entries()).filter(({ state, isReady }) => state === "waiting" && !isReady);
    for (const { id } of waiting) await alone(() => makeReady(id));
    return waiting.length;
  });
  return running;
}

// One tab at a time; where there are no locks, both make the same photo ready, and the second one wins.
const alone = (work) => (navigator.locks ? navigator.locks.request("haja-prepare", work) : work());

async function makeReady(id) {
  const entry = await outbox.find(id);
  if (entry?.state !== "waiting" || entry.isReady) return;
  let made;
  try {
    made = await prepare(await outbox.photoOf(id), entry.scans);
  } catch {
    // The browser has lost its bytes: the others go on.
    await outbox.change(id, { state: "refused", problem: { code: "photo-unreadable" } });
    return;
  }
  const { photo, preview, filename, hash, takenAt, latitude, longitude } = made;
  const found = { taken_at: takenAt ?? entry.takenAt, latitude, longitude };
  const fields = { ...given(found), ...given(entry.fields) };
  try {
    await outbox.makeReady(id, photo, preview, { filename, hash, fields });
  } catch {
    // A full phone has no room for a smaller photo beside the chosen one, which goes up as it is.
    await outbox.change(id, { hash, fields, isReady: true });
  }
  const twin = hash && (await outbox.entries()).find((other) => other.hash === hash && other.id !== id);
  if (twin) await outbox.change(id, { state: "refused", problem: { code: "photo-twice" } });
}

const given = (fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== ""));
