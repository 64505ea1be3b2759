"""`haja meta-train` and `haja evaluate`, called as a person calls them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.photos import reading
from models.backbones import load_backbone
from models.manifest import CHECKPOINTS, read_manifest, sound_surfaces
from tests.drawn import photo, photos
from tests.models.conftest import OMNIGLOT

Run = Callable[..., tuple[int, str, str]]
START = "efficientnet-lite0-imagenet"
SETTINGS = f"""
method = "cosine_prototypical"
backbone = "{START}"
ways = 3
fewest_ways = 2
shots = 1
queries = 2
inside = 0.5
view_side = 32
updates = 2
save_every = 1
learning_rate = 1e-4
"""
OMNIGLOT_SETTINGS = """
method = "maml"
ways = 5
shots = 1
queries = 2
updates = 2
learning_rate = 1e-3
options = {channels = 4, inner_rate = 0.1, inner_steps = 1, inner_steps_test = 1}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One source of three classes with 20 drawn photos each."""
    root = tmp_path_factory.mktemp("data")
    for kind in ("crack", "rust", "brick"):
        folder = root / "site" / kind
        folder.mkdir(parents=True)
        for number, data in enumerate(photos(kind, range(20))):
            (folder / f"{number}.jpg").write_bytes(data)
    return root


@pytest.mark.long
def test_from_photos_to_a_checkpoint_that_can_be_evaluated(
    haja: Run, settings: Path, site: Path, tmp_path: Path
) -> None:
    train = ("meta-train", settings, "--data", site, "--validation", site, "--run", tmp_path / "run")
    code, out, err = haja(*train, "--checkpoint", tmp_path / "mine.json")
    assert code == 0, err
    assert "validation before training" in out
    assert "run 1, update 2: loss" in out
    assert (tmp_path / "mine.safetensors").is_file()

    compared = ("--against", START, "--data", site, "--shots", 1, "--shots", 5, "--shots", 20, "--episodes", 40)
    code, out, err = haja("evaluate", tmp_path / "mine.json", *compared, "--pictures", tmp_path / "pictures")
    assert code == 0, err
    assert "more than the second" in out
    assert "95 % interval over 40 episodes" in out
    assert "Class 'site/brick' has 20 photos; an episode needs 30" in err
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        "site_3way_1shot.png",
        "site_3way_5shot.png",
    }
    Image.open(tmp_path / "pictures" / "site_3way_5shot.png").verify()

    assert haja("evaluate", tmp_path / "run", "--data", site, "--shots", 1, "--ways", 2, "--episodes", 30)[0] == 0

    code, _, err = haja(*train, "--checkpoint", tmp_path / "mine.json")
    assert code == 1
    assert "exists and is not overwritten" in err


def test_a_run_with_other_settings_is_left_alone(haja: Run, settings: Path, site: Path, tmp_path: Path) -> None:
    train = ("meta-train", settings, "--data", site, "--run", tmp_path / "run")
    assert haja(*train)[0] == 0
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    settings.write_text(SETTINGS.replace("1e-4", "2e-4"), encoding="utf-8")
    code, _, err = haja(*train)
    assert code == 1
    assert "holds a run with other settings (learning_rate)" in err
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_an_omniglot_learner_goes_the_same_way(haja: Run, tmp_path: Path) -> None:
    if not OMNIGLOT.is_dir():
        pytest.skip(f"needs Omniglot's small background sets in {OMNIGLOT}")
    (tmp_path / "maml.toml").write_text(OMNIGLOT_SETTINGS, encoding="utf-8")
    code, _, err = haja("meta-train", tmp_path / "maml.toml", "--data", OMNIGLOT, "--run", tmp_path / "run")
    assert code == 0, err
    evaluate = ("evaluate", tmp_path / "run", "--data", OMNIGLOT, "--episodes", 30)
    code, _, err = haja(*evaluate)
    assert code == 1
    assert "--ways 5 --shots 1" in err
    code, out, err = haja(*evaluate, "--ways", 5, "--shots", 1)
    assert code == 0, err
    assert "95 % interval over 30 episodes" in out


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: None, "There is no folder"),
        (lambda root: root.mkdir(), "holds no photos"),
        (lambda root: (root / "site" / "crack").mkdir(parents=True), "holds no photo that can be read"),
        (lambda root: _photos(root, {"crack": 8}), "one class only (site/crack)"),
        (lambda root: _photos(root, {"crack": 8, "rust": 2}), "'site/rust' has 2 photos; an episode needs 3"),
    ],
    ids=["no folder", "empty", "no photo", "one class", "too few"],
)
def test_photos_that_cannot_be_trained_on(
    haja: Run, settings: Path, tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    make(tmp_path / "data")
    code, _, err = haja("meta-train", settings, "--data", tmp_path / "data", "--run", tmp_path / "run")
    assert code == 1
    assert sentence in err
    assert not (tmp_path / "run").exists()


def test_a_damaged_photo_is_left_out_by_name(haja: Run, settings: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    _photos(root, {"crack": 6, "rust": 6})
    (root / "site" / "rust" / "broken.jpg").write_bytes(photo("rust", 3)[:1000])
    code, _, err = haja("meta-train", settings, "--data", root, "--run", tmp_path / "run")
    assert code == 0, err
    assert "broken.jpg was left out: " in err
    assert err.count("left out") == 1


@pytest.mark.parametrize(
    ("settings_text", "sentence"),
    [
        ("method = ", "cannot be used"),
        (SETTINGS + "colour = 1", "colour"),
        (SETTINGS.replace("cosine_prototypical", "telepathy"), "not 'telepathy'"),
        (SETTINGS.replace(START, "resnet9000"), "no checkpoint 'resnet9000'"),
        (SETTINGS.replace("updates = 2", "updates = 0"), "updates is at least 1"),
    ],
)
def test_settings_that_cannot_be_used(
    haja: Run, settings: Path, site: Path, tmp_path: Path, settings_text: str, sentence: str
) -> None:
    settings.write_text(settings_text, encoding="utf-8")
    code, _, err = haja("meta-train", settings, "--data", site, "--run", tmp_path / "run")
    assert code == 1
    assert sentence in err
    assert not (tmp_path / "run").exists()


def test_models_that_cannot_be_evaluated(haja: Run, site: Path, tmp_path: Path) -> None:
    assert "no checkpoint 'nothing'" in haja("evaluate", "nothing", "--data", site)[2]
    assert "cannot be read" in haja("evaluate", tmp_path, "--data", site)[2]
    (tmp_path / "weights.safetensors").write_bytes(b"half a file")
    code, _, err = haja("evaluate", tmp_path, "--data", site)
    assert (code, "cannot be read" in err) == (1, True)
    code, _, err = haja("evaluate", START, "--data", site, "--shots", 15)
    assert (code, "an episode needs 25" in err) == (1, True)


def test_a_checkpoint_needs_validation_photos(haja: Run, settings: Path, site: Path, tmp_path: Path) -> None:
    code, _, err = haja(
        "meta-train", settings, "--data", site, "--run", tmp_path / "run", "--checkpoint", tmp_path / "mine.json"
    )
    assert (code, "--checkpoint needs --validation" in err) == (1, True)
    settings.write_text(OMNIGLOT_SETTINGS, encoding="utf-8")
    code, _, err = haja("meta-train", settings, "--data", site, "--validation", site, "--run", tmp_path / "run")
    assert (code, "are for configurations that start from a checkpoint" in err) == (1, True)


def test_sound_surfaces_of_folders_become_part_of_a_checkpoint(haja: Run, site: Path, tmp_path: Path) -> None:
    for file in CHECKPOINTS.glob(f"{START}.*"):
        shutil.copy(file, tmp_path)
    checkpoint = tmp_path / f"{START}.json"
    before = read_manifest(checkpoint)
    command = ("sound-surfaces", checkpoint, site / "site" / "brick")
    code, _, err = haja(*command)
    assert (code, err.strip()) == (1, "1 kinds of surfaces with 20 photos each are too few for 24 centres.")
    assert read_manifest(checkpoint) == before
    code, out, err = haja(*command, site / "site" / "rust")
    assert code == 0, err
    assert f"{START}.sound.f16" in out
    made = read_manifest(checkpoint)
    assert made == replace(before, sound=made.sound)
    assert made.sound != before.sound
    surfaces = sound_surfaces(made, 1280)
    brick = load_backbone(START, "openvino").embed(
        np.stack([reading.decode(photo("brick", 3), made.transform, 10**8).pixels])
    )
    assert (surfaces @ brick[0]).max() > 0.9
    haja(*command, site / "site" / "rust")
    assert read_manifest(checkpoint) == made


def _photos(root: Path, counts: dict[str, int]) -> None:
    for kind, count in counts.items():
        (root / "site" / kind).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "site" / kind / f"{number}.png")
