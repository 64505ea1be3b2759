import io

import numpy as np
from PIL import Image

from models.confusion_picture import draw_confusion


def test_it_is_a_picture_whose_diagonal_is_dark() -> None:
    shown = draw_confusion(np.array([[8, 0], [0, 8]]), ["균열 $x_1$", "b<&>"], "site: 100 %")
    picture = np.asarray(Image.open(io.BytesIO(shown)).convert("L")).astype(float)
    assert min(picture.shape) > 250
    assert (picture < 80).mean() > 0.05


def test_no_classes_one_without_queries_and_many_can_be_drawn() -> None:
    assert draw_confusion(np.zeros((0, 0), np.int64), [], "nothing yet")
    assert draw_confusion(np.zeros((1, 1), np.int64), ["none"], "")
    assert draw_confusion(np.eye(30, dtype=np.int64), [f"class {number}" for number in range(30)], "thirty")
