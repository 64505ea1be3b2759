// Sending support photos, and what the service says of them.

import { newKey, Problem, upload } from "./api.js";
import { element, tell } from "./dom.js";
import { explain, named, t } from "./texts.js";

/**
 * Make a form send its photos and fields to `address`; `onDone` gets the answer. Pressed again after a lost connection,
 * it is the same request under the same key: nothing is registered twice.
 */
export function supportForm(form, field, address, fieldsOf, onDone) {
  const problem = form.querySelector(".problem");
  const progress = form.querySelector("progress");
  const button = form.querySelector("button.primary");
  let key = newKey();
  let sent = [];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.entries({ ...fieldsOf(), ...field.fields() }).filter(([, value]) => value);
    const content = [...fields.flat(), ...field.photos()];
    if (content.length !== sent.length || content.some((each, place) => each !== sent[place])) key = newKey();
    sent = content;
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value);
    for (const { photo, filename } of field.photos()) body.append("photos", photo, filename);
    tell(problem, "");
    button.disabled = true;
    progress.hidden = false;
    try {
      const answer = await upload(address, body, key, (share) => (progress.value = share));
      sent = [];
      onDone(answer);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(problem, explain(error));
      showOutcomes(form.querySelector(".outcomes"), error.errors ?? []);
    } finally {
      button.disabled = false;
      progress.hidden = true;
    }
  });
}

/** List the photos that were not taken, and why; of a box that does not fit, what the service says. */
export function showOutcomes(list, outcomes) {
  const lines = outcomes
    .map((each, place) => ({ ...each, number: place + 1 }))
    .filter((each) => (each.status && each.status !== "accepted") || each.field === "body.regions")
    .map(({ number, filename, status, problem, fault }) => {
      if (fault) return element("li", { className: "warning", textContent: fault });
      const reason = status === "duplicate" ? t("photos.duplicate") : explain(problem);
      return element("li", { className: "warning", textContent: `${t("photos.numbered", { number, filename })}: ${reason}` });
    });
  list?.replaceChildren(...lines);
}

export function showReport(place, report) {
  const warnings = report?.warnings ?? [];
  place.querySelector(".recall").textContent = report?.recall
    ? t("report.recall", { percent: Math.round(100 * report.recall.value), photos: report.recall.photos })
    : t("report.no_recall");
  place.querySelector(".warnings").replaceChildren(
    ...warnings.map(({ code, defect_class: other, examples }) =>
      element("li", {
        className: "warning",
        textContent: t(`warning.${code}`, {
          name: other ? named(other) : "",
          photos: examples.map((each) => t("photos.numbered", each)).join(", "),
        }),
      }),
    ),
  );
  place.querySelector(".praise").hidden = warnings.length > 0;
}
