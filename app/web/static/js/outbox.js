// Photos that wait on this phone, and the newest answers: they survive closing the browser.
//
// An entry: {id, key (its Idempotency-Key), owner, order, state, catalog, catalogId, filename, size, hash, isReady, fields, note,
// attempts, problem, answer}. state: "waiting" (goes up by itself), "refused" (a person decides), "dropped" (may be taken back
// for a while), "answered".
// Its bytes stand apart, so that a change of state writes a few hundred of them and not the photo: {id, photo}, first the
// file as it was chosen, then, once, what is sent in its place; and {id, preview}.
// `isReady`: what is sent is made. From then on `photo`, `filename` and `fields` never change under their key.
// `owner` is whoever took the photo, see owner.js; nobody else sees or sends it. It is empty or missing where no key was
// asked for, and in entries of versions that kept no owner: nobody's, until somebody claims them.

import { newKey } from "./api.js";
import { isCurrent, owner } from "./owner.js";

const ENTRIES = "entries";
const PHOTOS = "photos";
const PREVIEWS = "previews";
const KEPT_ANSWERS = 20;
const UNDO_MS = 3_600_000;
const channel = "BroadcastChannel" in self ? new BroadcastChannel("haja-outbox") : null;
const changes = new EventTarget();
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("haja", 2);
    request.onupgradeneeded = ({ oldVersion }) => {
      const { result: database, transaction } = request;
      for (const name of [PHOTOS, PREVIEWS]) database.createObjectStore(name, { keyPath: "id" });
      if (oldVersion < 1) database.createObjectStore(ENTRIES, { keyPath: "id" });
      else setBytesApart(transaction);
    };
    request.onsuccess = () => {
      // A newer version in another tab is not to wait for this one.
      request.result.onversionchange = () => {
        request.result.close();
        opened = undefined;
      };
      resolve(request.result);
    };
    request.onerror = () => {
      opened = undefined;
      reject(request.error);
    };
  });
  return opened;
}

/** Entries of the first version held their bytes, made ready to be sent. */
function setBytesApart(transaction) {
  const entries = transaction.objectStore(ENTRIES);
  entries.openCursor().onsuccess = ({ target: { result: cursor } }) => {
    if (!cursor) return;
    const { photo, preview, ...entry } = cursor.value;
    if (photo) transaction.objectStore(PHOTOS).put({ id: entry.id, photo });
    if (preview) transaction.objectStore(PREVIEWS).put({ id: entry.id, preview });
    cursor.update({ ...entry, key: entry.id, size: photo?.size ?? 0, isReady: true });
    cursor.continue();
  };
}

/** Run `work(transaction)` in one transaction; gives the result of the request that it returns, once all is on disk. */
async function transact(mode, stores, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(stores, mode, { durability: "strict" });
    const request = work(transaction);
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

function announce() {
  changes.dispatchEvent(new Event("change"));
  channel?.postMessage("change");
}

/** Call back on every change, also on those of other tabs. */
export function onChange(listener) {
  changes.addEventListener("change", listener);
  channel?.addEventListener("message", listener);
}

const all = () => transact("readonly", [ENTRIES], (t) => t.objectStore(ENTRIES).getAll());
const ownerOf = (entry) => entry.owner ?? "";
const isUnsent = ({ state }) => state === "waiting" || state === "refused";
const isForeign = (entry) => ownerOf(entry) !== owner && isUnsent(entry);
const isUnclaimed = (entry) => isForeign(entry) && ownerOf(entry) === "";
const isOfOthers = (entry) => isForeign(entry) && ownerOf(entry) !== "";

/** Every entry of the page's owner, oldest first; none as soon as somebody else has signed in. */
export async function entries() {
  const every = isCurrent() ? await all() : [];
  return every.filter((entry) => ownerOf(entry) === owner && entry.state !== "dropped").sort((a, b) => a.order - b.order);
}

/** How many photos wait for others: {unclaimed: nobody's, others: somebody's}. */
export async function countOfOthers() {
  const every = await all();
  return { unclaimed: every.filter(isUnclaimed).length, others: every.filter(isOfOthers).length };
}

async function hand(isMeant, receiver) {
  await transact("readwrite", [ENTRIES], (t) => {
    const store = t.objectStore(ENTRIES);
    const request = store.getAll();
    request.onsuccess = () => {
      for (const entry of request.result.filter(isMeant)) store.put({ ...entry, owner: receiver });
    };
    return request;
  });
  announce();
}

/** Make what is nobody's the owner's. */
export const claim = () => hand(isUnclaimed, owner);

/** Make what is somebody's nobody's, for their owner to claim: a key that has ended signs nobody in again. */
export const release = () => hand(isOfOthers, "");

export const find = (id) => transact("readonly", [ENTRIES], (t) => t.objectStore(ENTRIES).get(id));
export const photoOf = async (id) => (await transact("readonly", [PHOTOS], (t) => t.objectStore(PHOTOS).get(id)))?.photo;
export const previewOf = async (id) =>
  (await transact("readonly", [PREVIEWS], (t) => t.objectStore(PREVIEWS).get(id)))?.preview;

let last = 0;

/** Keep files as they were chosen, all of them or none. Each: {file, entry: {catalog, catalogId, filename, fields, takenAt}}. */
export async function add(chosen) {
  await transact("readwrite", [ENTRIES, PHOTOS], (t) => {
    for (const { file, entry } of chosen) {
      const id = newKey();
      // Several photos of one moment keep their order.
      last = Math.max(Date.now(), last + 1);
      const own = { id, key: id, owner, order: last, state: "waiting", isReady: false, size: file.size, note: "", attempts: 0 };
      t.objectStore(PHOTOS).add({ id, photo: file });
      t.objectStore(ENTRIES).add({ ...own, ...entry });
    }
  });
  announce();
}

/** Put what is sent in the place of the file that was chosen. Gives whether the entry was still there. */
export async function makeReady(id, photo, preview, fields) {
  const entry = await transact("readwrite", [ENTRIES, PHOTOS, PREVIEWS], (t) => {
    const request = t.objectStore(ENTRIES).get(id);
    request.onsuccess = () => {
      if (!request.result) return;
      t.objectStore(ENTRIES).put({ ...request.result, ...fields, size: photo.size, isReady: true });
      t.objectStore(PHOTOS).put({ id, photo });
      if (preview) t.objectStore(PREVIEWS).put({ id, preview });
    };
    return request;
  });
  announce();
  return entry !== undefined;
}

/** Change fields of an entry; one that was dropped meanwhile stays away. `isSent`: its photo is needed no more. */
export async function change(id, fields, isSent = false) {
  await transact("readwrite", [ENTRIES, PHOTOS], (t) => {
    const store = t.objectStore(ENTRIES);
    const request = store.get(id);
    request.onsuccess = () => request.result && store.put({ ...request.result, ...fields });
    if (isSent) t.objectStore(PHOTOS).delete(id);
    return request;
  });
  announce();
}

async function forget(ids) {
  await transact("readwrite", [ENTRIES, PHOTOS, PREVIEWS], (t) => {
    for (const id of ids) for (const name of [ENTRIES, PHOTOS, PREVIEWS]) t.objectStore(name).delete(id);
  });
  announce();
}

/** Put an entry aside; `restore` takes it back. */
export const drop = (id) => change(id, { state: "dropped", droppedAt: Date.now() });
export const restore = (id) => change(id, { state: "waiting", problem: null });

/** Keep the answer in the place of the photo, which the service has now; old answers go. */
export async function answered(id, answer) {
  await change(id, { state: "answered", answer, problem: null }, true);
  const old = (await entries()).filter((entry) => entry.state === "answered").slice(0, -KEPT_ANSWERS);
  if (old.length) await forget(old.map((entry) => entry.id));
}

/** What was dropped and can be taken back, the last one last. */
export async function dropped() {
  const every = isCurrent() ? await all() : [];
  return every
    .filter((entry) => entry.state === "dropped" && ownerOf(entry) === owner)
    .sort((a, b) => a.droppedAt - b.droppedAt);
}

/** Let go of what was dropped longer ago than `age` milliseconds; gives how many that were. */
export async function emptyBin(age = UNDO_MS) {
  const late = (await all()).filter(({ state, droppedAt }) => state === "dropped" && droppedAt <= Date.now() - age);
  if (late.length) await forget(late.map((entry) => entry.id));
  return late.length;
}

const dropAll = async (isMeant) => {
  const ids = (await all()).filter((entry) => entry.state === "answered" && isMeant(entry)).map((entry) => entry.id);
  if (ids.length) await forget(ids);
};

/** Answers are in the service; on this browser they are for `keeper` only. */
export const dropAnswersExceptOf = (keeper) => dropAll((entry) => ownerOf(entry) !== keeper);

export const dropAnswers = () => dropAll((entry) => ownerOf(entry) === owner);

/** An answer that the service has no more. */
export const forgetAnswer = (id) => forget([id]);
