// The types of a catalog to choose from.

import { all } from "./api.js";
import { element } from "./dom.js";
import { named } from "./texts.js";

const MANY = 8; // types from which on they are searched

/** The classes of a catalog that are defects, and no sound surfaces. */
export async function defectTypes(catalog) {
  const classes = await all(`/v1/catalogs/${encodeURIComponent(catalog)}/defect-classes`);
  return classes.filter((each) => each.kind !== "sound");
}

/** Show classes to choose from; many can be searched by any of their names. */
export function offer(chooser, classes, choose) {
  const search = chooser.querySelector("input");
  const list = chooser.querySelector("ul");
  search.hidden = classes.length < MANY;
  search.value = "";
  const items = classes.map((each) => {
    const pick = element("button", { type: "button", textContent: named(each) });
    pick.addEventListener("click", () => choose(each));
    const words = [each.name, each.title_ko, each.title_en].join(" ").toLocaleLowerCase();
    return { words, item: element("li", {}, pick) };
  });
  list.replaceChildren(...items.map(({ item }) => item));
  chooser.querySelector("p").hidden = items.length > 0;
  search.oninput = () => {
    const wanted = search.value.trim().toLocaleLowerCase();
    for (const { words, item } of items) item.hidden = !words.includes(wanted);
  };
}
