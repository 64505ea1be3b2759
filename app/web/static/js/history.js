// The history's filters count days by the visitor's clock; files say how far they are, or why there is none.

import { download } from "./api.js";
import { element } from "./dom.js";
import { rememberList } from "./neighbours.js";
import { explain, t } from "./texts.js";
import { onTruth } from "./truth.js";
import { stateOf, summary, verdictLine } from "./words.js";

const filters = document.getElementById("filters");
const minutes = -new Date().getTimezoneOffset();
const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
filters.zone.value = `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
// An address with the conditions that were chosen, and without the empty ones, can be read and passed on.
filters.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  if (!formData.has("since") && !formData.has("until")) formData.delete("zone");
});

// What is judged on another page is judged here.
const lines = new Map([...document.querySelectorAll(".history li")].map((line) => [line.dataset.id, line]));
rememberList([...lines.keys()]);
onTruth((answer) => {
  const line = lines.get(answer.id);
  if (!line) return;
  line.dataset.state = stateOf(answer);
  line.querySelector(".line").textContent = summary(answer);
  line.querySelector(".verdict").textContent = verdictLine(answer);
  line.querySelector(".place").textContent = answer.place;
  line.querySelector(".note").textContent = answer.note;
});
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

const words = document.getElementById("exporting");
document.getElementById("exports")?.addEventListener("click", async (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  const zone = new URLSearchParams({ time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC" });
  words.textContent = t("history.exporting");
  try {
    const { address, name } = await download(`${link.href}&${zone}`);
    element("a", { href: address, download: name }).click();
    words.textContent = "";
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (problem) {
    words.textContent = explain(problem);
  }
});
