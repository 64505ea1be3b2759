// What a region is by the newest word on it: where it is, what it shows, and how that is said.

import { named, percent, t, titles } from "./texts.js";

const sides = ({ x, y, w, h }) => ({ x, y, w, h });

/**
 * Every region of an answer, those that were answered first: {number, answered or null, word or null, box}. A phone may
 * still show an answer from before there were any.
 */
export function regionsOf({ regions, added_regions: added }) {
  const answered = (regions ?? []).map((region, place) => {
    const word = region.feedback ?? null;
    return { number: place + 1, answered: region, word, box: sides(word?.box ?? region) };
  });
  return [...answered, ...(added ?? []).map((word) => ({ number: word.region, answered: null, word, box: sides(word.box) }))];
}

/** The parts of an answer that a new word on a region changes. */
export function withWord({ regions, added_regions: added }, word) {
  if (word.region <= (regions?.length ?? 0)) {
    return { regions: regions.map((each, place) => (place + 1 === word.region ? { ...each, feedback: word } : each)) };
  }
  const others = (added ?? []).filter((each) => each.region !== word.region);
  return { added_regions: [...others, word].sort((one, other) => one.region - other.region) };
}

/** What is to be sent for a region to be again what it was; nothing where no word can say that. */
export function wordBack(before, { verdict }) {
  if (!before) return { verdict: "not-a-defect" }; // it was added
  const { word, box } = before;
  if (!word) return verdict === "moved" ? { verdict, box } : null;
  if (word.verdict === "confirmed" || word.verdict === "not-a-defect") return { verdict: word.verdict };
  return word.defect_class_id && { verdict: "moved", box, defect_class_id: word.defect_class_id };
}

/** How sure the answer is that a region shows its first class. */
const sureness = ({ defect, predictions }) => defect * predictions[0].probability;

const machine = ({ unknown, predictions }) => (unknown ? t("answer.unknown") : named(predictions[0].defect_class));

export const isNothing = ({ word }) => word?.verdict === "not-a-defect";

export const isUnsure = ({ answered, word }) => !word && (answered.unknown || sureness(answered) < 0.5);

/** The id of the class that a region shows; none where it is unknown, or no defect. */
export function classOf({ answered, word }) {
  if (word) return word.defect_class_id;
  return answered.unknown ? null : answered.predictions[0].defect_class.id;
}

export function nameOf(region) {
  const { answered, word } = region;
  if (!word) return machine(answered);
  if (isNothing(region)) return t("region.nothing");
  const first = answered?.predictions[0].defect_class;
  if (first && first.id === word.defect_class_id) return named(first);
  return titles[word.defect_class_id] ?? word.defect_class_name;
}

/** How sure that is, where nobody has judged it. */
export const shareOf = ({ answered, word }) => (word || answered.unknown ? "" : percent(sureness(answered)));

/** What stands behind it: how the answer came to it, or what was said of it and by whom. */
export function groundsOf({ answered, word }) {
  if (!word) {
    const [{ defect_class: first, probability }] = answered.predictions;
    const facts = { defect: percent(answered.defect), name: named(first), percent: percent(probability) };
    return t(answered.unknown ? "region.unknown" : "region.sureness", facts);
  }
  const said = answered && word.verdict !== "confirmed" && word.verdict !== "moved";
  const line = said ? t("verdict.corrected", { answer: machine(answered) }) : t(`region.said.${saidOf(word)}`);
  return word.actor_id ? `${line} (${word.actor})` : line;
}

const saidOf = ({ verdict }) => (verdict === "confirmed" || verdict === "moved" ? verdict : "added");
