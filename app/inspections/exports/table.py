"""What a row of an exported table says of a classification."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from app.api.language import Language
from app.inspections.final_class import final_class
from app.inspections.schemas import ClassificationOut, FeedbackOut, Prediction, RegionOut
from app.photos.regions import RegionBox

Cell = str | float | bool | datetime | None


@dataclass(frozen=True)
class Column:
    """A heading in both languages, and what stands beneath it."""

    ko: str
    en: str
    value: Callable[[ClassificationOut], Cell]


def _first(answer: ClassificationOut) -> Prediction:
    return answer.predictions[0]


def _id(key_id: UUID | None) -> str | None:
    return None if key_id is None else str(key_id)


def _said(value: Callable[[FeedbackOut], str | None]) -> Callable[[ClassificationOut], Cell]:
    return lambda answer: None if answer.feedback is None else value(answer.feedback)


def _region(region: RegionOut) -> str:
    first = region.predictions[0].defect_class.name
    return f"{first} {region.defect:.2f} @ {_box(region)}{' (unknown)' if region.unknown else ''}"


def _words(answer: ClassificationOut) -> Iterator[str]:
    judged = [region.feedback for region in answer.regions or [] if region.feedback]
    for word in (*judged, *answer.added_regions):
        named = f" {word.defect_class_name}" if word.defect_class_name else ""
        yield f"{word.region} {word.verdict}{named} @ {_box(word.box)}"


def _box(box: RegionBox) -> str:
    """Left edge, upper edge, width and height, in fractions of the photo's sides."""
    return ",".join(f"{side:.3f}" for side in (box.x, box.y, box.w, box.h))


COLUMNS = (
    Column("판정 시각", "Answered", lambda answer: answer.created_at),
    Column("카탈로그", "Catalog", lambda answer: answer.catalog),
    Column("최종 유형", "Final class", lambda answer: final_class(answer).name),
    Column("최종 유형의 근거", "Final class by", lambda answer: "person" if answer.feedback else "machine"),
    Column("하자 유형", "Defect class", lambda answer: _first(answer).defect_class.name),
    Column("하자 유형 (한국어)", "Defect class (Korean)", lambda answer: _first(answer).defect_class.title_ko),
    Column("하자 유형 (영어)", "Defect class (English)", lambda answer: _first(answer).defect_class.title_en),
    Column("확률", "Probability", lambda answer: round(_first(answer).probability, 4)),
    Column("미등록 유형", "Unknown", lambda answer: answer.unknown),
    Column("점검자 판단", "Inspector's verdict", _said(lambda word: word.verdict)),
    Column("점검자가 정한 유형", "Inspector's class", _said(lambda word: word.defect_class_name)),
    Column("점검자 의견", "Inspector's comment", _said(lambda word: word.note)),
    Column("메모", "Note", lambda answer: answer.note),
    Column("위치", "Place", lambda answer: answer.place),
    Column("처리 상태", "Status", lambda answer: answer.status),
    Column("위도", "Latitude", lambda answer: answer.photo.latitude),
    Column("경도", "Longitude", lambda answer: answer.photo.longitude),
    Column("촬영 시각", "Taken", lambda answer: answer.photo.taken_at),
    Column("파일 이름", "File name", lambda answer: answer.photo.filename),
    Column("사진 ID", "Photo ID", lambda answer: answer.photo.id),
    Column("판정 ID", "Classification ID", lambda answer: str(answer.id)),
    Column("백본", "Backbone", lambda answer: answer.backbone_id),
    Column("카탈로그 버전", "Catalog version", lambda answer: answer.catalog_version),
    Column("사진을 보낸 사람", "Sent by", lambda answer: answer.actor),
    Column("사진을 보낸 사람의 키 ID", "Key ID of who sent it", lambda answer: _id(answer.actor_id)),
    Column("판단한 사람", "Judged by", _said(lambda word: word.actor)),
    Column("판단한 사람의 키 ID", "Key ID of who judged it", _said(lambda word: _id(word.actor_id))),
    Column("이상 없음", "Sound", lambda answer: answer.sound),
    Column("영역 수", "Number of regions", lambda answer: None if answer.regions is None else len(answer.regions)),
    Column("영역", "Regions", lambda answer: "; ".join(map(_region, answer.regions or [])) or None),
    Column("영역에 대한 점검자 판단", "Inspector's word on regions", lambda answer: "; ".join(_words(answer)) or None),
)
"""The final class is what the person said last, else what was answered; empty where it is no class of the catalog. The
defect class is the first prediction as it was answered, also where the answer was unknown or sound."""


def headings(language: Language, zone: ZoneInfo) -> list[str]:
    """The first row; times of answers are in `zone`."""
    words = [column.ko if language == "ko" else column.en for column in COLUMNS]
    return [f"{words[0]} ({zone.key})", *words[1:]]


def cells(answer: ClassificationOut, zone: ZoneInfo) -> list[Cell]:
    """One row. Times have lost their zone, which spreadsheets do not know, and are in `zone`."""
    values = [column.value(answer) for column in COLUMNS]
    return [_local(value, zone) if isinstance(value, datetime) else value for value in values]


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, microsecond=0)
