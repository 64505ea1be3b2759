"""What the inspection report says of classifications, in words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.acting import UNKNOWN
from app.api.language import Language
from app.catalogs.schemas import DefectClassName
from app.inspections.exports.words import WORDS
from app.inspections.filters import ClassificationFilter
from app.inspections.final_class import final_class, is_sound
from app.inspections.schemas import ClassificationOut, FeedbackOut, RegionFeedbackOut
from app.photos.regions import RegionBox


@dataclass(frozen=True)
class Picture:
    """A JPEG file and its sides in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Mark:
    """A region to be drawn on the photo with its number: where it is by the newest word, and whether it is a defect."""

    number: int
    box: RegionBox
    is_defect: bool


@dataclass(frozen=True)
class Block:
    """One classification: its headline, pictures, a sentence for each that is missing, and facts by label."""

    headline: str
    aside: str
    photo: Picture | None
    heatmap: Picture | None
    facts: Sequence[tuple[str, str]]
    marks: Sequence[Mark]


@dataclass(frozen=True)
class Cover:
    """The title page: facts by label, tables of counts by heading, and a logo as JPEG."""

    made: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    logo: bytes | None


class Texts:
    """What a report says, in words."""

    def __init__(self, language: Language, zone: ZoneInfo, names: dict[UUID, DefectClassName]) -> None:
        self._words = WORDS[language]
        self._language = language
        self._zone = zone
        self._names = names

    def cover(
        self,
        made: datetime,
        made_by: str,
        project: str,
        wanted: ClassificationFilter,
        answers: Sequence[ClassificationOut],
        logo: bytes | None,
    ) -> Cover:
        """What stands before the findings, and their numbers by type, place and state, most first."""
        words = self._words
        known = Counter(self._finding(answer) for answer in answers)
        places = Counter(answer.place or words["no place"] for answer in answers)
        states = Counter(words["state " + _state(answer)] for answer in answers)
        catalogs = sorted({answer.catalog for answer in answers})
        facts = [
            (words["project"], project or wanted.catalog or ", ".join(catalogs)),
            (words["made by"], made_by),
            (words["period"], self._period(wanted, answers)),
            (words["filter"], self._conditions(wanted)),
            (words["number"], str(len(answers))),
        ]
        return Cover(
            self._words["made"].format(made=self._time(made), zone=self._zone.key),
            [fact for fact in facts if fact[1]],
            [
                (words["by type"], known.most_common()),
                (words["by place"], places.most_common()),
                (words["by state"], states.most_common()),
            ],
            logo,
        )

    def _period(self, wanted: ClassificationFilter, answers: Sequence[ClassificationOut]) -> str:
        """From the first to the last that is reported, where the filter does not say."""
        times = [answer.created_at for answer in answers]
        since = wanted.since or min(times, default=None)
        until = wanted.until or max(times, default=None)
        return " – ".join(self._time(each) for each in (since, until) if each)

    def block(self, answer: ClassificationOut, photo: Picture | None, heatmap: Picture | None) -> Block:
        """One classification."""
        words, taken = self._words, answer.photo
        coordinates = "" if taken.latitude is None else f"({taken.latitude:.6f}, {taken.longitude:.6f})"
        facts = [
            (words["final"], self._final(answer)),
            (words["answer"], self._answer(answer)),
            (words["inspector"], self._inspector(answer)),
            *self._regions(answer),
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
        shown = [fact for fact in facts if fact[1]]
        return Block(self._finding(answer), " · ".join(aside), photo, heatmap, shown, _marks(answer))

    def _finding(self, answer: ClassificationOut) -> str:
        if is_sound(answer):
            return self._words["sound"]
        final = final_class(answer)
        return self._words["no class"] if final.name is None else self._both(*final)

    def _final(self, answer: ClassificationOut) -> str:
        said = self._words["by person" if answer.feedback else "by machine"]
        return f"{self._finding(answer)} ({said})"

    def _severity(self, answer: ClassificationOut) -> str:
        class_id = final_class(answer).id
        known = self._names.get(class_id) if class_id else None
        return self._words[known.severity] if known and known.severity else ""

    def _answer(self, answer: ClassificationOut) -> str:
        if answer.sound:
            return self._words["answered sound"]
        first = answer.predictions[0]
        name = self._both(first.defect_class.id, first.defect_class.name)
        words = self._words["unknown" if answer.unknown else "answered"]
        return words.format(name=name, probability=f"{first.probability:.1%}")

    def _inspector(self, answer: ClassificationOut) -> str:
        word = answer.feedback
        if word is None:
            return ""
        said = self._words["refused" if word.verdict == "unknown" else word.verdict]
        name = self._both(word.defect_class_id, word.defect_class_name or "")
        return f"{said.format(name=name)} ({self._who(word)})"

    def _regions(self, answer: ClassificationOut) -> Iterator[tuple[str, str]]:
        """Each region by its number: what was answered of it, and what the inspector said."""
        words = self._words
        for number, region in enumerate(answer.regions or [], 1):
            first = region.predictions[0].defect_class
            said = words["found unknown" if region.unknown else "found"]
            text = said.format(name=self._both(first.id, first.name), defect=f"{region.defect:.1%}")
            judged = f". {words['inspector']}: {self._said(region.feedback)}" if region.feedback else ""
            yield words["region"].format(number=number), text + judged
        for word in answer.added_regions:
            yield words["region"].format(number=word.region), f"{words['inspector']}: {self._said(word)}"

    def _said(self, word: RegionFeedbackOut) -> str:
        name = self._both(word.defect_class_id, word.defect_class_name or "")
        return f"{self._words[word.verdict].format(name=name)} ({self._who(word)})"

    def _who(self, done: ClassificationOut | FeedbackOut | RegionFeedbackOut) -> str:
        return self._words["not known"] if done.actor_id is None and done.actor == UNKNOWN else done.actor

    def _both(self, class_id: UUID | None, name: str | None) -> str:
        """A class in both languages, that of the report first."""
        known = self._names.get(class_id) if class_id else None
        if known is None:
            return name or ""
        titles = [known.title_ko, known.title_en]
        return " · ".join(filter(None, titles if self._language == "ko" else titles[::-1])) or known.name

    def _conditions(self, wanted: ClassificationFilter) -> str:
        words = self._words
        said = {None: "", True: words["is unknown"], False: words["is not unknown"]}
        sound = {None: "", True: words["is sound"], False: words["is not sound"]}
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
            sound[wanted.sound],
            agreed[wanted.disagreement],
        ]
        return ", ".join(filter(None, parts)) or words["everything"]

    def _time(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%Y-%m-%d %H:%M}"


def _state(answer: ClassificationOut) -> str:
    return answer.feedback.verdict if answer.feedback else "open"


def _marks(answer: ClassificationOut) -> list[Mark]:
    answered = [(region, region.feedback) for region in answer.regions or []]
    found = [
        Mark(number, word.box if word else region, word is None or word.verdict != "not-a-defect")
        for number, (region, word) in enumerate(answered, 1)
    ]
    return found + [Mark(word.region, word.box, word.verdict != "not-a-defect") for word in answer.added_regions]
