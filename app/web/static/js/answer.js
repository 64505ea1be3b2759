// The answer to one photo: what it shows, how sure, where in the picture, compared with what; and the inspector's word.

import { download } from "./api.js";
import { deleting } from "./deleting.js";
import { copy, element, tell, thumbnail } from "./dom.js";
import { judging } from "./judging.js";
import { lightbox } from "./lightbox.js";
import { regions } from "./regions.js";
import { remarks } from "./remarks.js";
import { alsoNamed, explain, moment, named, percent, t } from "./texts.js";
import { onTruth } from "./truth.js";
import { finding, stateOf } from "./words.js";

const SIDE = 1024; // the heat map's longest side

/** The card of a classification, as it is now and as it becomes. `preview` is a Blob; `onJudged` hears of each word. */
export function answerCard(classification, { preview = null, onJudged = () => {} } = {}) {
  const card = copy("answer-card");
  const answer = { ...classification };
  showPicture(card, answer, preview);
  showBars(card, answer);
  showNearest(card, answer);
  showFacts(card, answer);
  const views = [
    showHeadline.bind(null, card),
    regions(card, answer, lightbox(card, answer)),
    judging(card, answer, onJudged),
    remarks(card, answer),
  ];
  const show = () => views.forEach((view) => view(answer));
  show();
  const end = onTruth((truth) => {
    if (truth.id !== answer.id) return;
    if (!card.isConnected) return end(); // folded away and forgotten
    Object.assign(answer, truth);
    show();
  });
  deleting(card, answer);
  const own = card.querySelector(".own");
  own.hidden = location.pathname === `/classifications/${answer.id}`;
  own.firstElementChild.href = `/classifications/${answer.id}`;
  return card;
}

function showPicture(card, { id, photo, predictions }, preview) {
  const image = card.querySelector(".photo");
  const heat = card.querySelector(".heat");
  const slider = card.querySelector(".slider");
  const problemPlace = card.querySelector(".heat-problem");
  image.width = photo.width;
  image.height = photo.height;
  if (preview) {
    const address = URL.createObjectURL(preview);
    image.src = address; // until the large one is there, and where there is no network
    const large = new Image();
    large.onload = () => {
      image.src = large.src;
      URL.revokeObjectURL(address);
    };
    large.src = thumbnail(photo.id, SIDE);
  } else image.src = thumbnail(photo.id, SIDE);
  const range = slider.querySelector("input");
  const fade = () => (heat.style.opacity = range.value / 100);
  range.addEventListener("input", fade);
  const check = card.querySelector(".show-heat");
  // Drawing it costs the service as much as an answer: only for whoever asks.
  const load = async () => {
    tell(problemPlace, "");
    try {
      heat.src = (await download(`/v1/classifications/${id}/heatmap.png?overlay=true`)).address;
      heat.alt = t("answer.heat.alt", { name: named(predictions[0].defect_class) });
      fade();
    } catch (problem) {
      check.checked = false;
      tell(problemPlace, explain(problem));
    }
    heat.hidden = slider.hidden = !check.checked;
  };
  check.addEventListener("change", () => {
    if (check.checked && !heat.src) load();
    else heat.hidden = slider.hidden = !check.checked;
  });
}

function showHeadline(card, answer) {
  const { feedback, sound, unknown, predictions, threshold } = answer;
  const first = predictions[0].defect_class;
  const state = stateOf(answer);
  card.dataset.state = state;
  card.classList.toggle("sound", sound === true);
  card.classList.toggle("unknown", unknown && !sound);
  card.querySelector(".name").textContent = finding(answer);
  card.querySelector(".sureness").textContent = feedback || unknown ? "" : percent(predictions[0].probability);
  card.querySelector(".kicker").textContent = t(`answer.state.${state}`);
  const isFirst = feedback ? feedback.verdict === "confirmed" : !unknown;
  card.querySelector(".also").textContent = isFirst ? alsoNamed(first) : "";
  card.querySelector(".register-hint").hidden = !unknown || sound === true;
  tell(card.querySelector(".explanation"), feedback ? "" : explanationOf({ first, sound, unknown, predictions, threshold }));
  const severity = card.querySelector(".severity");
  severity.className = "severity";
  if (isFirst && first.severity) severity.classList.add("chip", first.severity);
  tell(severity, isFirst && first.severity ? t(`severity.${first.severity}`) : "");
}

function explanationOf({ first, sound, unknown, predictions, threshold }) {
  if (sound) return t("answer.sound.explanation");
  if (!unknown) return "";
  const similarity = predictions[0].similarity.toFixed(2);
  return t("answer.unknown.explanation", { name: named(first), similarity, threshold: threshold.toFixed(2) });
}

function showBars(card, { predictions, regions, sound }) {
  // How the classes would share what is not there says nothing.
  card.querySelector(".bars").hidden = sound === true;
  card.querySelector(".bars-of").hidden = !regions?.length;
  card.querySelector(".bars").replaceChildren(
    ...predictions.map(({ defect_class: each, probability }) =>
      element(
        "li",
        {},
        element(
          "button",
          { type: "button", title: t("answer.is", { name: named(each) }) },
          element("span", { className: "of", textContent: named(each) }),
          element("span", { className: "share", textContent: percent(probability) }),
          element("meter", { max: 1, value: probability, ariaLabel: named(each) }),
        ),
      ),
    ),
  );
}

function showNearest(card, { nearest, predictions }) {
  const names = new Map(predictions.map(({ defect_class: each }) => [each.id, named(each)]));
  card.querySelector(".near").hidden = !nearest.length;
  card.querySelector(".nearest").replaceChildren(
    ...nearest.map((example) =>
      element(
        "li",
        {},
        element("img", { src: thumbnail(example.photo_id, 240), alt: "", loading: "lazy" }),
        element("span", { textContent: names.get(example.defect_class_id) }),
        element("span", {
          className: "hint",
          textContent: t("answer.similarity", { similarity: example.similarity.toFixed(2) }),
        }),
      ),
    ),
  );
}

function showFacts(card, { photo, actor, actor_id: key, created_at: createdAt, catalog, catalog_version: version }) {
  const facts = [
    [t("facts.answered"), moment(createdAt)],
    // A phone may still show an answer from before this was kept.
    actor && [t("facts.sent_by"), key === null && actor === "unknown" ? t("facts.not_known") : actor],
    photo.taken_at && [t("facts.taken"), moment(photo.taken_at)],
    photo.latitude !== null && [t("facts.position"), `${photo.latitude.toFixed(5)}, ${photo.longitude.toFixed(5)}`],
    [t("facts.file"), photo.filename],
    [t("facts.catalog"), t("facts.catalog.version", { catalog, version })],
  ].filter(Boolean);
  const rows = facts.flatMap(([term, text]) => [
    element("dt", { textContent: term }),
    element("dd", { textContent: text }),
  ]);
  card.querySelector(".facts").replaceChildren(...rows);
}
