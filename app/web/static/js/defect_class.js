// The page of one class: edit it, add and remove examples, remove it.

import { call } from "./api.js";
import { tell } from "./dom.js";
import { photosField } from "./photos_field.js";
import { showOutcomes, supportForm } from "./support.js";
import { explain, named, t } from "./texts.js";

const { id } = document.getElementById("defect-class").dataset;
const heading = document.querySelector("h1");
const address = `/v1/defect-classes/${id}`;

const edit = document.getElementById("edit");
const save = edit.querySelector("button.primary");
const saved = edit.querySelector(".saved");
save.disabled = false;
edit.addEventListener("input", () => (saved.textContent = ""));
edit.addEventListener("submit", async (event) => {
  event.preventDefault();
  tell(edit.querySelector(".problem"), "");
  const { title_ko, title_en, name, description, severity, threshold } = Object.fromEntries(new FormData(edit));
  const change = {
    title_ko,
    title_en,
    name,
    description,
    severity: severity || null,
    threshold: threshold === "" ? null : Number(threshold),
  };
  try {
    const answer = await call("PATCH", address, change);
    saved.textContent = t("answer.saved");
    heading.textContent = named(answer);
  } catch (problem) {
    tell(edit.querySelector(".problem"), explain(problem));
  }
});

const add = document.getElementById("add");
const field = photosField(add, () => (add.querySelector("button.primary").disabled = !field.ready()));
supportForm(add, field, `${address}/support-photos`, () => ({}), (answer) => {
  field.clear();
  const refused = answer.photos.some((each) => each.status !== "accepted");
  showOutcomes(add.querySelector(".outcomes"), answer.photos);
  // The page shows the new examples and the new report; a refusal must be read first.
  if (!refused) location.reload();
});

const sure = document.getElementById("sure");
let pending = () => {};

/** Ask before something is lost; `action` runs after a yes. */
function ask(question, consequence, action) {
  sure.querySelector("h2").textContent = question;
  sure.querySelector("p").textContent = consequence;
  pending = action;
  sure.returnValue = "";
  sure.showModal();
}
sure.addEventListener("close", () => sure.returnValue === "remove" && pending());

document.getElementById("examples").addEventListener("click", (event) => {
  const button = event.target.closest("button.remove");
  if (!button) return;
  const { id: photo } = button.closest("li").dataset;
  ask(t("class.remove_example.sure"), t("class.remove_example.hint"), async () => {
    try {
      await call("DELETE", `/v1/support-photos/${photo}`);
      location.reload();
    } catch (problem) {
      tell(add.querySelector(".problem"), explain(problem));
    }
  });
});

document.getElementById("remove").addEventListener("click", () =>
  ask(t("class.remove.sure", { name: heading.textContent }), t("class.remove.hint"), async () => {
    try {
      await call("DELETE", address);
      location.assign("/catalog");
    } catch (problem) {
      tell(document.getElementById("remove-problem"), explain(problem));
    }
  }),
);

// Until here a press would have been lost.
for (const button of document.querySelectorAll("#examples button, #remove")) button.disabled = false;
