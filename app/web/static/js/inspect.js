// The inspect page: photos in, answers out; what cannot go up now waits.

import { refreshAnswers, showAnswers } from "./answers.js";
import { newKey } from "./api.js";
import { copy, tell } from "./dom.js";
import { recall, remember } from "./memory.js";
import * as outbox from "./outbox.js";
import { holdPage } from "./owner.js";
import { position } from "./position.js";
import { prepare } from "./prepare.js";
import { drain, onProgress } from "./sender.js";
import { catalog, explain, scans, t } from "./texts.js";

const trouble = document.getElementById("trouble");
const place = document.getElementById("place");
const waitingCards = new Map();

// The place holds for the photos that follow, also tomorrow.
place.value ||= recall("place") ?? "";
const showPlace = () => (document.getElementById("place-now").textContent = place.value);
showPlace();
place.addEventListener("input", () => {
  remember("place", place.value);
  showPlace();
});

const take = (input, camera) => holdPage(store(input, camera));

async function store(input, camera) {
  const files = [...input.files];
  input.value = "";
  tell(trouble, "");
  // Without this a phone that runs short of room may throw the outbox away.
  if (files.length) navigator.storage?.persist?.();
  for (const file of files) {
    try {
      const { photo, preview, filename, ...facts } = await prepare(file, scans);
      const fields = fieldsOf(facts, camera ? file : null);
      await outbox.add({ id: newKey(), catalog, filename, photo, preview, fields });
    } catch (error) {
      tell(trouble, t(error?.name === "QuotaExceededError" ? "inspect.no_room" : "inspect.not_kept", file));
      continue;
    }
    drain();
  }
}

function fieldsOf({ takenAt, latitude, longitude }, fresh) {
  const here = position();
  const fields = {
    place: place.value.trim(),
    taken_at: takenAt ?? (fresh && new Date(fresh.lastModified).toISOString()),
    latitude: here?.latitude ?? latitude,
    longitude: here?.longitude ?? longitude,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== ""));
}

for (const [id, camera] of [["camera", true], ["files", false]]) {
  const input = document.getElementById(id);
  input.addEventListener("change", () => take(input, camera));
  if (input.files.length) take(input, camera); // chosen while this script was still on its way
}

// What else brings photos: dropped on the page, or pasted.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  const files = [...(event.dataTransfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  take({ files, value: "" }, false);
});

async function show() {
  const entries = await outbox.entries();
  showWaiting(entries.filter((entry) => entry.state !== "answered"));
  showAnswers(entries.filter((entry) => entry.state === "answered"));
  const first = document.getElementById("first");
  if (first) first.hidden = entries.length > 0;
  showOthers(await outbox.countOfOthers());
}

function showOthers({ unclaimed, others }) {
  const question = document.getElementById("unclaimed");
  question.hidden = !unclaimed;
  question.querySelector("p").textContent = t("outbox.unclaimed", { count: unclaimed });
  const foreign = document.getElementById("of-others");
  foreign.hidden = !others;
  foreign.querySelector("p").textContent = t("outbox.others", { count: others });
}

function showWaiting(entries) {
  document.getElementById("waiting").hidden = !entries.length;
  const list = document.getElementById("waiting-list");
  for (const [id, card] of waitingCards) {
    if (entries.some((entry) => entry.id === id)) continue;
    card.remove();
    waitingCards.delete(id);
  }
  for (const entry of entries) {
    if (!waitingCards.has(entry.id)) {
      waitingCards.set(entry.id, waitingCard(entry));
      list.append(waitingCards.get(entry.id));
    }
    const card = waitingCards.get(entry.id);
    const refused = entry.state === "refused";
    card.classList.toggle("refused", refused);
    card.querySelector(".state").textContent = stateOf(entry);
    card.querySelector(".again").hidden = !refused;
    card.querySelector("progress").hidden = refused;
  }
}

function stateOf({ state, problem }) {
  if (state === "refused") return t("outbox.refused", { reason: explain(problem) });
  return problem ? t("outbox.later", { reason: explain(problem) }) : t("outbox.waits");
}

function waitingCard(entry) {
  const card = copy("waiting-card");
  const image = card.querySelector("img");
  if (entry.preview) image.src = URL.createObjectURL(entry.preview);
  else image.hidden = true;
  card.querySelector(".file").textContent = entry.filename;
  const note = card.querySelector("input");
  note.value = entry.note;
  note.addEventListener("input", () => holdPage(outbox.change(entry.id, { note: note.value.trim() })));
  card.querySelector(".again").addEventListener("click", async () => {
    await outbox.change(entry.id, { state: "waiting", problem: null });
    drain();
  });
  card.querySelector(".drop").addEventListener("click", () => outbox.drop(entry.id));
  return card;
}

onProgress(({ id, share }) => {
  const card = waitingCards.get(id);
  if (!card) return;
  card.querySelector("progress").value = share;
  card.querySelector("progress").hidden = false;
  card.querySelector(".state").textContent = t(share < 1 ? "outbox.sends" : "outbox.looks");
});

document.querySelector("#unclaimed button").addEventListener("click", async () => {
  await outbox.claim();
  drain();
});
document.querySelector("#of-others button")?.addEventListener("click", () => outbox.release());
document.getElementById("clear").addEventListener("click", () => outbox.dropAnswers());
document.getElementById("catalog-choice")?.addEventListener("change", (event) => event.target.form.requestSubmit());

// One at a time, in order: two that interleave would add the same card twice.
let shown = Promise.resolve();
outbox.onChange(() => (shown = shown.then(show)));
shown = show();
refreshAnswers();
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refreshAnswers());
