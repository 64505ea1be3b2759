// One box over a photo that can be changed: dragged by its corners or its middle, moved by arrow keys, or drawn anew.

import { between, inside, isDrag, placeBox, pointOn } from "./boxes.js";
import { element } from "./dom.js";

const STEP = 0.01; // of a side, for each press of an arrow key
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]]; // left or right, top or bottom

/**
 * Lay the editor of a box over a photo. `isNew`: a drag beside the box draws it anew. `onChange` hears each change;
 * gives {node, box(), place(box), remove()}.
 */
export function editBox(layer, start, { label, isNew, onChange }) {
  let box = start;
  let drag = null; // {from, to: point -> box, isOn}
  let wasDragged = false;
  const corners = CORNERS.map(([right, bottom]) => {
    const corner = element("span", { className: "corner" });
    Object.assign(corner.style, { left: `${100 * right}%`, top: `${100 * bottom}%` });
    return corner;
  });
  const node = element("div", { className: isNew ? "box edited new" : "box edited", tabIndex: 0 }, ...corners);
  node.role = "application"; // arrow keys are for the box, also where a screen reader listens to them
  node.ariaLabel = label;

  const place = (next) => placeBox(node, (box = next));
  const change = (next) => {
    place(next);
    onChange(box);
  };

  /** What a drag from here does to the box; nothing gives undefined. */
  const meant = (event) => {
    const from = pointOn(layer, event);
    const corner = CORNERS[corners.indexOf(event.target)];
    const { x, y, w, h } = box;
    if (corner) {
      const [right, bottom] = corner;
      const fixed = { x: x + w * (1 - right), y: y + h * (1 - bottom) };
      // The corner keeps its distance from the finger that hides it.
      const apart = { x: x + w * right - from.x, y: y + h * bottom - from.y };
      return (point) => between(fixed, { x: share(point.x + apart.x), y: share(point.y + apart.y) });
    }
    if (event.target === node) return (point) => moved({ x, y, w, h }, point.x - from.x, point.y - from.y);
    return isNew ? (point) => between(from, point) : undefined;
  };

  const begin = (event) => {
    if (event.button || !event.isPrimary) return;
    const to = meant(event);
    if (!to) return;
    event.preventDefault(); // of selecting text
    event.stopPropagation(); // it neither pans the photo, nor turns to the next one
    node.focus({ preventScroll: true });
    layer.setPointerCapture(event.pointerId);
    drag = { clientX: event.clientX, clientY: event.clientY, to, isOn: false };
    wasDragged = false;
  };
  const go = (event) => {
    if (!drag || !event.isPrimary) return;
    drag.isOn ||= isDrag(drag, event);
    if (drag.isOn) change(drag.to(pointOn(layer, event)));
    event.stopPropagation();
  };
  const end = () => {
    wasDragged = drag?.isOn ?? false;
    drag = null;
  };
  const click = (event) => {
    if (wasDragged) event.stopPropagation(); // it was no tap
    wasDragged = false;
  };
  const press = (event) => {
    const by = ARROWS[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [across, down] = by;
    change(event.shiftKey ? inside({ ...box, w: box.w + across, h: box.h + down }) : moved(box, across, down));
  };
  const heard = { pointerdown: begin, pointermove: go, pointerup: end, pointercancel: end, click, keydown: press };
  for (const [name, hear] of Object.entries(heard)) layer.addEventListener(name, hear);
  layer.classList.toggle("draws", isNew);
  layer.append(place(box));
  return {
    node,
    box: () => box,
    place,
    remove: () => {
      for (const [name, hear] of Object.entries(heard)) layer.removeEventListener(name, hear);
      layer.classList.remove("draws");
      node.remove();
    },
  };
}

const share = (value) => Math.min(1, Math.max(0, value));

/** A box of the same size as far in a direction as the photo goes. */
function moved({ x, y, w, h }, across, down) {
  return { x: Math.min(share(x + across), 1 - w), y: Math.min(share(y + down), 1 - h), w, h };
}
