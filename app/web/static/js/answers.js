// The newest answers on the inspect page: the one to look at is open, the others are lines.

import { element } from "./dom.js";
import * as outbox from "./outbox.js";
import { t } from "./texts.js";
import { askTruth, onTruth } from "./truth.js";
import { stateOf, summary, verdictLine } from "./words.js";

const section = document.getElementById("answers");
const list = document.getElementById("answer-list");
const news = document.getElementById("news");
const lastWord = document.getElementById("last-word");
const items = new Map(); // by entry
let isLoaded = false; // what was there when the page was opened is shown
let answerCard; // what makes a card
let judged = null; // the item whose word can be taken back above the list

/** Show the entries of the outbox that are answered, oldest first. */
export async function showAnswers(entries) {
  // Half of the scripts are for answers: a phone that has none yet does without.
  if (entries.length) ({ answerCard } = await import("./answer.js"));
  section.hidden = !entries.length;
  for (const [id, item] of items) {
    if (entries.some((entry) => entry.id === id)) continue;
    item.remove();
    items.delete(id);
  }
  const isFirst = !isLoaded;
  isLoaded = true;
  const fresh = entries.filter((entry) => !items.has(entry.id));
  // On a page that has just been opened, what nobody is sure of comes first.
  if (isFirst) fresh.sort((a, b) => isUnsure(a.answer) - isUnsure(b.answer));
  for (const entry of fresh) {
    items.set(entry.id, answerItem(entry));
    list.prepend(items.get(entry.id));
  }
  if (!fresh.length) return;
  if (!isFirst) news.textContent = summary(fresh.at(-1).answer);
  lookAt(list.firstElementChild, !isFirst);
}

/** Ask the service what the shown answers are by now. */
export async function refreshAnswers() {
  for (const entry of (await outbox.entries()).filter(({ state }) => state === "answered")) {
    if (await askTruth(entry.answer.id)) await outbox.forgetAnswer(entry.id); // somebody has deleted it
  }
}

const isUnsure = (answer) => stateOf(answer) === "unsure";
const TYPING = "input:not([type=file], [type=checkbox], [type=range]), textarea, select";
const isTyping = (place) => place.querySelector(`:is(${TYPING}):focus`) !== null;
const isBusy = () => isTyping(list) || list.querySelector(".chooser:not([hidden]), .edited") !== null;

/** Open an item, unless somebody is writing or choosing. Only what opened by itself, and was not touched, is folded. */
function lookAt(item, scrolls) {
  if (isBusy()) return;
  for (const other of list.children) if (other !== item && !other.touched) other.open = false;
  open(item, scrolls && !isTyping(document));
}

function open(item, scrolls) {
  item.fill(); // now: an item without its card is too short to scroll to
  item.open = true;
  if (scrolls) item.scrollIntoView({ block: "start" });
}

function answerItem(entry) {
  const line = element("span", { className: "line" });
  const verdict = element("span", { className: "hint" });
  const image = element("img", { className: "thumb", alt: "", hidden: true });
  const item = element("details", { className: "item", touched: false, judged: false });
  item.append(element("summary", {}, image, element("span", { className: "lines" }, line, verdict)));
  const head = (answer) => {
    item.dataset.state = stateOf(answer);
    item.judged = answer.feedback !== null;
    line.textContent = summary(answer);
    verdict.textContent = verdictLine(answer) || (isUnsure(answer) ? t("answer.state.unsure") : "");
  };
  head(entry.answer);
  const end = onTruth((answer) => {
    if (answer.id !== entry.answer.id) return;
    if (!items.has(entry.id)) return end();
    if (JSON.stringify(answer) === JSON.stringify(entry.answer)) return;
    entry.answer = answer;
    head(answer);
    outbox.change(entry.id, { answer });
  });
  for (const act of ["pointerdown", "keydown", "input"]) item.addEventListener(act, () => (item.touched = true));
  // Made when it is opened: twenty answers would load sixty pictures.
  item.fill = () => {
    if (item.children.length > 1) return;
    item.append(answerCard(entry.answer, { preview, onJudged: () => goOn(item) }));
  };
  let preview = null;
  outbox.previewOf(entry.id).then((found) => {
    if (!found) return;
    preview = found;
    image.src = URL.createObjectURL(found);
    image.hidden = false;
  });
  item.addEventListener("toggle", () => item.open && item.fill());
  return item;
}

/** After a word on one of many: the next one that nobody has judged. */
function goOn(item) {
  const next = [...list.children].find((other) => other !== item && !other.judged);
  if (!next) return;
  judged = item;
  lastWord.hidden = false;
  lastWord.firstElementChild.textContent = `${item.querySelector(".line").textContent}: ${verdictOf(item)}`;
  item.open = false;
  next.touched = true; // it was asked for
  open(next, true);
}

const verdictOf = (item) => item.querySelector("summary .hint").textContent;

lastWord.querySelector("button").addEventListener("click", () => {
  open(judged, true);
  judged.querySelector(".undo").click();
  lastWord.hidden = true;
});
