// On every page: the service worker, the outbox that drains, what waits, the connection, times in the visitor's zone.

import * as outbox from "./outbox.js";
import { drainAlways } from "./sender.js";
import { language, moment } from "./texts.js";

for (const place of document.querySelectorAll("time[datetime]")) place.textContent = moment(place.dateTime);

const connection = document.getElementById("connection");
const showConnection = () => (connection.hidden = navigator.onLine);
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

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
