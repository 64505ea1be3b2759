// Where the phone is, if the visitor wants it noted and the phone allows it.

import { recall, remember } from "./memory.js";
import { t } from "./texts.js";

const box = document.getElementById("locate");
const words = document.getElementById("position");
let watch = null;
let last = null;

/** {latitude, longitude} in degrees, or null. */
export const position = () => last;

function stop(sentence) {
  if (watch !== null) navigator.geolocation.clearWatch(watch);
  watch = last = null;
  words.textContent = sentence;
}

function start() {
  if (!navigator.geolocation) return stop(t("position.none"));
  words.textContent = t("position.seeking");
  watch = navigator.geolocation.watchPosition(
    ({ coords }) => {
      last = { latitude: coords.latitude, longitude: coords.longitude };
      words.textContent = t("position.found", { metres: Math.round(coords.accuracy) });
    },
    (error) => {
      if (error.code === error.PERMISSION_DENIED) {
        box.checked = false;
        stop(t("position.denied"));
      } else {
        // A place of half an hour ago is worse than none.
        last = null;
        words.textContent = t("position.none");
      }
    },
    { enableHighAccuracy: true, maximumAge: 30_000, timeout: 30_000 },
  );
}

box.checked = recall("locate") === "yes";
box.addEventListener("change", () => {
  remember("locate", box.checked ? "yes" : "no");
  if (box.checked) start();
  else stop("");
});
if (box.checked) start();
