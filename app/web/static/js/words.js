// What an answer and the inspector's word come to, in words. The person's word wins; the machine's stands beside it.

import { named, percent, t, titles } from "./texts.js";

/** What the service answered, on its own. */
function machine({ sound, unknown, predictions }) {
  if (sound) return t("answer.sound");
  return unknown ? t("answer.unknown") : named(predictions[0].defect_class);
}

/** Whether the inspector said the same as the answer. */
export function agrees({ feedback, sound, unknown }) {
  if (sound) return ["sound", "unknown"].includes(feedback?.verdict); // "unknown" was the only word for it once
  return feedback?.verdict === (unknown ? "unknown" : "confirmed");
}

/** "open" where nobody has judged it, else "right" or "corrected"; an open one may be "unsure". */
export function stateOf(answer) {
  if (answer.feedback) return agrees(answer) ? "right" : "corrected";
  const isSure = answer.sound || (!answer.unknown && answer.predictions[0].probability >= 0.5);
  return isSure ? "open" : "unsure";
}

/** What the photo shows: the inspector's word where there is one, else the answer. */
export function finding(answer) {
  const { feedback, sound, predictions } = answer;
  if (!feedback) return machine(answer);
  if (feedback.verdict === "sound" || (feedback.verdict === "unknown" && sound)) return t("answer.sound");
  if (feedback.verdict === "unknown") return t("answer.neither");
  const id = feedback.verdict === "confirmed" ? predictions[0].defect_class.id : feedback.defect_class_id;
  const known = predictions.find(({ defect_class: each }) => each.id === id);
  return known ? named(known.defect_class) : (titles[id] ?? feedback.defect_class_name);
}

/** One line that says what the photo shows, and how sure that is where nobody has judged it. */
export function summary(answer) {
  const { feedback, sound, unknown, predictions } = answer;
  const isNumber = !feedback && !sound && !unknown;
  return isNumber ? `${finding(answer)} ${percent(predictions[0].probability)}` : finding(answer);
}

/** One line about the inspector's word, or nothing. */
export function verdictLine(answer) {
  const { feedback } = answer;
  if (!feedback) return "";
  const said = agrees(answer) ? t("verdict.confirmed") : t("verdict.corrected", { answer: machine(answer) });
  return feedback.actor_id ? `${said} (${feedback.actor})` : said;
}
