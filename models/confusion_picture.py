"""A confusion matrix as a picture."""

import importlib.util
import io
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FONT_PACKAGE = "koreanize_matplotlib"
LONGEST_NAME = 24
"""Characters; longer names would leave no room for the matrix."""

_ALONE = threading.Lock()


def draw_confusion(
    confusion: NDArray[np.int64], classes: Sequence[str], title: str, answer: str = "answer", truth: str = "truth"
) -> bytes:
    """A PNG in which each row, a true class, shows in per cent how its queries were answered; nothing is 0.

    confusion: [C, C] counts, rows the truth; classes: C names, Latin or Korean; title: a line above, in plain text;
    answer and truth: words beside the columns and rows.
    """
    # Loading matplotlib takes a second, and most processes never draw.
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415

    shown = confusion.sum(axis=1, keepdims=True)
    share = 100 * np.divide(confusion, shown, out=np.zeros(confusion.shape), where=shown > 0)
    side = 2.5 + 0.5 * len(classes)
    picture = io.BytesIO()
    # matplotlib's settings belong to the whole process.
    with _ALONE, rc_context({"font.family": [korean_font(), "DejaVu Sans"]}), warnings.catch_warnings():
        # A sign that no font has is drawn as a box, which is enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure = Figure(figsize=(side + 1, side))
        axes = figure.add_subplot(xlabel=answer, ylabel=truth)
        axes.set_title(title, parse_math=False)
        names = [_short(name).replace("$", r"\$") for name in classes]  # a dollar sign would start a formula
        if names:
            axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axes.set_yticks(range(len(names)), names)
        # Laid out once, before the numbers: with them, each of a thousand is measured again and again.
        ConstrainedLayoutEngine().execute(figure)
        for row, column in np.argwhere(confusion):
            value = share[row, column]
            colour = "white" if value > 55 else "black"  # noqa: PLR2004
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
        figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


@cache
def korean_font() -> str:
    """The name of a font with Hangul, which matplotlib's own fonts lack. Only the package's file is used."""
    from matplotlib import font_manager  # noqa: PLC0415

    package = importlib.util.find_spec(FONT_PACKAGE)
    assert package is not None  # noqa: S101 - a dependency
    assert package.origin is not None  # noqa: S101
    path = Path(package.origin).parent / "fonts" / "NanumGothic.ttf"
    font_manager.fontManager.addfont(path)
    return font_manager.FontProperties(fname=path).get_name()
