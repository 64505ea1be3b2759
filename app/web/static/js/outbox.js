// Photos that wait on this phone, and the newest answers: they survive closing the browser.
//
// An entry: {id (its Idempotency-Key), owner, order, state, catalog, filename, photo, preview, fields, note, attempts, problem,
// answer}. state: "waiting" (goes up by itself), "refused" (the service said no: a person decides), "answered".
// What is sent under a key never changes: `photo`, `filename` and `fields` are written once.
// `owner` is whoever took the photo, see owner.js; nobody else sees or sends it. It is empty or missing where no key was
// asked for, and in entries of versions that kept no owner: nobody's, until somebody claims them.

import { isCurrent, owner } from "./owner.js";

const STORE = "entries";
const KEPT_ANSWERS = 20;
const channel = "BroadcastChannel" in self ? new BroadcastChannel("haja-outbox") : null;
const changes = new EventTarget();
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("haja", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => {
      opened = undefined;
      reject(request.error);
    };
  });
  return opened;
}

/** Run `work(store)` in one transaction; gives the result of the request that it returns, once all is on disk. */
async function transact(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, mode, { durability: "strict" });
    const request = work(transaction.objectStore(STORE));
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

const all = () => transact("readonly", (store) => store.getAll());
const ownerOf = (entry) => entry.owner ?? "";
const isForeign = (entry) => ownerOf(entry) !== owner && entry.state !== "answered";
const isUnclaimed = (entry) => isForeign(entry) && ownerOf(entry) === "";
const isOfOthers = (entry) => isForeign(entry) && ownerOf(entry) !== "";

/** Every entry of the page's owner, oldest first; none as soon as somebody else has signed in. */
export async function entries() {
  const every = isCurrent() ? await all() : [];
  return every.filter((entry) => ownerOf(entry) === owner).sort((a, b) => a.order - b.order);
}

/** How many photos wait for others: {unclaimed: nobody's, others: somebody's}. */
export async function countOfOthers() {
  const every = await all();
  return { unclaimed: every.filter(isUnclaimed).length, others: every.filter(isOfOthers).length };
}

async function hand(isMeant, receiver) {
  await transact("readwrite", (store) => {
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

export const find = (id) => transact("readonly", (store) => store.get(id));

let last = 0;

export async function add(entry) {
  // Several photos of one moment keep their order.
  last = Math.max(Date.now(), last + 1);
  await transact("readwrite", (store) => store.add({ owner, order: last, state: "waiting", note: "", attempts: 0, ...entry }));
  announce();
}

/** Change fields of an entry; one that was dropped meanwhile stays away. */
export async function change(id, fields) {
  await transact("readwrite", (store) => {
    const request = store.get(id);
    request.onsuccess = () => request.result && store.put({ ...request.result, ...fields });
    return request;
  });
  announce();
}

export async function drop(id) {
  await transact("readwrite", (store) => store.delete(id));
  announce();
}

/** Keep the answer in the place of the photo, which the service has now; old answers go. */
export async function answered(id, answer) {
  await change(id, { state: "answered", answer, photo: null, problem: null });
  const old = (await entries()).filter((entry) => entry.state === "answered").slice(0, -KEPT_ANSWERS);
  for (const entry of old) await drop(entry.id);
}

/** Answers are in the service; on this browser they are for `keeper` only. */
export async function dropAnswersExceptOf(keeper) {
  for (const entry of await all()) if (entry.state === "answered" && ownerOf(entry) !== keeper) await drop(entry.id);
}

export async function dropAnswers() {
  for (const entry of await entries()) if (entry.state === "answered") await drop(entry.id);
}
