// The page of one answer.

import { answerCard } from "./answer.js";

const classification = JSON.parse(document.getElementById("classification").textContent);
document.getElementById("answer").append(answerCard(classification));
