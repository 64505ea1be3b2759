// How a catalog looks at photos, chosen by whoever looks after it.

import { call } from "./api.js";
import { tell } from "./dom.js";
import { catalog, explain, t } from "./texts.js";

const form = document.getElementById("mode");
const saved = form.querySelector(".saved");
form.querySelector("button").disabled = false;
form.addEventListener("input", () => (saved.textContent = ""));
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  tell(form.querySelector(".problem"), "");
  try {
    await call("PATCH", `/v1/catalogs/${encodeURIComponent(catalog)}`, { mode: form.mode.value || null });
    saved.textContent = t("answer.saved");
  } catch (problem) {
    tell(form.querySelector(".problem"), explain(problem));
  }
});
