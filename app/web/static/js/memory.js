// Small things that hold for what follows, also tomorrow, and for whoever is signed in only.

import { owner } from "./owner.js";

const DRAFT = "draft:";
const nameOf = (name) => (owner ? `${owner} ${name}` : name);
const ownerOf = (stored) => stored.slice(0, Math.max(0, stored.indexOf(" ")));
const isDraft = (stored) => stored.slice(stored.indexOf(" ") + 1).startsWith(DRAFT);

export const recall = (name) => localStorage.getItem(nameOf(name));
export const remember = (name, value) => localStorage.setItem(nameOf(name), value);

/** What was written and not sent is kept for its owner, like photos that were not sent. */
export function forgetAllBut(keeper) {
  for (const stored of Object.keys(localStorage)) {
    if (ownerOf(stored) !== keeper && !isDraft(stored)) localStorage.removeItem(stored);
  }
}

export const drafted = (id) => JSON.parse(recall(DRAFT + id));
export const keepDraft = (id, fields) => remember(DRAFT + id, JSON.stringify(fields));
export const dropDraft = (id) => localStorage.removeItem(nameOf(DRAFT + id));

/** The ids of this owner's drafts. */
export const draftIds = () =>
  Object.keys(localStorage)
    .filter((stored) => stored.startsWith(nameOf(DRAFT)))
    .map((stored) => stored.slice(nameOf(DRAFT).length));
