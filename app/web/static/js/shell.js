// On every page: the service worker, the outbox that drains, what waits, the connection, times in the visitor's zone.

import { call } from "./api.js";
import * as outbox from "./outbox.js";
import { drainAlways } from "./sender.js";
import { language, moment } from "./texts.js";

for (const place of document.querySelectorAll("time[datetime]")) place.textContent = moment(place.dateTime);

const connection = document.getElementById("connection");
const showConnection = () => (connection.hidden = navigator.onLine);
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

addEventListener("haja-signed-out", () => (document.getElementById("signed-out").hidden = false));
document.getElementById("sign-out")?.addEventListener("click", async () => {
  await call("POST", "/sign-out").catch(() => {});
  // The page that is kept for bad times shows names; photos that wait are kept elsewhere, and stay.
  for (const name of await (globalThis.caches?.keys() ?? [])) await caches.delete(name);
  location.assign("/sign-in");
});

const count = document.getElementById("waiting-count");
async function showCount() {
  const waiting = (await outbox.entries()).filter((entry) => entry.state !== "answered").length;
  count.textContent = waiting;
  count.hidden = !waiting;
}
outbox.onChange(showCount);
showCount();
drainAlways();

// Its address has the language, so that choosing the other one keeps the pages of that one for bad times.
navigator.serviceWorker?.register(`/service-worker.js?language=${language}`);
