// The inspect page: photos in, answers out; what cannot go up now waits.

import { refreshAnswers, showAnswers } from "./answers.js";
import { newKey } from "./api.js";
import { copy, size, tell } from "./dom.js";
import { recall, remember } from "./memory.js";
import * as outbox from "./outbox.js";
import { holdPage } from "./owner.js";
import { position } from "./position.js";
import { drain, onProgress } from "./sender.js";
import { catalog, catalogId, explain, scans, t } from "./texts.js";

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

const storing = document.getElementById("storing");
const TOGETHER = 8; // photos of one transaction: a phone waits for its disk after each
const batch = { done: 0, total: 0 };

// Raw files first: what makes them small takes long, and a page may be gone by then.
async function store(files, camera) {
  if (!files.length) return;
  tell(trouble, "");
  // Without this a phone that runs short of room may throw the outbox away.
  navigator.storage?.persist?.();
  const here = position();
  const fields = { place: place.value.trim(), latitude: here?.latitude, longitude: here?.longitude };
  const chosen = files.map((file) => {
    const takenAt = camera ? new Date(file.lastModified).toISOString() : null;
    return { file, entry: { catalog, catalogId, filename: file.name || "photo.jpg", fields, takenAt, scans } };
  });
  const left = [];
  batch.total += files.length;
  for (let start = 0, count = 1; start < chosen.length; start += count, count = TOGETHER) {
    tell(storing, t("inspect.storing", { done: batch.done + 1, total: batch.total }));
    const some = chosen.slice(start, start + count);
    left.push(...(await keep(some)));
    batch.done += some.length;
  }
  if (batch.done === batch.total) {
    batch.done = batch.total = 0;
    tell(storing, "");
  }
  if (left.length) tell(trouble, await notKept(left));
  drain();
}

/** Keep photos; gives those that could not be kept. One that cannot be does not keep the others out. */
async function keep(chosen) {
  try {
    await outbox.add(chosen);
    return [];
  } catch (error) {
    const isFull = error?.name === "QuotaExceededError";
    if (isFull && (await outbox.emptyBin(0))) return keep(chosen);
    if (chosen.length === 1) return [{ ...chosen[0], isFull }];
    const left = [];
    for (const one of chosen) left.push(...(await keep([one])));
    return left;
  }
}

const take = (files, camera) => holdPage(store(files, camera));

addEventListener("beforeunload", (event) => batch.total && event.preventDefault());

async function notKept(left) {
  const names = left.map(({ file }) => file.name).join(", ");
  if (!left.some(({ isFull }) => isFull)) return t("inspect.not_kept", { names });
  const { quota = 0, usage = 0 } = (await navigator.storage?.estimate?.()) ?? {};
  return t("inspect.no_room", { names, room: size(Math.max(0, quota - usage)) });
}

for (const [id, camera] of [["camera", true], ["files", false]]) {
  const input = document.getElementById(id);
  const taken = () => {
    const files = [...input.files];
    input.value = "";
    take(files, camera);
  };
  input.addEventListener("change", taken);
  if (input.files.length) taken(); // chosen while this script was still on its way
}

// What else brings photos: dropped on the page, or pasted.
function takeOf(transfer) {
  const files = [...(transfer?.files ?? [])];
  // Systems that do not know HEIC give it no type.
  const photos = files.filter(({ type }) => type === "" || type.startsWith("image/"));
  const others = files.filter((file) => !photos.includes(file)).map(({ name }) => name);
  take(photos, false);
  if (others.length) tell(trouble, t("inspect.no_photo", { names: others.join(", ") }));
}
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  takeOf(event.dataTransfer);
});
addEventListener("paste", (event) => event.clipboardData?.files.length && takeOf(event.clipboardData));

async function show() {
  const entries = await outbox.entries();
  showWaiting(entries.filter((entry) => entry.state !== "answered"));
  showAnswers(entries.filter((entry) => entry.state === "answered"));
  const first = document.getElementById("first");
  if (first) first.hidden = entries.length > 0;
  showOthers(await outbox.countOfOthers());
  showDropped(await outbox.dropped());
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
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  document.getElementById("waiting-sum").textContent = t("outbox.sum", { count: entries.length, size: size(bytes) });
  const list = document.getElementById("waiting-list");
  const kept = new Set(entries.map(({ id }) => id));
  for (const [id, card] of waitingCards) {
    if (kept.has(id)) continue;
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
    card.querySelector(".ways").hidden = !refused;
    card.querySelector("progress").hidden = refused;
    if (entry.isReady) showPreview(card, entry.id);
  }
}

async function showPreview(card, id) {
  const image = card.querySelector("img");
  if (image.dataset.asked) return;
  image.dataset.asked = "yes";
  const preview = await outbox.previewOf(id);
  if (!preview) return;
  image.src = URL.createObjectURL(preview);
  image.hidden = false;
}

function stateOf({ state, problem }) {
  if (state === "refused") return explain(problem);
  return problem ? t("outbox.later", { reason: explain(problem) }) : t("outbox.waits");
}

function waitingCard(entry) {
  const { id } = entry;
  const card = copy("waiting-card");
  card.querySelector(".file").textContent = entry.filename;
  const note = card.querySelector("input");
  note.value = entry.note;
  note.addEventListener("input", () => holdPage(outbox.change(id, { note: note.value.trim() })));
  const send = async (fields = {}) => {
    await outbox.change(id, { state: "waiting", problem: null, ...fields });
    drain();
  };
  card.querySelector(".again").addEventListener("click", () => send());
  const move = card.querySelector(".move select");
  move.addEventListener("change", () => {
    const [option] = move.selectedOptions;
    // Another catalog is another request.
    if (move.value) send({ catalogId: move.value, catalog: option.dataset.name, key: newKey() });
  });
  card.querySelector(".drop").addEventListener("click", () => outbox.drop(id));
  return card;
}

const bin = document.getElementById("dropped");

function showDropped(dropped) {
  bin.hidden = !dropped.length;
  bin.firstElementChild.textContent = t("outbox.dropped", { count: dropped.length });
}

bin.querySelector("button").addEventListener("click", async () => {
  await outbox.restore((await outbox.dropped()).at(-1).id);
  drain();
});
document.getElementById("send-now").addEventListener("click", drain);

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
