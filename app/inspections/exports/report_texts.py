"""What the inspection report says of classifications, in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.acting import UNKNOWN
from app.api.language import Language
from app.catalogs.schemas import DefectClassName
from app.inspections.exports.words import WORDS
from app.inspections.filters import ClassificationFilter
from app.inspections.schemas import ClassificationOut, FeedbackOut


@dataclass(frozen=True)
class Picture:
    """A JPEG file and its sides in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Block:
    """One classification: its headline, pictures, a sentence for each that is missing, and facts by label."""

    headline: str
    aside: str
    photo: Picture | None
    heatmap: Picture | None
    facts: Sequence[tuple[str, str]]


class Texts:
    """What a report says, in words."""

    def __init__(self, language: Language, zone: ZoneInfo, names: dict[UUID, DefectClassName]) -> None:
        self._words = WORDS[language]
        self._language = language
        self._zone = zone
        self._names = names

    def heading(
        self, made: datetime, wanted: ClassificationFilter, answers: list[ClassificationOut]
    ) -> tuple[str, str, list[tuple[str, int]]]:
        """When it was made, the filter, and how many photos each class has, most first."""
        counts = Counter(self._finding(answer) for answer in answers)
        made_text = self._words["made"].format(made=self._time(made), zone=self._zone.key)
        return made_text, self._conditions(wanted), counts.most_common()

    def block(self, answer: ClassificationOut, photo: Picture | None, heatmap: Picture | None) -> Block:
        """One classification."""
        words, taken = self._words, answer.photo
        coordinates = "" if taken.latitude is None else f"({taken.latitude:.6f}, {taken.longitude:.6f})"
        facts = [
            (words["answer"], self._answer(answer)),
            (words["inspector"], self._inspector(answer)),
            (words["severity"], self._severity(answer)),
            (words["comment"], answer.feedback.note if answer.feedback else ""),
            (words["note"], answer.note),
            (words["place"], f"{answer.place} {coordinates}".strip()),
            (words["taken"], (taken.taken_at or "").replace("T", " ")),
        ]
        aside = [
            f"{words['time']} {self._time(answer.created_at)}",
            f"{words['catalog']} {answer.catalog}",
            taken.filename,
            f"{words['sent by']} {self._who(answer)}",
        ]
        return Block(self._finding(answer), " · ".join(aside), photo, heatmap, [fact for fact in facts if fact[1]])

    def _shown(self, answer: ClassificationOut) -> tuple[UUID | None, str] | None:
        """Id and name of what the photo shows: the inspector's word where there is one, else the answer."""
        word = answer.feedback
        if word is None:
            first = answer.predictions[0].defect_class
            return None if answer.unknown else (first.id, first.name)
        return None if word.verdict == "unknown" else (word.defect_class_id, word.defect_class_name or "")

    def _finding(self, answer: ClassificationOut) -> str:
        shown = self._shown(answer)
        return self._words["no class"] if shown is None else self._both(*shown)

    def _severity(self, answer: ClassificationOut) -> str:
        class_id, _ = self._shown(answer) or (None, "")
        known = self._names.get(class_id) if class_id else None
        return self._words[known.severity] if known and known.severity else ""

    def _answer(self, answer: ClassificationOut) -> str:
        first = answer.predictions[0]
        name = self._both(first.defect_class.id, first.defect_class.name)
        words = self._words["unknown" if answer.unknown else "answered"]
        return words.format(name=name, probability=f"{first.probability:.1%}")

    def _inspector(self, answer: ClassificationOut) -> str:
        word = answer.feedback
        if word is None:
            return self._words["no word"]
        said = self._words["refused" if word.verdict == "unknown" else word.verdict]
        name = self._both(word.defect_class_id, word.defect_class_name or "")
        return f"{said.format(name=name)} ({self._who(word)})"

    def _who(self, done: ClassificationOut | FeedbackOut) -> str:
        return self._words["not known"] if done.actor_id is None and done.actor == UNKNOWN else done.actor

    def _both(self, class_id: UUID | None, name: str) -> str:
        """A class in both languages, that of the report first."""
        known = self._names.get(class_id) if class_id else None
        if known is None:
            return name
        titles = [known.title_ko, known.title_en]
        return " · ".join(filter(None, titles if self._language == "ko" else titles[::-1])) or known.name

    def _conditions(self, wanted: ClassificationFilter) -> str:
        words = self._words
        said = {None: "", True: words["is unknown"], False: words["is not unknown"]}
        agreed = {None: "", True: words["disagreement"], False: words["agreement"]}
        parts = [
            f"{words['catalog']} {wanted.catalog}" if wanted.catalog is not None else "",
            f"{words['class']} {self._both(wanted.defect_class_id, str(wanted.defect_class_id))}"
            if wanted.defect_class_id
            else "",
            words["since"].format(time=self._time(wanted.since)) if wanted.since else "",
            words["until"].format(time=self._time(wanted.until)) if wanted.until else "",
            f"{words['place']} “{wanted.place}”" if wanted.place else "",
            said[wanted.unknown],
            agreed[wanted.disagreement],
        ]
        return ", ".join(filter(None, parts)) or words["everything"]

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M}"
