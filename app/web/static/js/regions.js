// Where in the photo the defects are: boxes over it, and the same as a list. One of either shows the other.

import { boxAt, placeBox } from "./boxes.js";
import { element } from "./dom.js";
import { named, percent, t } from "./texts.js";

const PLACES = ["above", "at-top", "at-bottom"];

/** How sure the answer is that a region shows its first class. */
const sureness = ({ defect, predictions }) => defect * predictions[0].probability;
const isUnsure = (region) => region.unknown || sureness(region) < 0.5;
const nameOf = (region) => (region.unknown ? t("answer.unknown") : named(region.predictions[0].defect_class));
const shareOf = (region) => (region.unknown ? "" : percent(sureness(region)));

/** Draw the regions of an answer over its photo, and list them. */
export function showRegions(card, regions) {
  const layer = card.querySelector(".boxes");
  const shown = regions.map((region, place) => {
    const number = place + 1;
    return { region, box: boxOf(region, number), entry: entryOf(region, number) };
  });
  let chosen = null;
  const choose = (one) => {
    chosen = one === chosen ? null : one;
    for (const each of shown) {
      each.box.classList.toggle("chosen", each === chosen);
      each.entry.ariaPressed = String(each === chosen);
    }
  };
  for (const one of shown) one.entry.addEventListener("click", () => choose(one));
  layer.addEventListener("click", (event) => {
    const hit = boxAt(layer, event, regions);
    choose(shown.find(({ region }) => region === hit) ?? null);
  });
  // The most important one is drawn last, over the others.
  layer.replaceChildren(...shown.map(({ box }) => box).reverse());
  card.querySelector(".regions").replaceChildren(...shown.map(({ entry }) => element("li", {}, entry)));
  // The most important one has its name where it likes; a phone that is turned gives them other places.
  new ResizeObserver(() => keepApart(shown.map(({ box }) => box))).observe(layer);
  card.querySelector(".found").hidden = !shown.length;
  const check = card.querySelector(".show-boxes");
  check.parentElement.hidden = !shown.length;
  check.addEventListener("change", () => (layer.hidden = !check.checked));
}

function boxOf(region, number) {
  const box = element(
    "div",
    { className: isUnsure(region) ? "box unsure" : "box" },
    element(
      "span",
      { className: "tag" },
      element("b", { textContent: number }),
      element("span", { textContent: `${nameOf(region)} ${shareOf(region)}` }),
    ),
  );
  box.classList.toggle("at-right", region.x + region.w / 2 > 0.5);
  return placeBox(box, region);
}

/** Put the name of each box above it, else inside, else below; where none is free its number is enough until a tap. */
function keepApart(boxes) {
  const taken = [];
  for (const box of boxes) {
    const tag = box.firstElementChild;
    const isFree = PLACES.some((place) => {
      box.classList.remove(...PLACES, "crowded");
      box.classList.add(place);
      return fits(tag.getBoundingClientRect(), box.parentElement, taken);
    });
    if (!isFree) box.classList.replace("at-bottom", "at-top");
    box.classList.toggle("crowded", !isFree);
    taken.push(tag.getBoundingClientRect());
  }
}

function fits(tag, layer, taken) {
  const { left, top, right, bottom } = layer.getBoundingClientRect();
  const isInside = tag.left >= left - 2 && tag.right <= right + 2 && tag.top >= top && tag.bottom <= bottom;
  const meets = (other) =>
    tag.left < other.right && other.left < tag.right && tag.top < other.bottom && other.top < tag.bottom;
  return isInside && !taken.some(meets);
}

function entryOf(region, number) {
  const { defect, predictions } = region;
  const facts = {
    defect: percent(defect),
    name: named(predictions[0].defect_class),
    percent: percent(predictions[0].probability),
  };
  return element(
    "button",
    { type: "button", className: isUnsure(region) ? "region unsure" : "region", ariaPressed: "false" },
    element("b", { textContent: number }),
    element("span", { className: "of", textContent: nameOf(region) }),
    element("span", { className: "share", textContent: shareOf(region) }),
    element("span", {
      className: "hint",
      textContent: t(region.unknown ? "region.unknown" : "region.sureness", facts),
    }),
  );
}
