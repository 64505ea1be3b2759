// On every page: whose it is, the service worker, the outbox that drains, what waits, the connection, local times.

import { saveDraftsAlways } from "./drafts.js";
import { forgetAllBut } from "./memory.js";
import * as outbox from "./outbox.js";
import { isCurrent, owner, tellTabs, watch } from "./owner.js";
import { drainAlways } from "./sender.js";
import { signOut } from "./sign_out.js";
import { language, moment } from "./texts.js";

watch();
if (isCurrent()) {
  tellTabs();
  // Whoever was signed in before, and never signed out, leaves no more behind than unsent photos.
  forgetAllBut(owner);
  outbox.dropAnswersExceptOf(owner);
}

for (const place of document.querySelectorAll("time[datetime]")) place.textContent = moment(place.dateTime);

const connection = document.getElementById("connection");
const showConnection = () => (connection.hidden = navigator.onLine);
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

addEventListener("haja-signed-out", () => (document.getElementById("signed-out").hidden = false));
document.getElementById("sign-out")?.addEventListener("click", async () => {
  document.getElementById("still-signed-in").hidden = await signOut();
});

const count = document.getElementById("waiting-count");
async function showCount() {
  const waiting = (await outbox.entries()).filter(({ state }) => state !== "answered").length;
  count.textContent = waiting;
  count.hidden = !waiting;
}
outbox.onChange(showCount);
showCount();
drainAlways();
outbox.emptyBin();
if (isCurrent()) saveDraftsAlways();

// Its address has the language, so that choosing the other one keeps the pages of that one for bad times.
const { serviceWorker } = navigator;
serviceWorker?.register(`/service-worker.js?language=${language}`);
if (isCurrent()) serviceWorker?.ready.then(({ active }) => active.postMessage({ owner }));
