"""A confusion matrix as a picture."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], title: str) -> bytes:
    """A PNG in which each row, a true class, shows in per cent how its queries were answered.

    confusion: [C, C] counts, rows the truth; classes: C names; title: a line above, in plain text.
    """
    shown = confusion.sum(axis=1, keepdims=True)
    share = 100 * np.divide(confusion, shown, out=np.zeros(confusion.shape), where=shown > 0)
    side = 2.5 + 0.7 * len(classes)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot(xlabel="answer", ylabel="truth")
    axes.set_title(title, parse_math=False)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    names = [name.replace("$", r"\$") for name in classes]  # a dollar sign would start a formula
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(share):
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", color="white" if value > 55 else "black")  # noqa: PLR2004
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()
