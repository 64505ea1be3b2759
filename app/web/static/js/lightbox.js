// The photo of a card in full: zoomed by pinch, wheel, keys and buttons, moved by one finger or the mouse.

import { thumbnail } from "./dom.js";

const MOST = 8; // times the size at which all of the photo is seen
const STEP = 1.5;
const SIDES = [1600, 3200]; // of pictures that the service makes
const DRAG = 8; // pixels; less is a tap

/** Wire the dialog of a card: the photo with its layers moves into it, and back. Gives what opens it. */
export function lightbox(card, { photo }) {
  const dialog = card.querySelector(".viewer");
  const stage = card.querySelector(".stage");
  const picture = card.querySelector(".picture");
  const image = card.querySelector(".photo");
  const opener = card.querySelector(".enlarge");
  const moving = [card.querySelector(".looks"), card.querySelector(".views")];
  const fingers = new Map(); // by pointer: where it is
  let places = []; // what stands where the photo was
  let zoom = 1;
  let seen = 1024; // the longest side of the picture that is shown
  let way = 0; // how far the fingers went

  /** A larger picture as soon as it is needed; without network the one that is here stays. */
  const sharpen = () => {
    const longest = Math.max(photo.width, photo.height);
    const shown = Math.max(picture.clientWidth, picture.clientHeight) * devicePixelRatio;
    const side = SIDES.find((each) => each >= Math.min(shown, longest)) ?? SIDES.at(-1);
    if (side <= seen || seen >= longest) return;
    seen = side;
    const larger = new Image();
    larger.onload = () => (image.src = larger.src);
    larger.onerror = () => (seen = 1024);
    larger.src = thumbnail(photo.id, side);
  };

  /** Zoom, and keep what is at a point of the screen where it is. */
  const zoomTo = (wanted, { x, y } = middle()) => {
    const before = picture.getBoundingClientRect();
    zoom = Math.min(MOST, Math.max(1, wanted));
    const whole = Math.min(stage.clientWidth / photo.width, stage.clientHeight / photo.height);
    picture.style.width = `${Math.floor(photo.width * whole * zoom)}px`;
    picture.style.height = `${Math.floor(photo.height * whole * zoom)}px`;
    const after = picture.getBoundingClientRect();
    const share = (offset, side) => Math.min(1, Math.max(0, offset / side));
    stage.scrollLeft += after.left + after.width * share(x - before.left, before.width) - x;
    stage.scrollTop += after.top + after.height * share(y - before.top, before.height) - y;
    sharpen();
  };
  const middle = () => {
    const { left, top, width, height } = stage.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  };
  const refit = new ResizeObserver(() => zoomTo(zoom));

  const open = () => {
    places = moving.map((node) => {
      const place = document.createComment("");
      node.replaceWith(place);
      return place;
    });
    dialog.append(...moving);
    stage.tabIndex = 0; // arrow keys move what is larger than the screen
    dialog.showModal();
    zoom = 1;
    refit.observe(stage);
  };
  dialog.addEventListener("close", () => {
    refit.disconnect();
    fingers.clear();
    stage.removeAttribute("tabindex");
    picture.removeAttribute("style");
    places.forEach((place, number) => place.replaceWith(moving[number]));
    opener.focus({ preventScroll: true });
  });

  const buttons = { ".zoom-in": () => zoomTo(zoom * STEP), ".zoom-out": () => zoomTo(zoom / STEP), ".close": () => dialog.close() };
  for (const [name, act] of Object.entries(buttons)) dialog.querySelector(name).addEventListener("click", act);
  const keys = { "+": () => zoomTo(zoom * STEP), "=": () => zoomTo(zoom * STEP), "-": () => zoomTo(zoom / STEP), 0: () => zoomTo(1) };
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox])")) return;
    keys[event.key]?.();
  });

  /** The middle of the fingers, and how far apart they are. */
  const hand = () => {
    const [one, other = one] = fingers.values();
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.hypot(one.x - other.x, one.y - other.y) };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!dialog.open || event.button) return;
    if (event.isPrimary) way = 0;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  stage.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = hand();
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = hand();
    way += Math.hypot(event.movementX, event.movementY);
    if (fingers.size > 1) zoomTo((zoom * after.apart) / before.apart, before);
    stage.scrollBy(before.x - after.x, before.y - after.y);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    stage.addEventListener(end, ({ pointerId }) => fingers.delete(pointerId));
  }
  stage.addEventListener("click", (event) => dialog.open && way > DRAG && event.stopPropagation(), { capture: true });
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!dialog.open) return;
      event.preventDefault();
      zoomTo(zoom * Math.exp((-event.deltaY * (event.deltaMode ? 30 : 1)) / 400), { x: event.clientX, y: event.clientY });
    },
    { passive: false },
  );
  opener.addEventListener("click", (event) => {
    event.stopPropagation(); // of a tap on the photo
    open();
  });
  return () => dialog.open || open();
}
