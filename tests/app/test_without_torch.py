"""A service that answers on a CPU, where torch is not installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBID = """
import sys
import importlib.abc

class Forbidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "timm", "safetensors", "onnx"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Forbidden())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in {"torch", "timm"} else found(name, package)
"""

SERVE = """
import httpx
from app.config import Settings
from app.drawing import draw
from app.photos.reading import encode_jpeg
from app.serve import running

def photo(kind, seed):
    return ("photo.jpg", encode_jpeg(draw(kind, seed, 300, 400).pixels))

with running(Settings(port=0, views=sys.argv[2], database_url=f"sqlite:///{sys.argv[1]}")) as address:
    with httpx.Client(base_url=address, timeout=120) as client:
        for kind in ("hairline-crack", "rust-stain"):
            files = [("photos", photo(kind, seed)) for seed in range(3)]
            registered = client.post("/v1/catalogs/default/defect-classes", data={"name": kind}, files=files)
            assert registered.status_code == 201, registered.text
        judged = client.post("/v1/catalogs/default/classifications", files={"photo": photo("rust-stain", 9)})
        assert judged.status_code == 201, judged.text
        assert judged.json()["predictions"][0]["defect_class"]["name"] == "rust-stain", judged.text
        drawn = client.get(f"/v1/classifications/{judged.json()['id']}/heatmap.png")
        assert drawn.status_code == 200 and drawn.headers["content-type"] == "image/png", drawn.text
        assert client.get("/v1/catalogs/default/evaluation").status_code == 200
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def _run(program: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HAJA_")}
    return subprocess.run(
        [sys.executable, "-c", FORBID + program, *arguments],
        cwd=ROOT, env=environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("views", ["quick", pytest.param("accurate", marks=pytest.mark.long)])
def test_photos_are_classified_and_maps_drawn(tmp_path: Path, views: str) -> None:
    done = _run(SERVE, str(tmp_path / "haja.db"), views)
    assert done.returncode == 0, done.stderr
    imported = done.stdout.splitlines()[-1]
    assert "'openvino'" in imported
    for absent in ("torch", "torchvision", "timm", "safetensors", "onnx"):
        assert f"'{absent}'" not in imported


@pytest.mark.parametrize(
    ("settings", "extra"),
    [
        ({"HAJA_ENGINE": "torch"}, "gpu"),
        pytest.param({"HAJA_BACKBONE": "timm/resnet18"}, "gpu", marks=pytest.mark.long),
    ],
)
def test_what_needs_torch_says_what_to_install_at_start(tmp_path: Path, settings: dict[str, str], extra: str) -> None:
    _refused(
        ["serve"],
        extra,
        HAJA_DATABASE_URL=f"sqlite:///{tmp_path / 'haja.db'}",
        HAJA_PORT="0",
        HAJA_LOG_LEVEL="warning",
        **settings,
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["convert", "efficientnet-lite0-haja"], "gpu"),
        pytest.param(["sound-surfaces", "efficientnet-lite0-haja", "models"], "learn", marks=pytest.mark.long),
        (["meta-train", "models/learning/configs/defects_ridge.toml", "--data", "photos", "--run", "run"], "learn"),
        pytest.param(["evaluate", "efficientnet-lite0-haja", "--data", "photos"], "learn", marks=pytest.mark.long),
    ],
)
def test_commands_that_need_torch_say_what_to_install(arguments: list[str], extra: str) -> None:
    _refused(arguments, extra)


def _refused(arguments: list[str], extra: str, **settings: str) -> None:
    done = _run("from app.commands.main import main\nmain()\n", *arguments, COLUMNS="400", **settings)
    assert done.returncode == 1
    assert f"pip install 'haja[{extra}]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
