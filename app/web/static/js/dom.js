// Small helpers around the document. What users wrote is only ever set as text.

/** A copy of the one element in a <template>. */
export const copy = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Show a sentence in an element, or hide it where there is none. */
export function tell(place, sentence) {
  place.textContent = sentence ?? "";
  place.hidden = !sentence;
}

/** Say in a status line what came of something; what failed does not stand in the colour of success. */
export function say(place, sentence, { failed = false } = {}) {
  place.textContent = sentence;
  place.classList.toggle("failed", failed);
}

/** A number of bytes as people read it. */
export const size = (bytes) =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

export const thumbnail = (photoId, side) => `/v1/photos/${photoId}/thumbnail?side=${side}`;
