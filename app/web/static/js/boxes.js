// Boxes over a photo: {x, y, w, h}, fractions of its upright sides.

const DRAG = 12; // pixels; less is a tap
const LEAST = 0.02; // of a side: a crack may be drawn as a line

/** Put an element where a box is; gives the element. */
export function placeBox(node, { x, y, w, h }) {
  const sides = { left: x, top: y, width: w, height: h };
  for (const [side, share] of Object.entries(sides)) node.style[side] = `${100 * share}%`;
  return node;
}

/** Where on a photo a pointer is, as fractions; outside counts as the nearest edge. */
export function pointOn(photo, { clientX, clientY }) {
  const { left, top, width, height } = photo.getBoundingClientRect();
  const share = (offset, side) => Math.min(1, Math.max(0, offset / side));
  return { x: share(clientX - left, width), y: share(clientY - top, height) };
}

/** The smallest of the boxes under a pointer; none gives undefined. */
export function boxAt(photo, event, boxes) {
  const point = pointOn(photo, event);
  return boxes
    .filter(({ x, y, w, h }) => point.x >= x && point.x <= x + w && point.y >= y && point.y <= y + h)
    .sort((one, other) => one.w * one.h - other.w * other.h)[0];
}

/** Whether a pointer has gone far enough for more than a tap. */
export const isDrag = (start, { clientX, clientY }) =>
  Math.max(Math.abs(clientX - start.clientX), Math.abs(clientY - start.clientY)) >= DRAG;

/** The box of a drag. */
export function between(one, other) {
  return inside({
    x: Math.min(one.x, other.x),
    y: Math.min(one.y, other.y),
    w: Math.abs(one.x - other.x),
    h: Math.abs(one.y - other.y),
  });
}

/** A box of some size that lies in the photo. */
export function inside({ x, y, w, h }) {
  const left = Math.min(x, 1 - LEAST);
  const top = Math.min(y, 1 - LEAST);
  return { x: left, y: top, w: Math.min(Math.max(w, LEAST), 1 - left), h: Math.min(Math.max(h, LEAST), 1 - top) };
}
