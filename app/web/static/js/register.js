// Registering a defect class.

import { photosField } from "./photos_field.js";
import { showOutcomes, showReport, supportForm } from "./support.js";
import { catalog, named, t } from "./texts.js";

const MOST = 100; // characters of a name
const form = document.getElementById("register");
const done = document.getElementById("registered");
const button = form.querySelector("button.primary");
const title = (language) => form[`title_${language}`].value.trim();

const ready = () => (button.disabled = !field.ready() || !(title("ko") || title("en")));
const field = photosField(form, () => ready());
form.addEventListener("input", ready);
ready();

/** A sound surface has no severity, and no box: all of the photo is an example. */
function showKind() {
  const isSound = form.kind.value === "sound";
  field.takeWhole(isSound);
  form.severity.closest("label").hidden = document.getElementById("photos-hint").hidden = isSound;
  document.getElementById("kind-hint").hidden = !isSound;
}
form.kind.addEventListener("change", showKind);
showKind(); // the browser may have kept a choice

supportForm(
  form,
  field,
  `/v1/catalogs/${catalog}/defect-classes`,
  () => ({
    // The name programs use; whoever needs another one changes it on the class's page.
    name: (title("en") || title("ko")).slice(0, MOST),
    title_ko: title("ko"),
    title_en: title("en"),
    kind: form.kind.value,
    severity: form.kind.value === "sound" ? "" : form.severity.value,
  }),
  (answer) => {
    form.hidden = true;
    done.hidden = false;
    done.querySelector(".registered-name").textContent = t("registered.name", {
      name: named(answer),
      count: answer.shots,
    });
    showOutcomes(done.querySelector(".outcomes"), answer.photos);
    showReport(done, answer.support_report);
    document.getElementById("registered-link").href = `/catalog/${answer.id}`;
    done.focus();
  },
);
