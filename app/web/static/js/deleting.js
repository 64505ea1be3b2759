// Deleting an answer with its photo: gone at once, and taken back for an hour by the button in its place.

import { call } from "./api.js";
import { copy, tell } from "./dom.js";
import { explain } from "./texts.js";

export function deleting(card, { id }) {
  const problem = card.querySelector(".delete-problem");
  const attempt = async (button, work) => {
    tell(problem, "");
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      tell(problem, explain(error));
    } finally {
      button.disabled = false;
    }
  };
  const button = card.querySelector(".delete");
  button.addEventListener("click", () =>
    attempt(button, async () => {
      const { deletion_id: deletion } = await call("DELETE", `/v1/classifications/${id}`);
      const gone = copy("deleted-answer");
      const undo = gone.querySelector("button");
      undo.addEventListener("click", () =>
        attempt(undo, async () => {
          await call("POST", "/v1/classifications/restore", { deletion_id: deletion });
          gone.replaceWith(card);
        }),
      );
      card.replaceWith(gone);
      undo.focus();
    }),
  );
}
