"""Labelled images for meta-training: folders of photos, and Omniglot."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.datasets import Omniglot  # type: ignore[import-untyped]
from torchvision.datasets.folder import pil_loader  # type: ignore[import-untyped]
from torchvision.datasets.utils import extract_archive  # type: ignore[import-untyped]

Image = NDArray[Any]
PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
OMNIGLOT_SIDE = 28


@dataclass(frozen=True)
class LabelledImages:
    """Images with their classes, and the source that each class comes from.

    images:  N arrays, [H, W] or [H, W, 3]
    labels:  int64 [N], positions in `classes`
    classes: C unique names, '<source>/<class>'
    sources: C names: the source (site, camera, alphabet) of each class
    """

    images: Sequence[Image]
    labels: NDArray[np.int64]
    classes: list[str]
    sources: list[str]

    def indices(self) -> dict[str, NDArray[np.int64]]:
        """Class name -> indices of its images, as EpisodeSampler wants them."""
        return {name: np.flatnonzero(self.labels == label) for label, name in enumerate(self.classes)}

    def source_of(self) -> dict[str, str]:
        """Class name -> source, for episodes inside one source."""
        return dict(zip(self.classes, self.sources, strict=True))

    def select(self, keep: Callable[[str], bool]) -> "LabelledImages":
        """The classes whose source `keep` says yes to. Raises ValueError where none is left."""
        kept = [label for label, source in enumerate(self.sources) if keep(source)]
        return collect([(self.sources[k], self.classes[k], self.images_of(k)) for k in kept])

    def images_of(self, label: int) -> list[Image]:
        """The images of one class, a position in `classes`."""
        return [self.images[i] for i in np.flatnonzero(self.labels == label).tolist()]


def collect(classes: Sequence[tuple[str, str, list[Image]]]) -> LabelledImages:
    """(source, class, images) for every class -> one LabelledImages."""
    if not classes:
        raise ValueError("No class is left in this selection.")
    return LabelledImages(
        images=[image for _, _, images in classes for image in images],
        labels=np.repeat(np.arange(len(classes)), [len(images) for _, _, images in classes]),
        classes=[name for _, name, _ in classes],
        sources=[source for source, _, _ in classes],
    )


def read_image_folder(root: Path, decode: Callable[[bytes], Image]) -> LabelledImages:
    """Photos laid out as `<root>/<source>/<class>/*.jpg`.

    decode: bytes -> uint8 [H, W, 3]; raises ValueError for a photo that it cannot read. Such a photo is left out with
    a warning that names it.

    Raises ValueError for a folder that does not exist, a class folder without a readable photo, and fewer than two
    classes in all.
    """
    if not root.is_dir():
        raise ValueError(f"There is no folder {root}.")
    classes = [
        (folder.parent.name, f"{folder.parent.name}/{folder.name}", read_folder(folder, decode))
        for folder in sorted(root.glob("*/*"))
        if folder.is_dir()
    ]
    if not classes:
        raise ValueError(f"The folder {root} holds no photos; expected <source>/<class>/*.jpg in it.")
    if len(classes) == 1:
        raise ValueError(f"The folder {root} holds one class only ({classes[0][1]}); telling apart needs two or more.")
    return collect(classes)


def read_folder(folder: Path, decode: Callable[[bytes], Image]) -> list[Image]:
    """The photos of one folder, by name; `decode` as in `read_image_folder`.

    Raises ValueError for a folder without a readable photo.
    """
    images = [image for path in sorted(folder.iterdir()) if (image := _read_photo(path, decode)) is not None]
    if not images:
        raise ValueError(f"The folder {folder} holds no photo that can be read ({_suffixes()}).")
    return images


def _suffixes() -> str:
    return ", ".join(sorted(PHOTO_SUFFIXES))


def _read_photo(path: Path, decode: Callable[[bytes], Image]) -> Image | None:
    if path.suffix.lower() not in PHOTO_SUFFIXES:
        return None
    try:
        return decode(path.read_bytes())
    except ValueError as error:
        warnings.warn(f"The photo {path} was left out: {error}", stacklevel=3)
        return None


def read_omniglot(folder: Path) -> LabelledImages:
    """Characters laid out as `<folder>/<alphabet>/<character>/*.png`, which is how torchvision unpacks Omniglot.

    Images are float32 [28, 28], strokes 1 on a ground of 0; an alphabet is a source.
    Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program induction, 2015.
    Raises ValueError where the folder holds no drawings.
    """
    classes = []
    for character in sorted(path for path in folder.glob("*/*") if path.is_dir()):
        drawings = [_read_drawing(path) for path in sorted(character.glob("*.png"))]
        if drawings:
            classes.append((character.parent.name, f"{character.parent.name}/{character.name}", drawings))
    if not classes:
        raise ValueError(f"The folder {folder} holds no drawings; expected <alphabet>/<character>/*.png in it.")
    return collect(classes)


def _read_drawing(path: Path) -> Image:
    paper = torch.from_numpy(np.array(pil_loader(path))[None, None, :, :, 0] / np.float32(255))
    small = interpolate(paper, size=(OMNIGLOT_SIDE, OMNIGLOT_SIDE), mode="area")
    drawing: Image = (1 - small[0, 0]).numpy()
    return drawing


def unpack_omniglot(archive: Path, cache: Path) -> Path:
    """Unpacks a zip of Omniglot, such as images_background_small1.zip, where torchvision would: `<cache>/omniglot-py/`.

    Answers the folder for `read_omniglot`; unpacks once only. Raises ValueError where there is no such zip.
    """
    folder: Path = cache / Omniglot.folder / archive.stem
    # Written last, so a run that was stopped while unpacking does not leave half an alphabet behind as if whole.
    complete = folder / ".complete"
    if not complete.exists():
        if not archive.is_file():
            raise ValueError(f"There is no Omniglot archive {archive}.")
        extract_archive(str(archive), str(folder.parent))
        complete.touch()
    return folder


def download_omniglot(cache: Path) -> tuple[LabelledImages, LabelledImages]:
    """The full background (964 characters) and evaluation (659) sets, which torchvision downloads from the internet.

    Raises OSError where there is none.
    """
    for background in (True, False):
        Omniglot(str(cache), background=background, download=True)
    folder = cache / Omniglot.folder
    return read_omniglot(folder / "images_background"), read_omniglot(folder / "images_evaluation")


def small_omniglot(archives: Path, cache: Path) -> tuple[LabelledImages, LabelledImages]:
    """Training and test characters of the two small background sets, read from their zips in `archives`.

    Training is small1 with every rotation by 90 degrees as a class of its own (Santoro et al. 2016); test is the
    alphabets of small2 that small1 lacks, upright.
    """
    small1 = read_omniglot(unpack_omniglot(archives / "images_background_small1.zip", cache))
    small2 = read_omniglot(unpack_omniglot(archives / "images_background_small2.zip", cache))
    return with_rotations(small1), small2.select(lambda alphabet: alphabet not in small1.sources)


def with_rotations(data: LabelledImages) -> LabelledImages:
    """Four classes for each class: upright, and turned by 90, 180 and 270 degrees."""
    return collect(
        [
            (source, f"{name}@{90 * turns}", [np.rot90(image, turns).copy() for image in data.images_of(label)])
            for turns in range(4)
            for label, (source, name) in enumerate(zip(data.sources, data.classes, strict=True))
        ]
    )


def stack_images(images: Sequence[Image]) -> Tensor:
    """n arrays of one size, [H, W] or [H, W, 3] -> float32 [n, C, H, W]; uint8 is scaled to 0..1."""
    stacked = np.stack(images)
    is_grey = images[0].ndim < len("HWC")
    channels_first = stacked[:, None] if is_grey else stacked.transpose(0, 3, 1, 2)
    tensor = torch.from_numpy(np.ascontiguousarray(channels_first))
    return tensor / 255 if tensor.dtype == torch.uint8 else tensor.float()
