// The answer to one photo: what it shows, how sure, where in the picture, compared with what; and the inspector's word.

import { all, call, download } from "./api.js";
import { copy, element, tell, thumbnail } from "./dom.js";
import { showRegions } from "./regions.js";
import { alsoNamed, explain, moment, named, percent, t } from "./texts.js";

const SIDE = 1024; // the heat map's longest side

/** The card of a classification. `onChange` hears the classification after each change; `preview` is a Blob. */
export function answerCard(classification, { preview = null, onChange = () => {} } = {}) {
  const card = copy("answer-card");
  const state = { classification };
  const changed = (fields) => {
    Object.assign(state.classification, fields);
    onChange(state.classification);
  };
  showPicture(card, classification, preview);
  showHeadline(card, classification);
  showRegions(card, classification.regions ?? []); // a phone may still show an answer from before there were any
  showBars(card, classification);
  showNearest(card, classification);
  showFacts(card, classification);
  judging(card, classification, changed);
  remarks(card, classification, changed);
  const own = card.querySelector(".own");
  own.hidden = location.pathname === `/classifications/${classification.id}`;
  own.firstElementChild.href = `/classifications/${classification.id}`;
  return card;
}

/** One line that says what came out. */
export function summary({ sound, unknown, predictions }) {
  if (sound) return t("answer.sound");
  if (unknown) return t("answer.unknown");
  return `${named(predictions[0].defect_class)} ${percent(predictions[0].probability)}`;
}

/** One line about the inspector's word, or nothing. */
export function verdictLine({ feedback, predictions, sound }) {
  if (!feedback) return "";
  if (feedback.verdict === "unknown") return t(sound ? "verdict.sound" : "verdict.unknown");
  if (feedback.verdict === "confirmed") return t("verdict.confirmed", { name: named(predictions[0].defect_class) });
  const known = predictions.find(({ defect_class: each }) => each.id === feedback.defect_class_id);
  return t("verdict.corrected", { name: known ? named(known.defect_class) : feedback.defect_class_name });
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

function showHeadline(card, { sound, unknown, predictions, threshold }) {
  const [first] = predictions;
  const kicker = card.querySelector(".kicker");
  const severity = card.querySelector(".severity");
  card.querySelector(".register-hint").hidden = !unknown;
  if (sound) {
    card.classList.add("sound");
    kicker.textContent = t("answer.kicker.sound");
    card.querySelector(".name").textContent = t("answer.sound");
    tell(card.querySelector(".explanation"), t("answer.sound.explanation"));
    return;
  }
  card.classList.toggle("unknown", unknown);
  kicker.textContent = t(unknown ? "answer.kicker.unknown" : "answer.kicker");
  card.querySelector(".name").textContent = unknown ? t("answer.unknown") : named(first.defect_class);
  card.querySelector(".also").textContent = unknown ? "" : alsoNamed(first.defect_class);
  if (unknown) {
    const figures = { name: named(first.defect_class), similarity: first.similarity.toFixed(2) };
    tell(
      card.querySelector(".explanation"),
      t("answer.unknown.explanation", { ...figures, threshold: threshold.toFixed(2) }),
    );
  } else if (first.defect_class.severity) {
    tell(severity, t(`severity.${first.defect_class.severity}`));
    severity.classList.add("chip", first.defect_class.severity);
  }
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
        element("span", { className: "of", textContent: named(each) }),
        element("span", { className: "share", textContent: percent(probability) }),
        element("meter", { max: 1, value: probability, ariaLabel: named(each) }),
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

function judging(card, classification, changed) {
  const said = card.querySelector(".said");
  const buttons = { confirmed: ".confirm", corrected: ".correct", unknown: ".neither" };
  const button = (verdict) => card.querySelector(buttons[verdict]);
  const form = card.querySelector(".correction");
  const choice = form.querySelector("select");
  const first = named(classification.predictions[0].defect_class);
  if (classification.sound) {
    button("confirmed").hidden = true; // it would mean the class that comes first
    button("unknown").lastElementChild.textContent = t("answer.sound.confirm");
    button("unknown").firstElementChild.replaceWith(button("confirmed").firstElementChild);
    button("confirmed").after(button("unknown"));
  }
  button("confirmed").lastElementChild.textContent = t(
    classification.unknown ? "answer.confirm.name" : "answer.confirm",
    { name: first },
  );

  const show = () => {
    for (const verdict of Object.keys(buttons)) {
      button(verdict).ariaPressed = String(classification.feedback?.verdict === verdict);
    }
    const line = verdictLine(classification);
    said.textContent = line && classification.feedback.support_photo_id ? `${line} ${t("verdict.learned")}` : line;
  };
  show();

  const say = async (feedback) => {
    card.querySelectorAll(".judge button").forEach((each) => (each.disabled = true));
    try {
      const answer = await call("POST", `/v1/classifications/${classification.id}/feedback`, feedback);
      form.hidden = true;
      button("corrected").ariaExpanded = "false";
      changed({ feedback: answer });
      show();
    } catch (problem) {
      said.textContent = explain(problem);
    } finally {
      card.querySelectorAll(".judge button").forEach((each) => (each.disabled = false));
    }
  };

  button("confirmed").addEventListener("click", () => say({ verdict: "confirmed" }));
  button("unknown").addEventListener("click", () => say({ verdict: "unknown" }));
  button("corrected").addEventListener("click", async () => {
    form.hidden = !form.hidden;
    button("corrected").ariaExpanded = String(!form.hidden);
    if (form.hidden) return;
    try {
      await offer(choice, classification);
      choice.focus();
    } catch (problem) {
      form.hidden = true;
      said.textContent = explain(problem);
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const learn = form.querySelector("input[type=checkbox]").checked;
    say({ verdict: "corrected", defect_class_id: choice.value, add_to_support: learn });
  });
}

/** Fill a choice with the catalog's classes, except the one that was predicted. */
async function offer(choice, { catalog, predictions, unknown, sound }) {
  const classes = await all(`/v1/catalogs/${encodeURIComponent(catalog)}/defect-classes`);
  const others = classes.filter((each) => unknown || sound || each.id !== predictions[0].defect_class.id);
  const options = others.map((each) => element("option", { value: each.id, textContent: named(each) }));
  choice.replaceChildren(element("option", { value: "", textContent: t("answer.choose") }), ...options);
}

function remarks(card, classification, changed) {
  const form = card.querySelector(".remarks");
  const saved = form.querySelector(".saved");
  form.note.value = classification.note;
  form.place.value = classification.place;
  form.addEventListener("input", () => (saved.textContent = ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wanted = { note: form.note.value, place: form.place.value };
    try {
      const answer = await call("PATCH", `/v1/classifications/${classification.id}`, wanted);
      changed({ note: answer.note, place: answer.place });
      saved.textContent = t("answer.saved");
    } catch (problem) {
      saved.textContent = explain(problem);
    }
  });
}
