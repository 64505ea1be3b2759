// The inspector's word on an answer: one tap, and taken back by another.

import { call } from "./api.js";
import { say } from "./dom.js";
import { recall, remember } from "./memory.js";
import { owner } from "./owner.js";
import { askTruth, tellTruth } from "./truth.js";
import { curates, explain, named, t } from "./texts.js";
import { defectTypes, offer } from "./types.js";
import { verdictLine } from "./words.js";

const BUTTONS = { confirmed: ".confirm", corrected: ".correct", sound: ".is-sound", unknown: ".neither" };

/** Wire the verdicts of a card; gives what shows the truth in them. `onJudged` hears that a word was given. */
export function judging(card, classification, onJudged) {
  const { id, sound, unknown, predictions } = classification;
  const said = card.querySelector(".said");
  const undo = card.querySelector(".undo");
  const learn = card.querySelector(".learn input");
  const chooser = card.querySelector(".chooser");
  const button = (verdict) => card.querySelector(BUTTONS[verdict]);
  const taps = [...card.querySelectorAll(".judge button, .bars button")];
  const first = predictions[0].defect_class;
  let feedback = null;

  if (learn) {
    learn.checked = recall("learn") !== "no";
    learn.addEventListener("change", () => remember("learn", learn.checked ? "yes" : "no"));
  }
  if (sound) {
    button("confirmed").hidden = true; // it would mean the class that comes first
    button("sound").lastElementChild.textContent = t("answer.sound.confirm");
    button("confirmed").after(button("sound"));
  }
  if (unknown && !sound) button("confirmed").lastElementChild.textContent = t("answer.confirm.name", { name: named(first) });

  const busy = async (work) => {
    const buttons = taps.filter((each) => !each.disabled);
    buttons.forEach((each) => (each.disabled = true));
    try {
      await work();
    } catch (problem) {
      say(said, explain(problem), { failed: true });
    } finally {
      buttons.forEach((each) => (each.disabled = false));
    }
  };

  const give = (wanted) =>
    busy(async () => {
      const answer = await call("POST", `/v1/classifications/${id}/feedback`, wanted);
      close();
      tellTruth({ ...classification, feedback: answer });
      onJudged();
    });

  const correct = (defectClass) =>
    give({ verdict: "corrected", defect_class_id: defectClass.id, add_to_support: Boolean(learn?.checked) });

  const close = () => {
    chooser.hidden = true;
    button("corrected").ariaExpanded = "false";
  };

  button("confirmed").addEventListener("click", () => give({ verdict: "confirmed" }));
  button("sound").addEventListener("click", () => give({ verdict: "sound" }));
  button("unknown").addEventListener("click", () => give({ verdict: "unknown" }));
  button("corrected").addEventListener("click", async () => {
    if (!chooser.hidden) return close();
    await busy(async () => {
      offer(chooser, await others(classification), correct);
      chooser.hidden = false;
      button("corrected").ariaExpanded = "true";
      chooser.scrollIntoView({ block: "nearest" });
      chooser.querySelector("input:not([hidden]), button")?.focus({ preventScroll: true });
    });
  });
  card.querySelectorAll(".bars button").forEach((bar, place) =>
    bar.addEventListener("click", () =>
      place === 0 ? give({ verdict: "confirmed" }) : correct(predictions[place].defect_class),
    ),
  );
  undo.addEventListener("click", () =>
    busy(async () => {
      await call("DELETE", `/v1/classifications/${id}/feedback/${feedback.id}`);
      if (feedback.support_photo_id && curates) await call("DELETE", `/v1/support-photos/${feedback.support_photo_id}`);
      await askTruth(id);
    }),
  );

  return (answer) => {
    feedback = answer.feedback;
    classification.feedback = feedback;
    for (const verdict of Object.keys(BUTTONS)) button(verdict).ariaPressed = String(feedback?.verdict === verdict);
    const line = verdictLine(answer);
    say(said, line && feedback.support_photo_id ? `${line}. ${t("verdict.learned")}` : line);
    undo.hidden = !feedback || !(curates || (feedback.actor_id ?? "") === owner);
  };
}

/** The types of defects, except the one that was predicted. */
async function others({ catalog, predictions, unknown, sound }) {
  const isOther = (each) => unknown || sound || each.id !== predictions[0].defect_class.id;
  return (await defectTypes(catalog)).filter(isOther);
}
