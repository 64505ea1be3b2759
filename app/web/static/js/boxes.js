// Boxes over a photo: {x, y, w, h}, fractions of its upright sides.

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
