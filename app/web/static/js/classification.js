// The page of one answer, and the way to its neighbours in the list that it was opened from.

import { answerCard } from "./answer.js";
import { neighbours } from "./neighbours.js";
import { askTruth } from "./truth.js";

const classification = JSON.parse(document.getElementById("classification").textContent);
document.getElementById("answer").append(answerCard(classification));
addEventListener("pageshow", ({ persisted }) => persisted && askTruth(classification.id));
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && askTruth(classification.id));
neighbours(classification.id);
