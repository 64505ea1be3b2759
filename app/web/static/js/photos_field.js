// A field of several photos: picked, or dropped on it; each can be taken out again. On examples boxes can be drawn.

import { copy } from "./dom.js";
import { drawing } from "./drawing.js";
import { prepare } from "./prepare.js";
import { scans, t } from "./texts.js";

/**
 * The field in `form`; gives {photos(): prepared photos, ready(): all are prepared and there are some, fields(): what
 * is sent beside the photos, takeWhole(whether boxes are left out), clear()}.
 */
export function photosField(form, onChange = () => {}) {
  const zone = form.querySelector(".dropzone");
  const input = zone.querySelector("input");
  const list = zone.querySelector(".chosen");
  const words = zone.querySelector(".chosen-count");
  const draws = zone.querySelector(".draws");
  const rest = form.querySelector(".rest");
  const boxes = new Map();
  let chosen = [];
  let preparing = 0;

  const boxesOf = (photo) => (zone.classList.contains("whole") ? [] : (boxes.get(photo) ?? []));
  const drawn = () => chosen.flatMap((each, photo) => boxesOf(each).map((box) => ({ photo, ...box })));

  const tell = () => {
    const sums = [chosen.length && t("photos.count", { count: chosen.length })];
    sums.push(drawn().length && t("boxes.count", { count: drawn().length }));
    words.textContent = sums.filter(Boolean).join(" · ");
    if (draws) {
      draws.hidden = !chosen.length;
      rest.hidden = !drawn().length;
    }
    onChange();
  };

  draws?.querySelector(".draw").addEventListener("click", (event) => {
    const isOn = list.classList.toggle("drawing");
    event.currentTarget.ariaPressed = String(isOn);
  });

  const add = async (files) => {
    preparing += files.length;
    tell();
    for (const file of files) {
      const photo = await prepare(file, scans);
      preparing -= 1;
      const item = copy("chosen-photo");
      const image = item.querySelector("img");
      // Boxes are drawn on the photo that is sent: a preview is too coarse for a crack.
      image.src = URL.createObjectURL(draws ? photo.photo : (photo.preview ?? photo.photo));
      image.alt = photo.filename;
      if (draws && photo.preview) boxes.set(photo, drawing(item, () => list.classList.contains("drawing"), tell));
      else if (draws) item.classList.add("unseen");
      const out = item.querySelector(".remove");
      out.ariaLabel = t("photos.remove", { name: photo.filename });
      out.addEventListener("click", () => {
        chosen = chosen.filter((each) => each !== photo);
        URL.revokeObjectURL(image.src);
        item.remove();
        tell();
        input.focus();
      });
      chosen.push(photo);
      list.append(item);
      tell();
    }
  };

  const take = () => {
    const files = [...input.files];
    input.value = ""; // the same photo may be chosen again after it was taken out
    return add(files);
  };
  input.addEventListener("change", take);
  if (input.files.length) take(); // chosen while this script was still on its way

  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    add([...event.dataTransfer.files].filter((file) => file.type.startsWith("image/")));
  });

  return {
    photos: () => chosen,
    fields: () => {
      const regions = drawn();
      if (!regions.length) return {};
      return { regions: JSON.stringify(regions), rest_is_sound: rest.querySelector("input").checked };
    },
    takeWhole: (isWhole) => {
      zone.classList.toggle("whole", isWhole);
      tell();
    },
    ready: () => chosen.length > 0 && preparing === 0,
    clear: () => {
      chosen = [];
      list.replaceChildren();
      tell();
    },
  };
}
