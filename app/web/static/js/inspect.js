// The inspect page: photos in, answers out; what cannot go up now waits.

import { answerCard, summary, verdictLine } from "./answer.js";
import { newKey } from "./api.js";
import { copy, element, tell } from "./dom.js";
import { recall, remember } from "./memory.js";
import * as outbox from "./outbox.js";
import { holdPage } from "./owner.js";
import { position } from "./position.js";
import { prepare } from "./prepare.js";
import { drain, onProgress } from "./sender.js";
import { catalog, explain, t } from "./texts.js";

const trouble = document.getElementById("trouble");
const news = document.getElementById("news");
const place = document.getElementById("place");
const waitingCards = new Map();
const answers = new Map();

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
      const { photo, preview, filename, ...facts } = await prepare(file);
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

function showAnswers(entries) {
  document.getElementById("answers").hidden = !entries.length;
  const list = document.getElementById("answer-list");
  for (const [id, item] of answers) {
    if (entries.some((entry) => entry.id === id)) continue;
    item.remove();
    answers.delete(id);
  }
  const isFirst = !answers.size;
  const fresh = entries.filter((entry) => !answers.has(entry.id));
  for (const entry of fresh) {
    answers.set(entry.id, answerItem(entry));
    list.prepend(answers.get(entry.id)); // newest on top
  }
  if (!fresh.length) return;
  // The newest is open, so that one look is enough; those before it become lines.
  for (const item of list.children) item.open = item === list.firstElementChild;
  if (!isFirst || entries.length === fresh.length) news.textContent = summary(fresh.at(-1).answer);
}

function answerItem(entry) {
  const line = element("span", { className: "line" });
  const verdict = element("span", { className: "hint" });
  const image = element("img", { className: "thumb", alt: "" });
  if (entry.preview) image.src = URL.createObjectURL(entry.preview);
  else image.hidden = true;
  const item = element("details", { className: "item" });
  item.append(element("summary", {}, image, element("span", { className: "lines" }, line, verdict)));
  const head = (answer) => {
    line.textContent = summary(answer);
    verdict.textContent = verdictLine(answer);
  };
  head(entry.answer);
  const onChange = (answer) => {
    head(answer);
    outbox.change(entry.id, { answer });
  };
  // Made when it is opened: twenty answers would load sixty pictures.
  item.addEventListener("toggle", () => {
    if (item.open && item.children.length === 1) {
      item.append(answerCard(entry.answer, { preview: entry.preview, onChange }));
    }
  });
  return item;
}

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
