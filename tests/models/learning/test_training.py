import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.learning.data import LabelledImages
from models.learning.evaluation import evaluate
from models.learning.learners import Learner
from models.learning.methods import build_learner
from models.learning.resume import load_facts
from models.learning.training import Progress, TrainingConfig, read_config, train
from models.manifest import CheckpointError

CONFIG = TrainingConfig(
    "prototypical", 3, 2, 2, updates=6, learning_rate=1e-2, schedule="linear", save_every=2, options={"channels": 4}
)
ROOT = Path(__file__).parents[3]
CHILD = """
import sys
from pathlib import Path
import numpy as np, torch
from models.learning.data import LabelledImages
from models.learning.methods import build_learner
from models.learning.training import read_config, train
torch.set_num_threads(1)
config = read_config(Path(sys.argv[1]))
random = np.random.default_rng(0)
data = LabelledImages(list(random.random((40, 16, 16), dtype=np.float32)), np.repeat(np.arange(4), 10),
                      list("abcd"), ["s"] * 4)
train(config, build_learner(config), data, Path(sys.argv[2]))
"""
SETTINGS = """
method = "prototypical"
ways = 3
shots = 2
queries = 2
updates = {updates}
learning_rate = 0.01
save_every = 5
options = {{channels = 4}}
"""


def rows(folder: Path) -> list[int]:
    with (folder / "log.csv").open(newline="") as file:
        return [int(row["update"]) for row in csv.DictReader(file)]


def run(data: LabelledImages, folder: Path, config: TrainingConfig = CONFIG) -> Learner:
    return train(config, build_learner(config), data, folder)


def test_an_interrupted_run_ends_as_if_nothing_had_happened(toy_images: LabelledImages, tmp_path: Path) -> None:
    whole = run(toy_images, tmp_path / "whole")

    def stop(progress: Progress) -> None:
        if progress.update == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, build_learner(CONFIG), toy_images, tmp_path / "resumed", on_progress=stop)
    with (tmp_path / "resumed" / "log.csv").open("a") as file:
        file.write("6,0.1,0.9,,3.0\n")  # as if it had been killed between the log and the checkpoint
    resumed = run(toy_images, tmp_path / "resumed")
    torch.testing.assert_close(whole.state_dict(), resumed.state_dict(), rtol=0, atol=0)
    assert rows(tmp_path / "resumed") == rows(tmp_path / "whole") == [2, 4, 6]
    assert not resumed.training


def test_kill_9_leaves_a_run_that_can_be_read(tmp_path: Path) -> None:
    settings, folder = tmp_path / "long.toml", tmp_path / "run"
    settings.write_text(SETTINGS.format(updates=100_000))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(settings), str(folder)], cwd=ROOT)
    waited = time.monotonic() + 250
    while not (folder / "run.safetensors").exists() and time.monotonic() < waited and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL

    facts = load_facts(folder / "run.safetensors")
    assert facts is not None
    assert facts["update"] % 5 == 0
    assert facts["update"] in rows(folder)


def test_a_finished_run_is_only_read(toy_images: LabelledImages, tmp_path: Path) -> None:
    first = run(toy_images, tmp_path)
    written = (tmp_path / "run.safetensors").stat().st_mtime_ns
    again = run(toy_images, tmp_path)
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
    assert (tmp_path / "run.safetensors").stat().st_mtime_ns == written


def test_a_run_with_other_settings_is_not_overwritten(toy_images: LabelledImages, tmp_path: Path) -> None:
    run(toy_images, tmp_path)
    before = (tmp_path / "run.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"other settings \(shots, seed\)"):
        run(toy_images, tmp_path, replace(CONFIG, seed=1, shots=1))
    assert (tmp_path / "run.safetensors").read_bytes() == before


def test_a_damaged_checkpoint_is_not_overwritten(toy_images: LabelledImages, tmp_path: Path) -> None:
    run(toy_images, tmp_path)
    (tmp_path / "run.safetensors").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(toy_images, tmp_path)
    assert (tmp_path / "run.safetensors").read_bytes() == b"half a file"


def test_data_that_cannot_fill_an_episode_leaves_no_folder(toy_images: LabelledImages, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has 10 photos; an episode needs 52"):
        run(toy_images, tmp_path / "run", replace(CONFIG, shots=50))
    assert not (tmp_path / "run").exists()


def test_the_best_validated_weights_are_kept(toy_images: LabelledImages, tmp_path: Path) -> None:
    scores = iter([0.5, 0.9, 0.7])
    seen: list[dict[str, torch.Tensor]] = []

    def validate(learner: Learner) -> float:
        assert not learner.training
        seen.append({name: tensor.clone() for name, tensor in learner.state_dict().items()})
        return next(scores)

    best = train(CONFIG, build_learner(CONFIG), toy_images, tmp_path, validate=validate)
    torch.testing.assert_close(dict(best.state_dict()), seen[1], rtol=0, atol=0)
    torch.testing.assert_close(load_file(tmp_path / "weights.safetensors"), seen[1], rtol=0, atol=0)


def test_it_learns_the_toy_images(toy_images: LabelledImages, tmp_path: Path) -> None:
    config = replace(CONFIG, updates=60, episodes_per_update=2, clip_norm=1.0, inside=1.0)
    learner = run(toy_images, tmp_path, config)
    assert evaluate(learner, toy_images, 3, 2, queries=4, episodes=50).accuracy.mean > 0.8


@pytest.mark.long
def test_two_processes_under_torchrun(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(SETTINGS.format(updates=10))
    (tmp_path / "child.py").write_text(CHILD)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    arguments = [str(tmp_path / "child.py"), str(tmp_path / "short.toml"), str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command + arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "run") == [5, 10]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("method = 3 4", "cannot be used"),
        (SETTINGS.format(updates=5) + "speed = 3", "unexpected keyword argument 'speed'"),
        ('method = "maml"', "missing"),
        (SETTINGS.format(updates=0), "updates is at least 1"),
        (SETTINGS.format(updates=5) + 'optimizer = "lion"', "not 'lion'"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=f"bad.toml cannot be used: .*{complaint}|{complaint}"):
        read_config(tmp_path / "bad.toml")


def test_the_published_settings_can_be_read() -> None:
    found = sorted((ROOT / "models" / "learning" / "configs").glob("omniglot_*.toml"))
    assert len(found) == 10
    for path in found:
        config = read_config(path)
        assert path.stem == f"omniglot_{config.method}"
        build_learner(config)
