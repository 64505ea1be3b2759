"""The commands of the learning side: meta-training a network, and evaluating one on classes that it never saw."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from app.commands.output import err, out
from app.photos import reading
from models.backbones import load_backbone
from models.confusion_picture import draw_confusion
from models.learning.augmentation import stack_photos
from models.learning.checkpoint_writer import require_photos, write_checkpoint
from models.learning.data import Image, LabelledImages, read_folder, read_image_folder, small_omniglot, stack_images
from models.learning.distributed import join_workers
from models.learning.evaluation import Evaluation, encode, evaluate, paired_difference, validation_score
from models.learning.learners import Learner
from models.learning.learners.cosine_prototypical import CosinePrototypicalNetwork
from models.learning.learners.pretrained import PretrainedBackbone
from models.learning.meta_training import WEIGHTS, load_learner, meta_train
from models.learning.methods import CONV4, build_learner
from models.learning.sound_surfaces import write_sound_surfaces
from models.learning.training import Prepare, TrainingConfig, read_config
from models.learning.training import Progress as Row
from models.manifest import Transform, load_manifest
from models.networks.graph_writer import convert_checkpoint

MARGIN = 1.45
"""Photos are kept so much larger than the random views of them, which show down to half of a photo."""


def train(config_file: Path, data: Path, run: Path, validation: Path | None, checkpoint: Path | None) -> None:
    """`haja meta-train`."""
    with _sentences():
        # Of the processes that torchrun starts, one speaks and writes.
        is_first = join_workers().is_first
        out.quiet = not is_first
        config = read_config(config_file)
        if config.backbone == CONV4 and (validation or checkpoint):
            raise ValueError("--validation and --checkpoint are for configurations that start from a checkpoint.")
        if checkpoint is not None and validation is None:
            raise ValueError("--checkpoint needs --validation: what its scores mean is fitted on those photos.")
        if checkpoint is not None and (checkpoint.exists() or checkpoint.with_suffix(".safetensors").exists()):
            raise ValueError(f"The checkpoint {checkpoint} exists and is not overwritten: choose another name.")
        training = training_images(config, data)
        chosen_by = None if validation is None else read_photos(validation, load_manifest(config.backbone).transform)
        if checkpoint is not None and chosen_by is not None:
            require_photos(chosen_by)
        learner = _with_progress(config, training, chosen_by, run)
        out.print(f"The learner is in {run / WEIGHTS}.")
        if checkpoint is not None and chosen_by is not None and is_first:
            write_checkpoint(checkpoint, learner, chosen_by)
            out.print(f"The checkpoint {checkpoint} is ready: HAJA_BACKBONE={checkpoint} serves it.")


def compare(
    model: str,
    data: Path,
    against: str | None,
    shots: list[int],
    ways: int | None,
    *,
    queries: int,
    episodes: int,
    pictures: Path | None,
) -> None:
    """`haja evaluate`."""
    with _sentences():
        learners = [_load(name, ways, shots) for name in (model, against) if name is not None]
        transforms = [_transform(learner) for learner in learners]
        # Two models that want the same photos share them.
        decoded = {each: read_photos(data, each) if each else _omniglot(data)[1] for each in dict.fromkeys(transforms)}
        images = [decoded[each] for each in transforms]
        encoded = [encode(each, of.images, unchanged(each)) for each, of in zip(learners, images, strict=True)]
        table = Table("source", "ways", "shots", "accuracy %", *(["more than the second"] if against else []))
        recalls = Table("class", "shots", "recall %")
        too_few = []
        for source in _sources(learners[0], images[0]):
            count = sum(source in {None, each} for each in images[0].sources)
            among = min(ways or count, count)
            for shot in shots:
                settings = {"queries": queries, "episodes": episodes, "source": source}
                try:
                    found = [
                        evaluate(each, of, among, shot, encoded=vectors, **settings)  # type: ignore[arg-type]
                        for each, of, vectors in zip(learners, images, encoded, strict=True)
                    ]
                except ValueError as error:
                    too_few.append(f"{source or 'all'}, {shot} shots: {error}")
                    continue
                difference = [str(paired_difference(*found))] if against else []
                table.add_row(source or "all", str(among), str(shot), str(found[0].accuracy), *difference)
                for name, recall in found[0].recall.items() if source else ():
                    recalls.add_row(name, str(shot), f"{100 * recall:.1f}")
                if pictures is not None:
                    _draw(found[0], pictures / f"{source or 'all'}_{among}way_{shot}shot.png")
    out.print(table)
    if recalls.row_count:
        out.print(recalls)
    out.print(f"± is the 95 % interval over {episodes:,} episodes of {queries} queries a class.")
    for sentence in too_few:
        err.print(sentence, highlight=False)
    if not table.row_count:
        raise typer.Exit(1)


def write_graph_of(checkpoint: str) -> None:
    """`haja convert`."""
    with _sentences():
        out.print(f"The graph {convert_checkpoint(checkpoint)} is ready.", soft_wrap=True)


def write_sound_of(checkpoint: str, folders: list[Path]) -> None:
    """`haja sound-surfaces`."""
    with _sentences():
        backbone = load_backbone(checkpoint, engine="openvino")
        decode = _decoder(backbone.transform)
        surfaces = [np.stack(read_folder(folder, decode)) for folder in folders]
        out.print(
            f"The sound surfaces {write_sound_surfaces(checkpoint, backbone, surfaces)} are ready.", soft_wrap=True
        )


@contextmanager
def _sentences() -> Iterator[None]:
    """What a person can mend ends the command with a sentence; a photo that was left out is told and no more."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: err.print(str(message), highlight=False)
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            yield
    except (ValueError, OSError) as error:
        err.print(f"[red]{escape(str(error))}[/]", highlight=False)
        raise typer.Exit(1) from None


def training_images(config: TrainingConfig, data: Path) -> LabelledImages:
    """What a configuration trains on: photos somewhat larger than its views, or Omniglot.

    Raises what `read_image_folder` and `read_omniglot` raise.
    """
    if config.backbone == CONV4:
        return _omniglot(data)[0]
    side = round(MARGIN * config.view_side)
    return read_photos(data, replace(load_manifest(config.backbone).transform, height=side, width=side))


def _transform(learner: Learner) -> Transform | None:
    """How photos are prepared for a learner; None for one of Omniglot."""
    return learner.backbone.manifest.transform if isinstance(learner.backbone, PretrainedBackbone) else None


def read_photos(folder: Path, transform: Transform) -> LabelledImages:
    """Photos laid out as <folder>/<source>/<class>/*.jpg, decoded as the service does, to the transform's size.

    Raises what `read_image_folder` raises.
    """
    return read_image_folder(folder, _decoder(transform))


def _decoder(transform: Transform) -> Callable[[bytes], Image]:
    def decode(data: bytes) -> Image:
        try:
            return reading.decode(data, transform, max_pixels=100_000_000).pixels
        except reading.PhotoError as error:
            raise ValueError(error.detail) from error

    return decode


def _omniglot(archives: Path) -> tuple[LabelledImages, LabelledImages]:
    return small_omniglot(archives, Path(tempfile.gettempdir()) / "haja_omniglot")


def _load(name: str, ways: int | None, shots: list[int]) -> Learner:
    if not Path(name).is_dir():
        return CosinePrototypicalNetwork(PretrainedBackbone(name)).eval()
    config, learner = load_learner(Path(name))
    if not learner.any_ways and (ways, shots) != (config.ways, [config.shots]):
        raise ValueError(
            f"The learner in {name} was trained for one kind of episode: --ways {config.ways} --shots {config.shots}."
        )
    return learner


def unchanged(learner: Learner) -> Prepare:
    """How images that are not augmented are handed to a learner."""
    return stack_photos if isinstance(learner.backbone, PretrainedBackbone) else stack_images


def _sources(learner: Learner, images: LabelledImages) -> list[str | None]:
    """Photos are told apart inside one source; the alphabets of Omniglot are mixed, as in all its papers."""
    return [*dict.fromkeys(images.sources)] if isinstance(learner.backbone, PretrainedBackbone) else [None]


def _draw(found: Evaluation, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name.rpartition("/")[2] for name in found.classes]
    path.write_bytes(draw_confusion(found.confusion, names, f"{path.stem}: {found.accuracy} %"))


def _with_progress(
    config: TrainingConfig, training: LabelledImages, chosen_by: LabelledImages | None, run: Path
) -> Learner:
    def validate(learner: Learner) -> float:
        return validation_score(learner, chosen_by, unchanged(learner))  # type: ignore[arg-type]

    if chosen_by is not None:
        # Also finds out, before any time is spent, that the validation photos can fill their episodes.
        out.print(f"validation before training {validate(build_learner(config)):.1%}")
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=out) as progress:
        tasks = [
            progress.add_task(f"run {number + 1} of {config.runs}", total=config.updates, start=False)
            for number in range(config.runs)
        ]

        def on_update(number: int, update: int) -> None:
            progress.start_task(tasks[number])
            progress.update(tasks[number], completed=update)

        def on_progress(number: int, row: Row) -> None:
            chosen = "" if row.validation is None else f", validation {row.validation:.1%}"
            figures = f"loss {row.loss:.3f}, accuracy {row.accuracy:.1%}{chosen}"
            progress.console.print(f"run {number + 1}, update {row.update}: {figures}", highlight=False)

        return meta_train(config, training, run, None if chosen_by is None else validate, on_progress, on_update)
