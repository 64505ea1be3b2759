"""A catalog of one draw, judging photos as a whole and everywhere, by the functions that the service uses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection import Answer, Found
from benchmarks.wide import WHOLE, Wide
from models.prototypes import embedding_sum, probabilities, prototype, similarities
from models.regions import WindowHead, fit_window_head, scan
from models.ridge_head import TEMPERATURE, RidgeHead, can_have_head, fit_head
from models.windows import Part, Region, embed_part

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Quick:
    """A photo as a whole: the ridge head, or prototypes where that is what the service takes."""

    head: RidgeHead | None
    prototypes: Vectors

    @staticmethod
    def of(examples: Vectors, labels: NDArray[np.int64]) -> "Quick":
        """The catalog of these examples [S, D] with their classes [S]."""
        ways = int(labels.max()) + 1
        head = fit_head(examples, labels) if can_have_head(ways, len(labels)) else None
        sums = np.stack([embedding_sum(examples[labels == label]) for label in range(ways)])
        return Quick(None if head is None or head.outdone else head, prototype(sums))

    def scores(self, embeddings: Vectors) -> Vectors:
        """Embeddings [N, D] -> scores [N, C]."""
        return similarities(embeddings, self.prototypes) if self.head is None else self.head.scores(embeddings)

    def answer(self, photo: Wide) -> Answer:
        """It always names a class; what it points at is the whole photo."""
        scores = self.scores(photo.whole[np.newaxis])[0]
        shares = probabilities(scores, TEMPERATURE)
        named = int(scores.argmax())
        return Answer(named, shares, float(scores.max()), [Found(WHOLE, named, float(shares.max()))])


@dataclass(frozen=True)
class Everywhere:
    """Windows of a photo, and the photo as a whole where they tell no more."""

    head: WindowHead
    quick: Quick

    @staticmethod
    def of(
        examples: Vectors, labels: NDArray[np.int64], sound: Vectors, rests: Vectors, generic: Vectors
    ) -> "Everywhere":
        """See `models.regions.fit_window_head`."""
        return Everywhere(fit_window_head(examples, labels, sound, rests, generic), Quick.of(examples, labels))

    def answer(self, photo: Wide) -> Answer:
        """Where it is told by its windows, a photo without a region is sound."""
        if photo.features is None:
            return self.quick.answer(photo)
        found = scan(photo.features, self.head)
        whole = self.quick.answer(photo)
        regions = [Found(each.region, int(each.probabilities.argmax()), each.defect) for each in found.regions]
        return Answer(
            whole.named if found.whole_counts else int(found.scores.argmax()),
            found.scores,
            found.defect,
            whole.regions if found.whole_counts else regions,
        )


def region_examples(photos: Sequence[tuple[Wide, Region]]) -> Vectors:
    """Embeddings [S, D] of examples with a box."""
    return _embedded([(photo, Part((region,))) for photo, region in photos])


def rest_examples(photos: Sequence[Wide]) -> Vectors:
    """Embeddings [R, D] of what lies outside the boxes of photos whose defects all have one."""
    return _embedded([(photo, Part(tuple(photo.regions), is_rest=True)) for photo in photos if photo.regions])


def _embedded(parts: Sequence[tuple[Wide, Part]]) -> Vectors:
    found = [embed_part(_map(photo), part) for photo, part in parts]
    kept = [each for each in found if each is not None]
    return np.stack(kept) if kept else np.empty((0, _map(parts[0][0]).shape[2]), np.float32)


def _map(photo: Wide) -> Vectors:
    assert photo.features is not None, "a photo with boxes is large enough for windows"
    return photo.features
