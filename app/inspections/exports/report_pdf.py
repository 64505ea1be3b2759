"""The inspection report on paper: A4, a title page, a summary, one block for each classification."""

import importlib.util
import io
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, XPos, YPos
from fpdf.fonts import TTFFont

from app.api.language import Language
from app.inspections.exports.report_texts import Block, Cover, Mark, Picture
from app.inspections.exports.words import WORDS

INK, GREY, RULE, ACCENT = (32, 36, 42), (105, 112, 122), (214, 218, 223), (24, 90, 140)
WHITE, MARK = (255, 255, 255), (196, 32, 32)
MARGIN, WIDTH, BOTTOM = 16.0, 178.0, 279.0  # millimetres of A4
GAP = 4.0
PICTURE_WIDTH, PICTURE_HEIGHT = (WIDTH - GAP) / 2, 36.0  # three findings of usual length on a page
LOGO_WIDTH, LOGO_HEIGHT, TITLE_TOP, SIGNATURES_TOP = 60.0, 30.0, 70.0, 230.0
LABEL_WIDTH, COUNT_WIDTH = 30.0, 10.0
LINE = 4.8
ROWS_OF_SUMMARY = 12
MARKS = 2


class ReportDocument(FPDF):
    """A report that grows block by block. Only for one thread at a time."""

    def __init__(self, language: Language, made: datetime, made_by: str) -> None:
        super().__init__()
        self._words = WORDS[language]
        self._footer = ""
        self._number = 0
        self.set_lang(language)
        self.set_title(self._words["title"])
        self.set_creator("Haja")
        self.set_author(made_by)
        self.set_creation_date(made)
        self.set_margins(MARGIN, MARGIN)
        self.c_margin = 0
        self.set_auto_page_break(auto=True, margin=297 - BOTTOM)
        for style, path in (("", "NanumGothic.ttf"), ("B", "NanumGothicBold.ttf")):
            self.add_font("Nanum", style, _package("koreanize_matplotlib") / "fonts" / path)
        # For letters and signs beyond Korean and Latin.
        for style, path in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
            self.add_font("DejaVu", style, _package("matplotlib") / "mpl-data" / "fonts" / "ttf" / path)
        self.set_fallback_fonts(["DejaVu"], exact_match=False)
        # What stands for the number of pages must not occur in anybody's note.
        self.alias_nb_pages("{쪽%수}")
        self.add_page()

    def footer(self) -> None:
        """Page number and date at the foot of each page; called by FPDF."""
        self.set_y(-14)
        self._ink(8, GREY)
        self.cell(WIDTH - 20, 5, self._footer)
        self.cell(20, 5, f"{self._words['page']} {self.page_no()} / {self.str_alias_nb_pages}")

    def begin(self, cover: Cover) -> None:
        """The title page, then what was found by type, place and state."""
        words = self._words
        self._footer = f"Haja · {words['title']} · {cover.made}"
        if cover.logo is not None:
            logo = io.BytesIO(cover.logo)
            self.image(logo, MARGIN, MARGIN, LOGO_WIDTH, LOGO_HEIGHT, keep_aspect_ratio=True, alt_text="")
        self.set_y(TITLE_TOP)
        self._line(words["title"], 26, INK, "B", height=14)
        self._line(cover.made, 9.5, GREY)
        self.ln(8)
        self._rule()
        for label, text in cover.facts:
            self._fact(label, text)
            self.ln(1.5)
        if self.y > SIGNATURES_TOP:
            self.add_page()
        self.set_y(SIGNATURES_TOP)
        for role in ("inspected by", "checked by"):
            self._signature(words["signed by"].format(who=words[role]), words["date"])
        self.add_page()
        if not any(rows for _, rows in cover.tables):
            self._line(words["nothing"], 11, INK, "B", height=8)
        for heading, rows in cover.tables:
            if rows:
                self._table(heading, rows)

    def _signature(self, who: str, date: str) -> None:
        self.set_draw_color(*GREY)
        self._ink(9, GREY)
        for x, width, label in ((MARGIN, 110.0, who), (MARGIN + 118, 60.0, date)):
            self.line(x, self.y, x + width, self.y)
            self.text(x, self.y + 5, label)
        self.ln(22)

    def _table(self, heading: str, rows: Sequence[tuple[str, int]]) -> None:
        """Names with their numbers, most first; what does not fit into the table together on its last line."""
        self._line(heading, 12, INK, "B", height=8)
        self._rule()
        for name, count in rows[:ROWS_OF_SUMMARY]:
            self._fact(str(count), name, COUNT_WIDTH)
        if rest := rows[ROWS_OF_SUMMARY:]:
            others = self._words["others"].format(count=len(rest))
            self._fact(str(sum(count for _, count in rest)), others, COUNT_WIDTH)
        self.ln(6)

    def add(self, block: Block) -> None:
        """One classification, kept together on a page where it fits on one."""
        self._number += 1
        headline = f"{self._number}. {block.headline}"
        if self.y + min(self._height(headline, block), BOTTOM - MARGIN) > BOTTOM:
            self.add_page()
        self._rule()
        self._line(headline, 13, INK, "B", height=7)
        self._line(block.aside, 9, GREY)
        self.ln(1.5)
        top = self.y
        words = self._words
        self._picture(block.photo, words["photo"], words["photo missing"], MARGIN, top)
        if block.photo is not None:
            for mark in reversed(block.marks):  # the most important lies on top
                self._mark(mark, *_fitted(block.photo), MARGIN, top)
        self._picture(block.heatmap, words["heat map"], words["no heat map"], MARGIN + PICTURE_WIDTH + GAP, top)
        self.set_xy(MARGIN, top + self._pictures_height(block) + LINE + 2)
        for label, text in block.facts:
            self._fact(label, text)
        self.ln(3)

    def end(self, path: Path) -> None:
        """Write the file."""
        self.output(path)

    def close(self) -> None:
        """Close the files of the fonts, which FPDF leaves open."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.close()

    def _height(self, headline: str, block: Block) -> float:
        self._ink(13, INK, "B")
        head = self._lines_of(headline, WIDTH) * 7
        self._ink(9.5, INK)
        facts = sum(self._lines_of(text, WIDTH - LABEL_WIDTH) for _, text in block.facts) * LINE
        return head + 4.5 + LINE + self._pictures_height(block) + LINE + 2 + facts

    def _lines_of(self, text: str, width: float) -> int:
        lines = self.multi_cell(width, text=_plain(text), dry_run=True, output=MethodReturnValue.LINES)
        assert isinstance(lines, list)  # noqa: S101 - as was asked for
        return len(lines)

    @staticmethod
    def _pictures_height(block: Block) -> float:
        return max((_fitted(each)[1] for each in (block.photo, block.heatmap) if each), default=LINE)

    def _picture(self, picture: Picture | None, caption: str, missing: str, x: float, y: float) -> None:
        below = y
        if picture is not None:
            width, height = _fitted(picture)
            self.image(picture.jpeg, x, y, width, height, alt_text=caption)
            below = y + height + 1
        self.set_xy(x, below)
        self._ink(8, GREY)
        self.multi_cell(PICTURE_WIDTH, 4, caption if picture else missing, align=Align.L)

    def _mark(self, mark: Mark, width: float, height: float, x: float, y: float) -> None:
        """A box on a picture of this size at this place, with its number; dashed where it is no defect."""
        left, top, colour = x + mark.box.x * width, y + mark.box.y * height, MARK if mark.is_defect else GREY
        with self.local_context():
            for line, drawn in ((0.9, WHITE), (0.45, colour)):
                self.set_line_width(line)
                self.set_draw_color(*drawn)
                if not mark.is_defect:
                    self.set_dash_pattern(dash=1.2, gap=0.8)
                self.rect(left, top, mark.box.w * width, mark.box.h * height)
        number = str(mark.number)
        self._ink(7, WHITE, "B")
        self.set_fill_color(*colour)
        self.set_xy(left, top)
        self.cell(self.get_string_width(number) + 1.4, 3.2, number, fill=True, align=Align.C)

    def _fact(self, label: str, text: str, indent: float = LABEL_WIDTH) -> None:
        self._ink(9.5, GREY)
        self.cell(indent, LINE, label)
        self._ink(9.5, INK)
        self.multi_cell(WIDTH - indent, LINE, _plain(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _line(
        self, text: str, size: float, colour: tuple[int, int, int], style: str = "", height: float = LINE
    ) -> None:
        self._ink(size, colour, style)
        self.multi_cell(WIDTH, height, _plain(text), align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _rule(self) -> None:
        self.set_draw_color(*RULE)
        self.line(MARGIN, self.y, MARGIN + WIDTH, self.y)
        self.ln(3)

    def _ink(self, size: float, colour: tuple[int, int, int], style: str = "") -> None:
        self.set_font("Nanum", style, size)
        self.set_text_color(*colour)


def _fitted(picture: Picture) -> tuple[float, float]:
    """Width and height in millimetres, in the picture's proportions."""
    scale = min(PICTURE_WIDTH / picture.width, PICTURE_HEIGHT / picture.height)
    return picture.width * scale, picture.height * scale


def _plain(text: str) -> str:
    """Without signs that have no shape of their own, and with two marks on a letter at most.

    The former turn the direction of writing, for example; a pile of marks has no width, so a line would never end.
    """
    kept, marks = [], 0
    for sign in text.replace("\t", " "):
        kind = unicodedata.category(sign)
        marks = marks + 1 if kind in {"Mn", "Me"} else 0
        if kind != "Cf" and marks <= MARKS:
            kept.append(sign)
    return "".join(kept)


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    assert found is not None  # noqa: S101 - a dependency
    assert found.origin is not None  # noqa: S101
    return Path(found.origin).parent
