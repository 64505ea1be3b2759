"""What an answer and the inspector's word come to, in words: as `static/js/words.js` says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from app.api.language import Language
from app.inspections.final_class import final_class, is_borne_out, is_sound
from app.inspections.schemas import ClassificationOut

State = Literal["open", "unsure", "right", "corrected"]

SURE = 0.5
"""From this probability on an answer does not look unsure."""


@dataclass(frozen=True)
class Words:
    """Of one answer. finding: what the photo shows, by the inspector's word where there is one. percent: how sure the
    service is, where nobody has judged. verdict: the inspector's word beside what the service said; or empty.
    """

    state: State
    finding: str
    percent: int | None
    verdict: str


def words_of(answer: ClassificationOut, names: Mapping[UUID, str], language: Language, t: Callable[..., str]) -> Words:
    """Of an answer; `names` are those of classes by now, `t` gives the texts of the language."""
    first = answer.predictions[0]
    own = first.defect_class.title(language)
    machine = t("answer.sound") if answer.sound else t("answer.unknown") if answer.unknown else own
    word = answer.feedback
    if word is None:
        is_named = not (answer.sound or answer.unknown)
        is_sure = answer.sound or (is_named and first.probability >= SURE)
        return Words("open" if is_sure else "unsure", machine, round(100 * first.probability) if is_named else None, "")
    agrees = is_borne_out(answer)
    said = t("verdict.confirmed") if agrees else t("verdict.corrected", answer=machine)
    who = f" ({word.actor})" if word.actor_id else ""
    return Words("right" if agrees else "corrected", _finding(answer, names, language, t), None, said + who)


def _finding(answer: ClassificationOut, names: Mapping[UUID, str], language: Language, t: Callable[..., str]) -> str:
    if is_sound(answer):
        return t("answer.sound")
    class_id, name = final_class(answer)
    known = {each.defect_class.id: each.defect_class.title(language) for each in answer.predictions} | dict(names)
    return (known.get(class_id) if class_id else None) or name or t("answer.neither")
