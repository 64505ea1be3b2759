// Note and place of an answer. What is typed saves itself, and says so.

import { draftOf, onDraft, save, write } from "./drafts.js";
import { say } from "./dom.js";
import { explain, t } from "./texts.js";

/** Wire the form of a card; gives what shows the truth in it. */
export function remarks(card, classification) {
  const { id } = classification;
  const form = card.querySelector(".remarks");
  const saved = form.querySelector(".saved");
  const fields = [form.note, form.place];
  for (const field of fields) {
    field.addEventListener("input", () => {
      say(saved, t("answer.saving"));
      write(id, { [field.name]: field.value });
    });
    field.addEventListener("change", () => save(id));
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(id);
  });
  onDraft((draft) => {
    if (draft.id !== id) return;
    if (draft.state === "saved") say(saved, t("answer.saved"));
    if (draft.state === "waiting") say(saved, t("answer.kept"));
    if (draft.state === "refused") say(saved, explain(draft.problem), { failed: true });
  });
  return (answer) => {
    const draft = draftOf(id);
    for (const field of fields) {
      // Never under somebody's fingers.
      if (document.activeElement !== field) field.value = draft[field.name] ?? answer[field.name];
    }
  };
}
