// Small things that hold for what follows, also tomorrow, and for whoever is signed in only.

import { owner } from "./owner.js";

const nameOf = (name) => (owner ? `${owner} ${name}` : name);
const ownerOf = (stored) => stored.slice(0, Math.max(0, stored.indexOf(" ")));

export const recall = (name) => localStorage.getItem(nameOf(name));
export const remember = (name, value) => localStorage.setItem(nameOf(name), value);

export function forgetAllBut(keeper) {
  for (const stored of Object.keys(localStorage)) if (ownerOf(stored) !== keeper) localStorage.removeItem(stored);
}
