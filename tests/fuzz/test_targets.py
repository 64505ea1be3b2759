"""The fuzz targets start, reach the decoders, and find nothing in a few runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="the extra `fuzz` is not installed")


def test_decode(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.decode", tmp_path / "files", "-runs=300", "-seed=1"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    reached = [int(found) for found in re.findall(r"cov: (\d+)", run.stderr)]
    assert len(list((tmp_path / "files").glob("seed-*"))) > 20
    assert reached[-1] > 500
