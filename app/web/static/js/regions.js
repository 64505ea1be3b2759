// Where in the photo the defects are: boxes over it, and the same as a list. One of either opens the word on it.

import { boxAt, placeBox } from "./boxes.js";
import { element } from "./dom.js";
import { regionPanel } from "./region_panel.js";
import { groundsOf, isNothing, isUnsure, nameOf, regionsOf, shareOf } from "./region_words.js";

const PLACES = ["above", "at-top", "at-bottom"];

/** Wire the regions of a card; gives what shows the truth in them. `onBeside` hears of taps beside all boxes. */
export function regions(card, answer, onBeside) {
  const picture = card.querySelector(".picture");
  const layer = card.querySelector(".boxes");
  const list = card.querySelector(".regions");
  const check = card.querySelector(".show-boxes");
  const mark = card.querySelector(".mark");
  const pieces = new Map(); // by number: {box, entry, region}
  let chosen = null; // a number

  const showChosen = () => {
    for (const [number, { box, entry }] of pieces) {
      box.classList.toggle("chosen", number === chosen);
      entry.ariaPressed = String(number === chosen);
    }
  };
  const panel = regionPanel(card, answer, {
    onBox: (box) => chosen !== null && placeBox(pieces.get(chosen).box, box),
    onMarked: (number) => choose(number),
    onClose: () => choose(null),
  });
  const choose = (number) => {
    const before = pieces.get(chosen)?.entry ?? mark;
    chosen = number === chosen ? null : number;
    showChosen();
    if (chosen !== null) panel.open(pieces.get(chosen).region);
    else if (panel.close()) before.focus({ preventScroll: true });
  };
  /** What was changed is to be sent first, or given up. */
  const tap = (act) => !panel.isHeld() && act();
  const choosable = () => [...pieces.values()].map(({ region }) => ({ ...region.box, number: region.number }));

  picture.addEventListener("click", (event) => {
    const hit = layer.hidden ? undefined : boxAt(layer, event, choosable());
    if (hit) tap(() => choose(hit.number));
    else if (chosen !== null) tap(() => choose(null));
    else tap(onBeside);
  });
  mark.addEventListener("click", () =>
    tap(() => {
      chosen = null;
      showChosen();
      panel.open(null);
    }),
  );
  check.addEventListener("change", () => (layer.hidden = !check.checked));
  // The most important one has its name where it likes; a phone that is turned gives them other places.
  const arrange = () => keepApart([...pieces.values()].filter(({ region }) => !isNothing(region)).map(({ box }) => box));
  new ResizeObserver(arrange).observe(layer);

  const add = (number) => {
    const made = { box: element("div"), entry: element("button", { type: "button", ariaPressed: "false" }), region: null };
    pieces.set(number, made);
    made.entry.addEventListener("click", () => tap(() => choose(number)));
    layer.prepend(made.box); // the most important one is drawn last, over the others
    list.append(element("li", {}, made.entry));
  };

  return (truth) => {
    const all = regionsOf(truth);
    for (const region of all) {
      if (!pieces.has(region.number)) add(region.number);
      const piece = pieces.get(region.number);
      piece.region = region;
      fillBox(piece.box, region);
      fillEntry(piece.entry, region);
    }
    card.querySelector(".found").hidden = check.parentElement.hidden = !all.length;
    showChosen();
    if (chosen !== null) panel.show(pieces.get(chosen).region);
    arrange();
  };
}

const looks = (region) => (isNothing(region) ? " nothing" : isUnsure(region) ? " unsure" : "");

function fillBox(box, region) {
  box.className = `box${looks(region)}`;
  box.classList.toggle("at-right", region.box.x + region.box.w / 2 > 0.5);
  const name = element("span", { textContent: `${nameOf(region)} ${shareOf(region)}` });
  box.replaceChildren(element("span", { className: "tag" }, element("b", { textContent: region.number }), name));
  placeBox(box, region.box);
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

function fillEntry(entry, region) {
  entry.className = `region${looks(region)}`;
  entry.replaceChildren(
    element("b", { textContent: region.number }),
    element("span", { className: "of", textContent: nameOf(region) }),
    element("span", { className: "share", textContent: shareOf(region) }),
    element("span", { className: "hint", textContent: groundsOf(region) }),
  );
}
