// Whose page this is. The service names the owner in the page; the cookie says who has signed in on this browser last.
// A key's id, or empty where no key is asked for. The cookie outlasts the session, so a phone without network knows as well.

import { pageOwner } from "./texts.js";

const others = "BroadcastChannel" in self ? new BroadcastChannel("haja-owner") : null;
const pending = new Set();

/** Who has signed in last and not out. */
export const signedIn = () => /(?:^|; )haja_owner=([0-9a-f-]+)/.exec(document.cookie)?.[1] ?? "";

/** Pages that ask nobody for a key, such as the one without network, are of whoever is signed in. */
export const owner = pageOwner ?? signedIn();

export const isCurrent = () => owner === signedIn();

/** What must be done before this page may be left. */
export function holdPage(promise) {
  pending.add(promise);
  return promise.finally(() => pending.delete(promise));
}

export const held = () => Promise.allSettled(pending);

/** Take the page away that is kept for bad times. It shows names. */
export async function dropKeptPage() {
  for (const name of await (globalThis.caches?.keys() ?? [])) await (await caches.open(name)).delete("/");
}

/** Give way to the page of whoever is signed in now; a page for everybody shows nothing of anybody, and may stay. */
export async function leaveIfOver() {
  if (isCurrent() || pageOwner === null) return;
  document.documentElement.hidden = true;
  await held();
  await dropKeptPage();
  location.replace(location.pathname + location.search);
}

/** Make every tab look whether its page is still its owner's. */
export const tellTabs = () => others?.postMessage("look");

/** Leave this page as soon as somebody else has signed in, wherever that was. */
export function watch() {
  others?.addEventListener("message", leaveIfOver);
  addEventListener("pageshow", leaveIfOver);
  addEventListener("focus", leaveIfOver);
  document.addEventListener("visibilitychange", leaveIfOver);
  addEventListener("haja-signed-out", leaveIfOver);
  leaveIfOver();
}
