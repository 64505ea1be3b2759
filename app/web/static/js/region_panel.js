// The inspector's word on one region: right, another type, no defect, another box; or a defect that the answer lacks.

import { call, newKey } from "./api.js";
import { editBox } from "./box_editor.js";
import { between, pointOn } from "./boxes.js";
import { say } from "./dom.js";
import { recall, remember } from "./memory.js";
import { classOf, isNothing, nameOf, regionsOf, shareOf, withWord, wordBack } from "./region_words.js";
import { curates, explain, named, t } from "./texts.js";
import { askTruth, tellTruth } from "./truth.js";
import { defectTypes, offer } from "./types.js";

const BUTTONS = { confirmed: ".region-right", corrected: ".region-other", "not-a-defect": ".region-nothing" };

/**
 * Wire the panel of a card. `onBox` hears of a box under change, `onMarked` which number a new region got, `onClose`
 * that the panel is to go. Gives {open(region, or null for a new one), show(region), close(): whether the focus was in
 * it, isHeld(): whether something in it was not sent}.
 */
export function regionPanel(card, answer, { onBox, onMarked, onClose }) {
  const panel = card.querySelector(".region-panel");
  const layer = card.querySelector(".editor");
  const [chooser, said, undo, save, change, cancel] = [
    ".region-chooser", ".region-said", ".region-undo", ".save-box", ".change-box", ".cancel-box",
  ].map((name) => panel.querySelector(name));
  const title = panel.querySelector(".region-title");
  const learn = panel.querySelector(".learn-region input");
  const button = (verdict) => panel.querySelector(BUTTONS[verdict]);
  const address = `/v1/classifications/${answer.id}/regions`;
  let region = null; // null: a new one
  let editor = null;
  let isChanged = false; // a box that was not sent
  let isBusy = false;
  let back = null; // what takes the last word back, and the example that it made
  let last = null; // {content, key} of what failed: sent again it counts once

  learn?.addEventListener("change", () => remember("learn", learn.checked ? "yes" : "no"));
  const learns = () => Boolean(learn?.checked);

  const showTools = () => {
    const isNew = region === null;
    panel.querySelector(".region-verdicts").hidden = isNew || isChanged;
    change.hidden = isNew || isChanged;
    save.hidden = isNew || !isChanged;
    cancel.hidden = !isNew && !isChanged;
    undo.hidden = back === null || isChanged;
    panel.querySelector(".box-hint").hidden = !isNew;
  };

  const edit = (box) => {
    editor?.remove();
    editor = editBox(layer, box, {
      label: t("region.box.label", { name: region ? titleOf(region) : t("region.mark") }),
      isNew: region === null,
      onChange: (next) => {
        isChanged = true;
        onBox(next);
        say(said, placeOf(next));
        showTools();
      },
    });
  };

  const post = async (path, wanted) => {
    const content = path + JSON.stringify(wanted);
    if (last?.content !== content) last = { content, key: newKey() };
    try {
      const word = await call("POST", path, wanted, { key: last.key });
      last = null;
      return word;
    } catch (problem) {
      if (!problem.passes) last = null;
      throw problem;
    }
  };

  const busy = async (work) => {
    if (isBusy) return;
    const focused = document.activeElement;
    isBusy = layer.inert = true;
    panel.ariaBusy = "true";
    say(said, t("answer.saving"));
    try {
      await work();
    } catch (problem) {
      say(said, explain(problem), { failed: true });
    } finally {
      isBusy = layer.inert = false;
      panel.ariaBusy = "false";
      keepFocus(focused);
    }
  };

  /** What was pressed may be gone, or was out of reach meanwhile; whoever went elsewhere stays there. */
  const keepFocus = (focused) => {
    if (!panel.contains(focused) && !layer.contains(focused)) return;
    if (document.activeElement !== focused && document.activeElement !== document.body) return;
    (focused.getClientRects().length ? focused : title).focus({ preventScroll: true });
  };

  /** Keep a word that the service took, on all open pages. */
  const keep = (word) => {
    isChanged = false;
    tellTruth({ ...answer, ...withWord(answer, word) });
    if (word.support_photo_id) askTruth(answer.id); // other regions may be in the same example now
    say(said, word.support_photo_id ? `${t("answer.saved")} ${t("region.learned")}` : t("answer.saved"));
    showTools();
  };

  const give = async (wanted) => {
    const before = region;
    await busy(async () => {
      const word = await post(before ? `${address}/${before.number}/feedback` : address, wanted);
      closeChooser();
      const wantedBack = wordBack(before, wanted);
      back = wantedBack && { wanted: wantedBack, example: word.support_photo_id };
      region = regionsOf({ ...answer, ...withWord(answer, word) }).find(({ number }) => number === word.region);
      keep(word);
    });
    if (!before && region) onMarked(region.number);
  };

  const takeBack = () =>
    busy(async () => {
      const { wanted, example } = back;
      const word = await post(`${address}/${region.number}/feedback`, wanted);
      back = null;
      keep(word);
      const others = [answer.feedback, ...regionsOf(answer).map((each) => each.word)];
      if (!example || !curates || others.some((each) => each?.support_photo_id === example)) return;
      await call("DELETE", `/v1/support-photos/${example}`);
    });

  const closeChooser = () => {
    chooser.hidden = true;
    button("corrected").ariaExpanded = "false";
  };

  const openChooser = (choose, isNow) =>
    busy(async () => {
      offer(chooser, (await defectTypes(answer.catalog)).filter(({ id }) => id !== isNow), choose);
      chooser.hidden = false;
      button("corrected").ariaExpanded = "true";
      say(said, "");
      panel.scrollIntoView({ block: "nearest" });
    });

  const correct = async () => {
    if (!chooser.hidden) return closeChooser();
    const choose = ({ id }) => give({ verdict: "corrected", defect_class_id: id, add_to_support: learns() });
    await openChooser(choose, classOf(region));
    chooser.querySelector("input:not([hidden]), button")?.focus({ preventScroll: true });
  };

  const giveUp = () => {
    isChanged = false;
    if (region === null) return onClose();
    show(region);
    say(said, "");
    editor.node.focus({ preventScroll: true });
  };

  const send = () => isChanged && give({ verdict: "moved", box: editor.box(), add_to_support: learns() });

  button("confirmed").addEventListener("click", () => give({ verdict: "confirmed" }));
  button("corrected").addEventListener("click", correct);
  button("not-a-defect").addEventListener("click", () => give({ verdict: "not-a-defect", add_to_support: learns() }));
  change.addEventListener("click", () => {
    say(said, t("region.box.hint"));
    editor.node.focus();
  });
  save.addEventListener("click", send);
  cancel.addEventListener("click", giveUp);
  undo.addEventListener("click", takeBack);
  panel.querySelector(".close-panel").addEventListener("click", () => (isChanged ? giveUp() : onClose()));
  for (const place of [panel, layer]) {
    place.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && place === layer && region) send();
      if (event.key !== "Escape" || isBusy) return;
      event.preventDefault(); // the photo in full stays open
      event.stopPropagation();
      if (isChanged || region === null) giveUp();
      else onClose();
    });
  }

  function show(next) {
    region = next;
    title.textContent = titleOf(region);
    for (const verdict of Object.keys(BUTTONS)) button(verdict).ariaPressed = String(region.word?.verdict === verdict);
    const { answered } = region;
    const right = button("confirmed");
    right.hidden = !answered && isNothing(region); // nothing says what it would be
    right.lastElementChild.textContent = answered?.unknown
      ? t("answer.confirm.name", { name: named(answered.predictions[0].defect_class) })
      : t("answer.confirm");
    if (isChanged) onBox(editor.box());
    else {
      editor.place(region.box);
      onBox(region.box);
    }
    showTools();
  }

  return {
    open: (next) => {
      if (region?.number !== next?.number) back = null;
      if (!back) say(said, "");
      region = next;
      isChanged = false;
      panel.hidden = false;
      if (learn) learn.checked = recall("learn") !== "no";
      closeChooser();
      edit(region?.box ?? middleOf(layer));
      if (region) show(region);
      else {
        title.textContent = t("region.mark");
        showTools();
        openChooser(({ id }) => give({ box: editor.box(), defect_class_id: id, add_to_support: learns() }));
      }
      for (const place of [panel, layer]) place.scrollIntoView({ block: "nearest" }); // both, where there is room
      title.focus({ preventScroll: true });
    },
    show,
    close: () => {
      const hadFocus = panel.contains(document.activeElement) || layer.contains(document.activeElement);
      panel.hidden = true;
      editor?.remove();
      editor = region = back = null;
      return hadFocus;
    },
    isHeld: () => isBusy || isChanged || (editor !== null && region === null),
  };
}

/** A box in the middle of what is seen of a photo. */
function middleOf(layer) {
  const { left, top, width, height } = layer.closest(".stage").getBoundingClientRect();
  const at = (share) => pointOn(layer, { clientX: left + share * width, clientY: top + share * height });
  return between(at(0.25), at(0.75));
}

const placeOf = (box) =>
  t("region.box.place", Object.fromEntries(Object.entries(box).map(([side, share]) => [side, Math.round(100 * share)])));

const titleOf = (region) => `${region.number} ${nameOf(region)} ${shareOf(region)}`.trim();
