// What a team has found: numbers, each of which opens the list behind it.

import { call } from "./api.js";
import { dayOf, offset, timeZone } from "./days.js";
import { element, tell } from "./dom.js";
import { explain, t, titles } from "./texts.js";

const place = document.getElementById("counts");

/** The history's own filter for what was counted; its days begin where the visitor is. */
function address({ since, ...conditions }) {
  const wanted = new URLSearchParams(conditions);
  if (since) {
    wanted.set("since", dayOf(new Date(since)));
    wanted.set("zone", offset);
  }
  return `/history?${wanted}`;
}

const NAMES = {
  by_person: ({ name }) => name,
  by_class: ({ name, conditions }) => titles[conditions.defect_class_id] ?? name ?? t("answer.neither"),
  by_place: ({ name }) => name || t("team.no_place"),
  by_status: ({ name }) => t(`status.${name}`),
};

function line(name, { classifications, conditions }) {
  const number = element("strong", { textContent: classifications });
  const words = element("span", { textContent: name });
  return element("li", {}, element("a", { href: address(conditions) }, words, number));
}

try {
  const { period } = place.dataset;
  const wanted = new URLSearchParams({ time_zone: timeZone, ...(period === "all" ? {} : { period }) });
  const counts = await call("GET", `/v1/classifications/counts?${wanted}`);
  document
    .getElementById("figures")
    .replaceChildren(...["total", "not_judged", "disagreement"].map((each) => line(t(`team.${each}`), counts[each])));
  for (const [each, nameOf] of Object.entries(NAMES)) {
    document.getElementById(each).replaceChildren(...counts[each].map((count) => line(nameOf(count), count)));
  }
} catch (problem) {
  tell(document.getElementById("trouble"), explain(problem));
} finally {
  place.ariaBusy = "false";
}
