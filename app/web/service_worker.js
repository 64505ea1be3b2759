// Keeps the inspect page for a phone without network. VERSION and KEPT come before this text, from the server.

const LANGUAGE = new URL(self.location).searchParams.get("language");
const CACHE = `haja-${VERSION}-${LANGUAGE}`;
const PATIENCE_MS = 4000; // a network that hardly answers counts as none where the page is at hand

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(KEPT.map((address) => new Request(address, { cache: "reload" }))))
      .then(keepPage)
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

// A page says whose it is: the one that is kept must be of the same person.
self.addEventListener("message", (event) => event.waitUntil(keepPageOf(event.data.owner)));

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  if (event.request.method !== "GET" || address.origin !== self.location.origin) return;
  if (event.request.mode === "navigate") event.respondWith(page(event, address.pathname));
  else if (address.pathname.startsWith("/static/")) event.respondWith(file(event.request));
});

async function file(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** Of this version and language, so that all it needs is kept beside it: not a newer one, nor a hotspot's login. */
async function isMine(answer) {
  const text = await answer.text();
  return text.includes(`<html lang="${LANGUAGE}">`) && text.includes(`/static/${VERSION}/`);
}

async function keepPageOf(owner) {
  const cache = await caches.open(CACHE);
  const kept = await (await cache.match("/"))?.text();
  if (kept?.includes(`"owner": "${owner}"`)) return;
  await cache.delete("/");
  await keepPage().catch(() => {}); // the next page asks again
}

/** Keep the inspect page of whoever is signed in. */
async function keepPage() {
  const answer = await fetch("/", { cache: "reload" });
  // Nobody is; whoever was and did not sign out keeps the page of the version before.
  if (answer.status === 401 && !(await caches.match("/"))) return;
  if (!answer.ok || !(await isMine(answer.clone()))) throw new Error("the page is not to be had");
  await (await caches.open(CACHE)).put("/", answer);
}

async function page(event, path) {
  const cache = await caches.open(CACHE);
  const kept = path === "/" ? await cache.match("/") : undefined;
  const fresh = fetch(event.request).then(async (answer) => {
    if (path === "/" && answer.ok && (await isMine(answer.clone()))) await cache.put("/", answer.clone());
    return answer;
  });
  event.waitUntil(fresh.catch(() => {}));
  const late = new Promise((resolve) => kept && setTimeout(() => resolve(kept), PATIENCE_MS));
  return Promise.race([fresh, late]).catch(async () => kept ?? (await cache.match("/offline")) ?? Response.error());
}
