// A field of several photos: picked, or dropped on it; each can be taken out again.

import { prepare } from "./prepare.js";
import { copy } from "./dom.js";
import { t } from "./texts.js";

/** The field in `form`; gives {photos(): prepared photos, ready(): all are prepared and there are some, clear()}. */
export function photosField(form, onChange = () => {}) {
  const zone = form.querySelector(".dropzone");
  const input = zone.querySelector("input");
  const list = zone.querySelector(".chosen");
  const words = zone.querySelector(".chosen-count");
  let chosen = [];
  let preparing = 0;

  const tell = () => {
    words.textContent = chosen.length ? t("photos.count", { count: chosen.length }) : "";
    onChange();
  };

  const add = async (files) => {
    preparing += files.length;
    tell();
    for (const file of files) {
      const photo = await prepare(file);
      preparing -= 1;
      const item = copy("chosen-photo");
      const image = item.querySelector("img");
      image.src = URL.createObjectURL(photo.preview ?? photo.photo);
      image.alt = photo.filename;
      item.querySelector("button").ariaLabel = t("photos.remove", { name: photo.filename });
      item.querySelector("button").addEventListener("click", () => {
        chosen = chosen.filter((each) => each !== photo);
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
    ready: () => chosen.length > 0 && preparing === 0,
    clear: () => {
      chosen = [];
      list.replaceChildren();
      tell();
    },
  };
}
