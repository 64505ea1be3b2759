"""The whole answer of one real photo, as JSON and as the picture of the README.

    python -m benchmarks.answer_picture

registers the classes of masonry_historic with five photos each, classifies one more photo, writes docs/answer.png and
prints the answer. The photos are of DeepDlut/CNN-for-masonry-brick-damage (MIT licence).
"""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import matplotlib.image
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks import ceiling, draws, service, sources
from models.confusion_picture import korean_font

SOURCE, NUMBER, QUERY = "masonry_historic", 0, 1
TITLES = {"crack": "균열", "efflorescence": "백화", "intact": "정상", "spalling": "박락"}
PLACES, BARS = "ph012", "b"
"""Photo, heat map, three examples; beside them the bars."""
PICTURE = Path(__file__).parents[1] / "docs" / "answer.png"


def main() -> None:
    """Register, classify, draw."""
    source = sources.load("validation", SOURCE, ceiling.backbone())
    chosen = draws.draw(source, NUMBER, 5)
    with service.running() as running, httpx.Client(base_url=running.address, timeout=120) as client:
        for label, places in zip(chosen.classes, chosen.supports, strict=True):
            name = source.classes[label]
            files = [("photos", (source.paths[place].name, source.paths[place].read_bytes())) for place in places]
            fields = {"name": name, "title_ko": TITLES[name], "title_en": name.capitalize()}
            client.post("/v1/catalogs/default/defect-classes", data=fields, files=files).raise_for_status()
        path = source.paths[chosen.queries[QUERY]]
        answer = client.post(
            "/v1/catalogs/default/classifications?top_k=4&coverage=0.9", files={"photo": (path.name, path.read_bytes())}
        ).json()
        pictures = {
            "photo": _picture(client, f"/v1/photos/{answer['photo']['id']}/thumbnail"),
            "heat map": _picture(client, f"/v1/classifications/{answer['id']}/heatmap.png"),
        }
        examples = [_picture(client, f"/v1/photos/{each['photo_id']}/thumbnail") for each in answer["nearest"]]
    PICTURE.parent.mkdir(exist_ok=True)
    with rc_context({"font.family": [korean_font(), "DejaVu Sans"]}):
        _draw(answer, pictures, examples)
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    print(f"The photo is of the class {source.classes[source.labels[chosen.queries[QUERY]]]!r}.")


def _picture(client: httpx.Client, address: str) -> NDArray[Any]:
    answer = client.get(address).raise_for_status()
    kind = answer.headers["content-type"].removeprefix("image/")
    picture: NDArray[Any] = np.asarray(matplotlib.image.imread(io.BytesIO(answer.content), format=kind))
    return picture


def _draw(answer: dict[str, Any], pictures: dict[str, NDArray[Any]], examples: list[NDArray[Any]]) -> None:
    # The bricks of this source are wide: one below the other.
    figure = Figure(figsize=(11, 5.6), dpi=100, layout="constrained")
    layout = ";".join(f"{name}{BARS}" for name in PLACES)
    places = figure.subplot_mosaic(layout, width_ratios=[2, 3])
    classes = [each["defect_class"] for each in answer["predictions"]]
    for name, picture in pictures.items():
        _show(places[name[0]], picture, name)
    for place, (picture, each) in enumerate(zip(examples, answer["nearest"], strict=True)):
        title = next(name["title_en"] for name in classes if name["id"] == each["defect_class_id"])
        _show(places[str(place)], picture, f"nearest example: {title}, {each['similarity']:.2f}")
    predictions = answer["predictions"][::-1]
    names = [f"{each['defect_class']['title_ko']} {each['defect_class']['title_en']}" for each in predictions]
    bars = places[BARS]
    bars.barh(names, [each["probability"] for each in predictions], color="#1f5a8a")
    for place, each in enumerate(predictions):
        bars.text(each["probability"] + 0.01, place, f"{each['probability']:.0%}", va="center")
    bars.set_xlim(0, 1.1)
    bars.set_xticks([])
    bars.spines[["top", "right", "bottom"]].set_visible(False)
    said = "unknown" if answer["unknown"] else "one of these classes"
    bars.set_title(
        f"{said}: similarity {answer['predictions'][0]['similarity']:.2f}, threshold {answer['threshold']:.2f}; 90 %: "
        + ", ".join(each["title_en"] for each in answer["prediction_set"]["defect_classes"])
    )
    figure.savefig(PICTURE)


def _show(axes: Axes, picture: NDArray[Any], title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title)
    axes.axis("off")


if __name__ == "__main__":
    main()
