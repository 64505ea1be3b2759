// The history's filters count days by the visitor's clock; files say how far they are, or why there is none.

import { call, download, newKey, upload } from "./api.js";
import { dayOf, offset, timeZone } from "./days.js";
import { element } from "./dom.js";
import { rememberList } from "./neighbours.js";
import { explain, t } from "./texts.js";
import { onTruth } from "./truth.js";
import { stateOf, summary, verdictLine } from "./words.js";

const filters = document.getElementById("filters");
// On a phone the list comes first.
if (matchMedia("(max-width: 48rem)").matches) filters.closest("details").open = false;
filters.zone.value = offset;
// An address with the conditions that were chosen, and without the empty ones, can be read and passed on.
filters.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  if (!formData.has("since") && !formData.has("until")) formData.delete("zone");
});

document.getElementById("today").href = `/history?${new URLSearchParams({ since: dayOf(new Date()), zone: offset })}`;
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
const report = document.getElementById("report");
const zone = new URLSearchParams({ time_zone: timeZone });

/** The filter, with the language that is chosen and the visitor's time zone. */
function query() {
  const wanted = new URLSearchParams(report.dataset.filter);
  wanted.set("lang", report.elements.lang.value);
  return `${wanted}&${zone}`;
}

document.getElementById("exports")?.addEventListener("click", async (event) => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  words.textContent = t("history.exporting");
  try {
    const { address, name } = await download(`${link.pathname}?${query()}`);
    element("a", { href: address, download: name }).click();
    words.textContent = "";
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  } catch (problem) {
    words.textContent = explain(problem);
  }
});

const LOOK_MS = 1000;
const progress = document.getElementById("report-progress");
const file = document.getElementById("report-file");
const block = (blocked) => report.querySelectorAll("button").forEach((button) => (button.disabled = blocked));

/** Show how far a report is until it has ended: the service goes on with it, whether somebody looks or not. */
async function follow(id) {
  try {
    const told = await call("GET", `/v1/reports/${id}`);
    const ended = told.state === "finished" || told.state === "failed";
    progress.hidden = ended;
    if (told.total) progress.value = told.done / told.total;
    else progress.removeAttribute("value");
    words.textContent = told.problem ? explain(told.problem) : t(`history.report.${told.state}`, told);
    file.hidden = told.state !== "finished";
    file.firstElementChild.href = `/v1/reports/${id}/file`;
    block(!ended);
    if (!ended) setTimeout(() => follow(id), LOOK_MS);
  } catch (problem) {
    // Without network the report goes on: look again, later.
    words.textContent = explain(problem);
    if (problem.passes) setTimeout(() => follow(id), 5 * LOOK_MS);
    else {
      progress.hidden = true;
      block(false);
    }
  }
}

report?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new FormData();
  body.append("title", report.elements.title.value);
  const [logo] = report.elements.logo.files;
  if (logo) body.append("logo", logo);
  block(true);
  file.hidden = true;
  try {
    const { id } = await upload(`/v1/reports?format=${event.submitter.value}&${query()}`, body, newKey(), () => {});
    follow(id);
  } catch (problem) {
    words.textContent = explain(problem);
    block(false);
  }
});
if (report) block(false);
if (report?.dataset.report) follow(report.dataset.report);
