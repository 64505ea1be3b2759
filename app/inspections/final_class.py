"""The final class of a classification: what the person said last, else the machine's answer."""

from typing import NamedTuple
from uuid import UUID

from app.inspections.schemas import ClassificationOut


class FinalClass(NamedTuple):
    """A class by id and name, as it was then; neither where it is no class of the catalog, or the surface is sound."""

    id: UUID | None
    name: str | None


def final_class(answer: ClassificationOut) -> FinalClass:
    """What a photo shows in the end: the person's word wins."""
    word = answer.feedback
    if word is not None:
        known = word.verdict != "unknown"
        return FinalClass(word.defect_class_id if known else None, word.defect_class_name if known else None)
    if answer.unknown or answer.sound:
        return FinalClass(None, None)
    first = answer.predictions[0].defect_class
    return FinalClass(first.id, first.name)


def is_sound(answer: ClassificationOut) -> bool:
    """Whether "no defect" is the final word."""
    if answer.feedback is None:
        return bool(answer.sound)
    # "No class of this catalog" was the only word for a sound photo once.
    return answer.feedback.verdict == "sound" or (bool(answer.sound) and answer.feedback.verdict == "unknown")


def is_borne_out(answer: ClassificationOut) -> bool:
    """Whether the person says the same as the machine."""
    if answer.feedback is None:
        return False
    if answer.sound:
        return is_sound(answer)
    return answer.feedback.verdict == ("unknown" if answer.unknown else "confirmed")
