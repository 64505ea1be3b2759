// Boxes around the defects of one chosen photo: drawn by one drag, taken away by a tap, or written as numbers.

import { between, boxAt, inside, isDrag, placeBox, pointOn } from "./boxes.js";
import { copy, element } from "./dom.js";
import { t } from "./texts.js";

const MIDDLE = { x: 0.25, y: 0.25, w: 0.5, h: 0.5 };

/**
 * Let boxes be drawn on the photo of `item`; a finger draws only while `isDrawing()`, else it scrolls the page. Gives
 * the boxes, which change later.
 */
export function drawing(item, isDrawing, onChange) {
  const canvas = item.querySelector(".canvas");
  const rows = item.querySelector(".box-rows");
  const draft = element("div", { className: "box draft", hidden: true });
  const boxes = [];
  const shown = new Map();
  let start = null;
  canvas.append(draft);

  const number = () => {
    boxes.forEach((box, place) => {
      const { row, mark } = shown.get(box);
      mark.firstElementChild.textContent = place + 1;
      row.querySelector("summary").textContent = t("boxes.one", { number: place + 1 });
      row.querySelector(".drop-box").ariaLabel = t("boxes.remove", { number: place + 1 });
    });
    onChange();
  };

  const remove = (box) => {
    boxes.splice(boxes.indexOf(box), 1);
    for (const node of Object.values(shown.get(box))) node.remove();
    shown.delete(box);
    number();
  };

  const add = (box) => {
    const mark = element("div", { className: "box" }, element("b", { className: "tag" }));
    const row = copy("chosen-box");
    boxes.push(box);
    shown.set(box, { mark, row });
    canvas.append(placeBox(mark, box));
    rows.append(row);
    const fields = new Map(Object.keys(MIDDLE).map((side) => [side, row.querySelector(`.side-${side}`)]));
    for (const [side, field] of fields) {
      field.value = Math.round(100 * box[side]);
      field.addEventListener("input", () => {
        const share = field.valueAsNumber / 100;
        // What does not fit is not taken; the field says so by itself.
        if (field.checkValidity() && share >= 0) placeBox(mark, Object.assign(box, inside({ ...box, [side]: share })));
        onChange();
      });
      field.addEventListener("change", () => {
        for (const [each, other] of fields) other.value = Math.round(100 * box[each]);
      });
    }
    row.querySelector(".drop-box").addEventListener("click", () => {
      remove(box);
      item.querySelector(".add-box").focus();
    });
    number();
    return row;
  };

  item.querySelector(".add-box").addEventListener("click", () => {
    const row = add({ ...MIDDLE });
    row.querySelector("details").open = true;
    row.querySelector("input").focus();
  });

  const stop = () => {
    start = null;
    draft.hidden = true;
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    const draws = event.pointerType === "mouse" || isDrawing();
    start = { clientX: event.clientX, clientY: event.clientY, draws };
    if (!draws) return; // it may be a tap, or scroll the page
    event.preventDefault(); // the photo itself is not to be dragged along
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start?.draws || (draft.hidden && !isDrag(start, event))) return;
    draft.hidden = false;
    placeBox(draft, between(pointOn(canvas, start), pointOn(canvas, event)));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const tapped = !isDrag(start, event) && draft.hidden && boxAt(canvas, event, boxes);
    if (tapped) remove(tapped);
    else if (start.draws && isDrag(start, event)) add(between(pointOn(canvas, start), pointOn(canvas, event)));
    stop();
  });
  canvas.addEventListener("pointercancel", stop);
  return boxes;
}
