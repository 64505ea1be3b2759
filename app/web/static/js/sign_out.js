// Signing out: everything of this person leaves the browser, except photos that were not sent.

import { call } from "./api.js";
import { forgetAllBut } from "./memory.js";
import * as outbox from "./outbox.js";
import { dropKeptPage, held, isCurrent, signedIn, tellTabs } from "./owner.js";

/** Gives false where the service could not be told: the browser is still signed in, and nothing was taken away. */
export async function signOut() {
  await held(); // photos that were just chosen
  try {
    await call("POST", "/sign-out");
  } catch (problem) {
    if (!isCurrent()) return true; // this page gives way by itself
    if (problem.status !== 401) return false;
    document.cookie = "haja_owner=; path=/; max-age=0"; // the session had ended before
  }
  await dropKeptPage();
  forgetAllBut(signedIn());
  await outbox.dropAnswersExceptOf(signedIn());
  tellTabs();
  location.replace("/sign-in");
  return true;
}
